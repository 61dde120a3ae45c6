"""The index: what the chain's events say, in tables. See docs/index.md."""

from backend.indexer.node import Finality
from backend.indexer.sync import FinalityBroken, Index, Synced

__all__ = ["Finality", "FinalityBroken", "Index", "Synced"]
