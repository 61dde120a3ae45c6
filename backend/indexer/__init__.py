"""The index: what the chain's events say, in tables. See docs/index.md."""

from backend.indexer.sync import Index, Synced

__all__ = ["Index", "Synced"]
