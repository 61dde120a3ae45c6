"""The keeper: what the chain says of every report of ours, and what is to be done about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from eth_hash.auto import keccak
from prometheus_client import Counter
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from obbligato.chain import blocks
from obbligato.chain.blocks import Finality, Header
from obbligato.chain.client import Chain
from obbligato.chain.views import EscrowView, ReportView
from obbligato.errors import ChainError
from obbligato.protocol import streams
from obbligato.protocol.constants import ReportState
from obbligato.schemas.oracle import State
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items
from obbligato.transactions.outbox import latest, want
from obbligato.transactions.tables import Transaction, TransactionState
from oracle.db import OracleDatabase, Report
from oracle.reports.headers import SUBMIT, want_submission
from oracle.reports.report_events import News

_log = structlog.get_logger(__name__)
_settled = Counter("obbligato_reports_settled", "Reports that were settled.")

FOLLOWED: Final = (
    State.ATTESTED,
    State.SUBMITTED,
    State.UNFUNDED,
    State.CONTESTED,
    State.CHALLENGEABLE,
)

ASK_AGAIN: Final = frozenset(
    {"ConfigVersionStale", "QuorumMissing", "SignerUnknown", "AttestationInvalid"}
)
"""Refusals that another round of attestations repairs: the set was changed."""
SIGN_AGAIN: Final = frozenset(
    {"DeadlinePassed", "SequenceInvalid", "PreviousInvalid", "ReporterUnknown"}
)
"""Refusals that the pipeline answers with new headers."""
WAIT: Final = frozenset(
    {"Paused", "PlatformObliged", "PeriodNotOver", "PlatformClosed", "ReportExists"}
)
"""Refusals that may pass."""
FINAL_REFUSALS: Final = {"PeriodTooLong": streams.TOO_LONG, "PeriodTooOld": streams.TOO_OLD}
"""What refusals that end a report mean, in words: it grew too old while it waited."""


@dataclass
class Keeper:
    """Follows reports from the outbox to settled and final. `second` must agree before final."""

    database: OracleDatabase
    chain: Chain
    finality: Finality
    wake: Callable[[], None]
    second: Chain | None = None
    alerts: Alerts | None = None
    news: News = field(init=False)
    items: Items[int] = field(init=False)
    confirmations: Items[int] = field(init=False)
    """Settled reports whose finality could not be read."""

    def __post_init__(self) -> None:
        self.news = News(self.chain)
        self.items = Items("keeper", self.alerts)
        self.confirmations = Items("keeper finality", self.alerts)

    def tick(self) -> None:
        """Look once, and act; a report that fails is put off, the others go on. Raises ChainError."""
        block, touched = self.news.look()
        # What failed is looked at again even where no event names it any more.
        due = dict.fromkeys([*self._due(block, touched), *self.items.failing()])
        for key in due:
            if self.items.is_due(key):
                with self.items.attempt(key):
                    self._follow(key, block)
        self.items.report(list(due))
        self._confirm(block)

    def _due(self, block: Header, touched: frozenset[bytes] | None) -> list[int]:
        """Reports to look at: in flight, named by an event, or with a window that is over."""
        with self.database.work() as session:
            query = select(Report.id).where(Report.state.in_(FOLLOWED)).order_by(Report.id)
            if touched is not None:
                query = query.where(
                    or_(
                        Report.state.in_((State.ATTESTED, State.SUBMITTED)),
                        Report.state == State.UNFUNDED,
                        Report.window_end <= block.timestamp,
                        Report.report_id.in_(touched),
                    )
                )
            due = list(session.scalars(query))
            if touched is None:  # the chain may have gone back behind what looked settled
                settled = (Report.state == State.SETTLED) & Report.final.is_(False)
                due += session.scalars(select(Report.id).where(settled))
        return due

    def _follow(self, key: int, block: Header) -> None:
        with self.database.work() as session:
            known = session.get_one(Report, key)
        report_id = known.report_id
        assert report_id is not None
        view = self.chain.report(report_id)
        on_chain = view.state is not ReportState.NONE
        credits_ = self._frozen(known, view.credits_digest) if on_chain else known.credits
        escrow = self.chain.escrow(view.platform_id) if on_chain else None
        with self.database.work() as session:
            report = session.get_one(Report, key)
            before = report.state
            if (report.report_id, before) != (report_id, known.state):
                return  # the pipeline has it again
            if escrow is None:
                self._not_there(session, report)
            else:
                report.credits = credits_
                self._there(session, report, view, escrow, block)
            report.submission.follow_parts()
            after = report.state
        if before != after:
            _log.info("report", report_id=report_id.hex(), state=after)
            self.wake()

    # ---- not on the chain

    def _not_there(self, session: Session, report: Report) -> None:
        """Its transaction is on its way, or came to nothing."""
        assert report.report_id is not None
        sent = latest(session, SUBMIT, report.report_id.hex())
        if sent is None:
            want_submission(session, self.chain, report)
            return
        if sent.state in (TransactionState.REFUSED, TransactionState.REVERTED):
            self._refused(session, report, sent)
        elif sent.state == TransactionState.SUPERSEDED:
            want_submission(session, self.chain, report)
        else:
            queued = sent.state == TransactionState.QUEUED
            state = State.ATTESTED if queued else State.SUBMITTED
            report.move(state, waiting=sent.waiting)
            report.window_end = None

    def _refused(self, session: Session, report: Report, sent: Transaction) -> None:
        """The contract said no: what its error's name asks for."""
        error = dict(sent.error or {})
        name = str(error.get("error", ""))
        words = (
            f"{name}({', '.join(f'{k}={v}' for k, v in (error.get('arguments') or {}).items())})"
        )
        if name in ASK_AGAIN or name in SIGN_AGAIN:
            report.move(State.SIGNED, waiting=f"the contract refused: {words}")
            report.attestations = report.config_version = None
        elif name in WAIT or not name:
            waiting = f"the contract refused for now: {words}"
            report.move(State.ATTESTED, waiting=waiting)
            if time.time() - sent.updated_at > 15:
                want_submission(session, self.chain, report)
        else:
            report.move(State.REJECTED, waiting=report.waiting)
            report.submission.problem = {
                "title": "The contract refused it",
                "detail": FINAL_REFUSALS.get(name, words),
                "errors": [],
                "error_count": 1,
            }

    # ---- on the chain

    def _there(
        self, session: Session, report: Report, view: ReportView, escrow: EscrowView, block: Header
    ) -> None:
        """The chain has it: where it stands, and the transaction that carries it on."""
        assert report.report_id is not None
        if view.state is ReportState.UNFUNDED:
            waiting = f"escrow: {view.total_units} units are needed, deposit what is missing"
            report.move(State.UNFUNDED, waiting=waiting)
            if escrow.available_units + escrow.thawing_units >= view.total_units:
                self._want(session, "fund", report)
            return
        report.window_end = view.window_end
        if view.state is ReportState.SETTLED:
            if report.state != State.SETTLED:
                _settled.inc()
            report.move(State.SETTLED)
            return
        contested = self.news.is_contested(report.report_id)
        report.move(State.CONTESTED if contested else State.CHALLENGEABLE)
        if block.timestamp >= view.window_end:
            self._want(session, "settle", report, report.credits)

    def _frozen(self, report: Report, digest: bytes) -> bytes:
        """The credits that the chain froze: a split may have changed since the report was priced."""
        if keccak(report.credits) == digest:
            return report.credits
        assert report.report_id is not None
        found = self.news.credits_of(report.report_id)
        if found is None or keccak(found) != digest:
            raise ChainError("the node does not show the credits of a report: ask another one")
        return found

    def _want(self, session: Session, purpose: str, report: Report, *more: bytes) -> None:
        assert report.report_id is not None
        sent = latest(session, purpose, report.report_id.hex())
        refused = sent is not None and sent.state in (
            TransactionState.REFUSED,
            TransactionState.REVERTED,
        )
        if sent is not None and refused:
            name = (sent.error or {}).get("error")
            report.waiting = f"{purpose} was refused for now: {name}"
            if time.time() - sent.updated_at < 15:
                return
        want(
            session,
            purpose=purpose,
            subject=report.report_id.hex(),
            to=self.chain.deployment.address("UsageOracle"),
            data=self.chain.encode("UsageOracle", purpose, report.report_id, *more),
        )

    # ---- final

    def _confirm(self, block: Header) -> None:
        """Settled reports whose settlement can no longer change, by both nodes."""
        with self.database.work() as session:
            open_ = session.scalars(
                select(Report).where(Report.state == State.SETTLED, Report.final.is_(False))
            ).all()
        if not open_:
            self.confirmations.report([])
            return
        nodes = [self.chain] if self.second is None else [self.chain, self.second]
        finals = [blocks.final_number(node, self.finality) for node in nodes]
        for known in open_:
            if self.confirmations.is_due(known.id):
                with self.confirmations.attempt(known.id):
                    self._confirm_one(known, nodes, finals)
        self.confirmations.report([known.id for known in open_])

    def _confirm_one(self, known: Report, nodes: Sequence[Chain], finals: Sequence[int]) -> None:
        assert known.report_id is not None
        states = [
            node.report(known.report_id, block=final).state
            for node, final in zip(nodes, finals, strict=True)
        ]
        if all(state is ReportState.SETTLED for state in states):
            with self.database.work() as session:
                session.get_one(Report, known.id).final = True
            _log.info("final", report_id=known.report_id.hex())
