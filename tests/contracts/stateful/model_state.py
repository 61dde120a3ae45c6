"""The state of the model: what there is before any act."""

from __future__ import annotations

from collections import defaultdict

from obbligato.protocol.terms import Terms
from scripts.deploy import Parameters
from tests.contracts.stateful.records import (
    Addresses,
    Arrears,
    Challenge,
    Key,
    License,
    Platform,
    Record,
    Report,
    Request,
    RivalClaim,
    Split,
    Stream,
)


class State:
    """Everything that the acts change. `now` is the time of the act that comes next."""

    def __init__(self, at: Addresses, parameters: Parameters) -> None:
        self.at, self.parameters = at, parameters
        self.now = 0
        # Money.
        self.wallets: dict[str, int] = defaultdict(int)
        self.surplus = 0
        self.platforms: dict[int, Platform] = {}
        self.buckets: dict[tuple[str, int], int] = defaultdict(int)
        self.splits: dict[int, Split] = {}
        self.split_ids: dict[bytes, int] = {}
        self.refunds: dict[str, int] = defaultdict(int)
        self.recipients: dict[str, str] = {}
        self.guarded: set[str] = set()
        self.challenge_bonds = 0
        self.core = (at.oracle, at.disputes)
        self.modules: dict[str, int] = {}
        self.retired: set[str] = set()
        self.obliged: dict[tuple[str, int], int] = defaultdict(int)
        self.engaged_until: dict[tuple[str, int], int] = defaultdict(int)
        # Consent.
        self.terms: dict[int, Terms] = {}
        self.terms_ids: dict[bytes, int] = {}
        self.licenses: dict[int, License] = {}
        self.operators: set[tuple[str, str]] = set()
        self.grants: dict[tuple[int, int, int, bytes], list[tuple[int, int]]] = defaultdict(list)
        self.requests: dict[int, Request] = {}
        # Usage.
        self.versions: dict[int, tuple[str, ...]] = {}
        self.quorum = 0
        self.paused_until = self.guardian_paused_at = self.governor_paused_until = 0
        self.streams: dict[tuple[int, bytes], Stream] = defaultdict(Stream)
        self.reports: dict[bytes, Report] = {}
        self.records: dict[tuple[bytes, Key], Record] = defaultdict(Record)
        self.challenges: dict[int, Challenge] = {}
        self.arrears: dict[int, Arrears] = {}
        self.claims: dict[int, RivalClaim] = {}
