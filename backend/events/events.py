"""Events read from the index, each with the licences, the platform and the accounts that it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import Field, JsonValue
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from backend.db.index_db import (
    Block,
    Challenge,
    Following,
    GrantRequest,
    License,
    Platform,
    RawEvent,
    Report,
    ReportRow,
    RivalClaim,
    SplitPayee,
)
from backend.events.catalog import KINDS, KindName
from backend.http.schemas import AnswerModel, Certainty, Hex32, Seconds
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.types import ZERO_ADDRESS

END_OF_BLOCK: Final = 2**31 - 1
"""A log index after every event of a block."""


class Key(NamedTuple):
    """Where an event is on the chain."""

    block: int
    log: int


class EventFilter(NamedTuple):
    """Which events to send: of these kinds (none: all), about everything that is set."""

    kinds: frozenset[str] = frozenset()
    license_id: int | None = None
    platform_id: int | None = None
    account: str | None = None

    def matches(self, event: IndexedEvent) -> bool:
        return (
            (not self.kinds or event.kind in self.kinds)
            and (self.license_id is None or self.license_id in event.licenses)
            and (self.platform_id is None or self.platform_id == event.platform_id)
            and (self.account is None or self.account in event.accounts)
        )


class EventResponse(AnswerModel):
    """One event of the chain."""

    kind: KindName
    block_number: int = Field(ge=0, examples=[1_234])
    log_index: int = Field(ge=0, examples=[7])
    transaction: Hex32
    happened_at: Seconds
    certainty: Certainty
    license_id: int | None = Field(examples=[3])
    platform_id: int | None = Field(examples=[None])
    facts: dict[str, JsonValue] = Field(
        description="What else the event says. Money and quantities are digits in strings.",
        examples=[{"owner": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "terms_id": 2}],
    )


@dataclass(frozen=True, slots=True)
class IndexedEvent:
    """One event with the licences, the platform, and the owners, payees and senders that it concerns."""

    key: Key
    kind: KindName
    block_hash: bytes
    happened_at: int
    transaction: bytes
    license_id: int | None
    platform_id: int | None
    facts: dict[str, Any]
    licenses: frozenset[int]
    accounts: frozenset[str]

    def response(self, final_number: int) -> EventResponse:
        """The response, with the certainty that follows from the number of the final block."""
        return EventResponse(
            kind=self.kind,
            block_number=self.key.block,
            log_index=self.key.log,
            transaction=self.transaction,
            happened_at=self.happened_at,
            certainty="final" if self.key.block <= final_number else "confirmed",
            license_id=self.license_id,
            platform_id=self.platform_id,
            facts=self.facts,
        )


def read_indexed_events(
    session: Session, *, after: Key, up_to: int, limit: int | None = None
) -> list[IndexedEvent]:
    """The events after a key and up to a block, in the order of the chain."""
    rows = session.execute(
        select(RawEvent, Block)
        .join(Block, Block.number == RawEvent.block_number)
        .where(
            tuple_(RawEvent.block_number, RawEvent.log_index) > tuple(after),
            RawEvent.block_number <= up_to,
            RawEvent.name.in_(KINDS),
            ~_reported_otherwise(session),
        )
        .order_by(RawEvent.block_number, RawEvent.log_index)
        .limit(limit)
    ).all()
    return [_indexed_event(session, event, block) for event, block in rows]


def _reported_otherwise(session: Session) -> Any:
    """The condition for logs that another event stands for: the transfer of a mint, the claim that pays a bond."""
    known = session.get(Following, 1)
    vault = known.contracts["RoyaltyVault"] if known else ZERO_ADDRESS
    arguments = RawEvent.arguments
    return ((RawEvent.name == "Transfer") & (arguments["from"].as_string() == ZERO_ADDRESS)) | (
        (RawEvent.name == "Claimed") & (arguments["to"].as_string() == vault)
    )


def _indexed_event(session: Session, event: RawEvent, block: Block) -> IndexedEvent:
    arguments = event.arguments
    subjects = _Subjects(session, arguments)
    kind = KINDS[event.name]
    facts = {name: _fact(name, arguments[argument]) for argument, name in kind.facts.items()}
    if event.name == "ReportSubmitted":
        header = arguments["report"]
        facts |= {
            "period_start": header["periodStart"],
            "period_end": header["periodEnd"],
            "row_count": header["rowCount"],
            "total_units": str(header["total"]),
        }
    return IndexedEvent(
        key=Key(event.block_number, event.log_index),
        kind=kind.name,
        block_hash=block.hash,
        happened_at=block.timestamp,
        transaction=event.transaction,
        license_id=subjects.license_id,
        platform_id=subjects.platform_id,
        facts=facts,
        licenses=frozenset(subjects.licenses),
        accounts=frozenset(subjects.accounts),
    )


def _fact(name: str, value: Any) -> Any:
    if name.endswith(("_units", "quantity")):
        return str(value)
    if name == "tier":
        return Tier(value).name
    if name == "metric":
        return Metric(value).name
    return value


_ACCOUNT_ARGUMENTS: Final = (
    "owner",
    "operator",
    "licensor",
    "admin",
    "from",
    "to",
    "payee",
    "reporter",
    "challenger",
    "claimant",
)


class _Subjects:
    """What an event concerns, directly and through the records that it names."""

    def __init__(self, session: Session, arguments: dict[str, Any]) -> None:
        self._session = session
        self.license_id: int | None = arguments.get("licenseId", arguments.get("tokenId"))
        self.platform_id: int | None = arguments.get("platformId")
        self.licenses: set[int] = set()
        self.accounts = {
            value
            for name in _ACCOUNT_ARGUMENTS
            if isinstance(value := arguments.get(name), str) and value != ZERO_ADDRESS
        }
        self._resolve(arguments)
        if self.license_id is not None:
            self.licenses.add(self.license_id)
            self._add_license(self.license_id)
        if self.platform_id is not None:
            platform = session.get(Platform, self.platform_id)
            self.accounts.update([platform.admin] if platform else [])

    def _resolve(self, arguments: dict[str, Any]) -> None:
        """Find licence and platform through the report, challenge, claim or request that the event names."""
        report_id = arguments.get("reportId")
        if "challengeId" in arguments:
            challenge = self._session.get(Challenge, arguments["challengeId"])
            if challenge is not None:
                self.license_id = challenge.license_id
                self.accounts.add(challenge.challenger)
                self._add_platform_of(challenge.report_id)
        elif report_id is not None:
            self._add_report(bytes.fromhex(report_id[2:]))
        elif "claimId" in arguments:
            claim = self._session.get(RivalClaim, arguments["claimId"])
            if claim is not None:
                self.license_id = claim.license_id
                self.accounts.add(claim.claimant)
        elif "requestId" in arguments:
            request = self._session.get(GrantRequest, arguments["requestId"])
            self.platform_id = request.platform_id if request else self.platform_id

    def _add_platform_of(self, report_id: bytes) -> Report | None:
        report = self._session.get(Report, report_id)
        if report is not None:
            self.platform_id = report.platform_id
        return report

    def _add_report(self, report_id: bytes) -> None:
        """Add the owners and payees of every row of the report."""
        report = self._add_platform_of(report_id)
        if report is None:
            return
        rows = select(ReportRow.license_id, ReportRow.split_id).where(
            ReportRow.report_number == report.number
        )
        licenses: set[int] = set()
        splits: set[int] = set()
        for license_id, split_id in self._session.execute(rows):
            licenses.add(license_id)
            splits.add(split_id)
        self.licenses |= licenses
        self.accounts.add(report.reporter)
        self._add_accounts(License.owner, License.license_id, sorted(licenses))
        self._add_accounts(SplitPayee.account, SplitPayee.split_id, sorted(splits))

    def _add_license(self, license_id: int) -> None:
        known = self._session.get(License, license_id)
        if known is not None:
            self.accounts.add(known.owner)
            self._add_accounts(SplitPayee.account, SplitPayee.split_id, [known.split_id])

    def _add_accounts(self, account: Any, column: Any, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), 500):
            chunk = column.in_(ids[start : start + 500])
            self.accounts.update(self._session.scalars(select(account).where(chunk).distinct()))
