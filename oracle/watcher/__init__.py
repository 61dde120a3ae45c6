"""The watcher: anybody's recomputation of every report on the chain, and its challenges."""

from oracle.watcher.findings import ChallengeStatement, Finding, Kind
from oracle.watcher.watcher import Watcher, WatchSettings

__all__ = ["ChallengeStatement", "Finding", "Kind", "WatchSettings", "Watcher"]
