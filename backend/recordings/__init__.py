"""Recordings that are licensed twice: found by hash, by ISRC and by sound."""

from backend.recordings.rivals import Rival, rivals

__all__ = ["Rival", "rivals"]
