"""The index: what the chain's events say, in tables. See docs/index.md."""

from backend.index.following import FinalityBroken, Index, Synced
from backend.index.node import Finality
from backend.index.payee_earnings import PayeeEarning, payee_earnings

__all__ = ["Finality", "FinalityBroken", "Index", "PayeeEarning", "Synced", "payee_earnings"]
