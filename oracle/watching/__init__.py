"""The watcher: anybody's recomputation of every report on the chain, and its challenges."""

from oracle.watching.finding import ChallengeStatement, Finding, Kind
from oracle.watching.watcher import Watcher, WatchSettings

__all__ = ["ChallengeStatement", "Finding", "Kind", "WatchSettings", "Watcher"]
