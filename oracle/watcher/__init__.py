"""The watcher: anybody's recomputation of every report on the chain, and its challenges."""

from oracle.watcher.findings import ChallengeStatement, Finding, FindingKind
from oracle.watcher.watcher import Watcher, WatchSettings

__all__ = ["ChallengeStatement", "Finding", "FindingKind", "WatchSettings", "Watcher"]
