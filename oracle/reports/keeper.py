"""The keeper: what the chain says of every report of ours, and what is to be done about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from eth_hash.auto import keccak
from prometheus_client import Counter
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from obbligato.chain.client import Chain
from obbligato.errors import ChainError
from obbligato.transactions.outbox import latest, want
from obbligato.transactions.tables import Transaction, TransactionState
from oracle.db import OracleDatabase, Report, ReportState, Submission, SubmissionState
from oracle.reports.headers import SUBMIT, want_submission
from oracle.reports.report_events import News
from oracle.reports.states import overall
from oracle.settings import Finality
from oracle.startup import Block, final_block

_log = structlog.get_logger(__name__)
_settled = Counter("obbligato_reports_settled", "Reports that were settled.")

FOLLOWED: Final = (
    ReportState.ATTESTED,
    ReportState.SUBMITTED,
    ReportState.UNFUNDED,
    ReportState.CONTESTED,
    ReportState.CHALLENGEABLE,
)
_NONE, _UNFUNDED, _PENDING, _SETTLED = range(4)
"""States of a report on the chain, as contracts/Types.sol numbers them."""

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


@dataclass
class Keeper:
    """Follows reports from the outbox to settled and final. `second` must agree before final."""

    database: OracleDatabase
    chain: Chain
    finality: Finality
    wake: Callable[[], None]
    second: Chain | None = None
    news: News = field(init=False)

    def __post_init__(self) -> None:
        self.news = News(self.chain)

    def tick(self) -> None:
        """Look once, and act. Raises ChainError."""
        block, touched = self.news.look()
        for key in self._due(block, touched):
            self._follow(key, block)
        self._confirm(block)

    def run(self, stop: threading.Event, *, every: float) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            try:
                self.tick()
            except ChainError as error:
                _log.warning("the keeper cannot ask the chain", reason=str(error))
            except Exception:
                _log.exception("the keeper failed")
            stop.wait(every)

    def _due(self, block: Block, touched: frozenset[bytes] | None) -> list[int]:
        """Reports to look at: in flight, named by an event, or with a window that is over."""
        with self.database.work() as session:
            query = select(Report.id).where(Report.state.in_(FOLLOWED)).order_by(Report.id)
            if touched is not None:
                query = query.where(
                    or_(
                        Report.state.in_((ReportState.ATTESTED, ReportState.SUBMITTED)),
                        Report.state == ReportState.UNFUNDED,
                        Report.window_end <= block.timestamp,
                        Report.report_id.in_(touched),
                    )
                )
            due = list(session.scalars(query))
            if touched is None:  # the chain may have gone back behind what looked settled
                settled = (Report.state == ReportState.SETTLED) & Report.final.is_(False)
                due += session.scalars(select(Report.id).where(settled))
        return due

    def _follow(self, key: int, block: Block) -> None:
        with self.database.work() as session:
            known = session.get_one(Report, key)
        report_id = known.report_id
        assert report_id is not None
        record = self.chain.call("UsageOracle", "reportOf", report_id)
        frozen = self._frozen(known, bytes(record[0])) if record[1] != _NONE else known.credits
        escrow = self.chain.call("RoyaltyVault", "escrowOf", record[2]) if record[2] else None
        with self.database.work() as session:
            report = session.get_one(Report, key)
            before = report.state
            if record[1] == _NONE:
                self._not_there(session, report)
            else:
                report.credits = frozen
                self._there(session, report, record, escrow, block)
            report.submission.state = _state_of(report.submission)
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
            report.state = ReportState.ATTESTED if queued else ReportState.SUBMITTED
            report.waiting = sent.waiting
            report.window_end = None

    def _refused(self, session: Session, report: Report, sent: Transaction) -> None:
        """The contract said no: what its error's name asks for."""
        error = dict(sent.error or {})
        name = str(error.get("error", ""))
        words = (
            f"{name}({', '.join(f'{k}={v}' for k, v in (error.get('arguments') or {}).items())})"
        )
        if name in ASK_AGAIN or name in SIGN_AGAIN:
            report.state = ReportState.SIGNED
            report.attestations = report.config_version = None
            report.waiting = f"the contract refused: {words}"
        elif name in WAIT or not name:
            report.state = ReportState.ATTESTED
            report.waiting = f"the contract refused for now: {words}"
            if time.time() - sent.updated_at > 15:
                want_submission(session, self.chain, report)
        else:
            report.state = ReportState.REJECTED
            report.submission.problem = {
                "title": "The contract refused it",
                "detail": words,
                "errors": [],
                "error_count": 1,
            }

    # ---- on the chain

    def _there(
        self, session: Session, report: Report, record: Any, escrow: Any, block: Block
    ) -> None:
        assert report.report_id is not None
        _, state, _, total, end, _, _ = record
        report.waiting = None
        if state == _UNFUNDED:
            report.state = ReportState.UNFUNDED
            report.waiting = f"escrow: {total} units are needed, deposit what is missing"
            if escrow is not None and escrow[0] + escrow[1] >= total:
                self._want(session, "fund", report)
        elif state == _PENDING:
            report.window_end = int(end)
            contested = self.news.is_contested(report.report_id)
            report.state = ReportState.CONTESTED if contested else ReportState.CHALLENGEABLE
            if block.timestamp >= end:
                self._want(session, "settle", report, report.credits)
        else:
            if report.state != ReportState.SETTLED:
                _settled.inc()
            report.window_end = int(end)
            report.state = ReportState.SETTLED

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

    def _confirm(self, block: Block) -> None:
        """Settled reports whose settlement can no longer change, by both nodes."""
        with self.database.work() as session:
            open_ = session.scalars(
                select(Report).where(Report.state == ReportState.SETTLED, Report.final.is_(False))
            ).all()
        if not open_:
            return
        nodes = [self.chain] if self.second is None else [self.chain, self.second]
        finals = [final_block(node, self.finality).number for node in nodes]
        for known in open_:
            states = [
                node.call("UsageOracle", "reportOf", known.report_id, block=final)[1]
                for node, final in zip(nodes, finals, strict=True)
            ]
            if all(state == _SETTLED for state in states):
                with self.database.work() as session:
                    session.get_one(Report, known.id).final = True
                _log.info("final", report_id=(known.report_id or b"").hex())


def _state_of(submission: Submission) -> SubmissionState:
    state = overall(part.state for part in submission.reports)
    submission.waiting = next((p.waiting for p in submission.reports if p.waiting), None)
    return state
