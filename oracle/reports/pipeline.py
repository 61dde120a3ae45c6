"""The pipeline: what is next for every stream, done in order within a stream and beside each other between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from obbligato.chain import blocks
from obbligato.chain.blocks import Finality
from obbligato.chain.client import Chain
from obbligato.errors import ChainError, NotFound, ObbligatoError, RefusedError
from obbligato.protocol.typed_data import Contract, UsageReport
from obbligato.schemas.oracle import State
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items, Worker
from obbligato.store import StoreError
from oracle.db import AttesterAnswerRow, OracleDatabase, Report, Submission
from oracle.reports.headers import make_headers, want_submission
from oracle.reports.metering import Meter
from oracle.reports.quorum import Gathered, Gatherer, Outcome
from oracle.states import ACTIVE, IN_STREAM, ON_CHAIN

_log = structlog.get_logger(__name__)

STREAMS_AT_ONCE: Final = 8
ALERT_AFTER: Final = 5
"""A submission that failed so often in a row, over half a minute, is named by an alert."""

Stream = tuple[int, bytes]
"""(platform id, model id)."""


class Pipeline:
    """Carries submissions from received to the outbox. Any number of streams, one step at a time each."""

    def __init__(
        self,
        *,
        database: OracleDatabase,
        chain: Chain,
        meter: Meter,
        gatherer: Gatherer,
        finality: Finality,
        signing_seconds: int,
        poll_seconds: float,
        alerts: Alerts | None = None,
    ) -> None:
        self._database = database
        self._chain = chain
        self._meter = meter
        self._gatherer = gatherer
        self._finality = finality
        self._signing_seconds = signing_seconds
        self._poll_seconds = poll_seconds
        self._wake = threading.Event()
        self._items: Items[str] = Items("pipeline", alerts, alert_after=ALERT_AFTER)
        self._busy: set[Stream] = set()
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(STREAMS_AT_ONCE, thread_name_prefix="stream")
        self._metering = threading.Lock()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def worker(self) -> Worker:
        """The pipeline as a supervisor runs it; at its end, steps in hand are finished."""
        return Worker("pipeline", self.tick, self._poll_seconds, wake=self._wake, close=self.close)

    def tick(self) -> None:
        """Begin a step of every stream that has none in hand and did not just fail."""
        submissions = self._active_submissions()
        streams = dict.fromkeys((platform_id, model) for _, platform_id, model in submissions)
        self._items.report([each[0] for each in submissions] + [_name(each) for each in streams])
        for stream in streams:
            if not self._items.is_due(_name(stream)):
                continue
            with self._guard:
                if stream in self._busy:
                    continue
                self._busy.add(stream)
            self._pool.submit(self._advance, stream)

    def close(self) -> None:
        """Begin no further step, and wait for those in hand."""
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def _active_submissions(self) -> list[tuple[str, int, bytes]]:
        """Each with its id, platform id and model id."""
        with self._database.work() as session:
            rows = session.execute(
                select(Submission.id, Submission.platform_id, Submission.model_id)
                .where(Submission.state.in_(ACTIVE))
                .order_by(Submission.created_at, Submission.id)
            )
            return [(row.id, row.platform_id, row.model_id) for row in rows]

    def _advance(self, stream: Stream) -> None:
        try:
            with self._items.attempt(_name(stream)):
                while not self._ended.is_set() and self.step(stream):
                    pass
        finally:
            with self._guard:
                self._busy.discard(stream)

    def step(self, stream: Stream) -> bool:
        """Do one thing for the stream; whether there may be more to do at once."""
        with self._database.work() as session:
            submissions = _active(session, stream)
        for submission in submissions:
            if not self._items.is_due(submission.id):
                continue
            waits = submission.state == State.RECEIVED and submission.summary is None
            # Another stream's file may take minutes: this stream's reports go on meanwhile.
            if waits and self._metering.acquire(blocking=False):
                try:
                    return self._try(submission, self._meter_one)
                finally:
                    self._metering.release()
        for submission in submissions:
            if submission.dry_run or submission.summary is None:
                continue
            if not self._items.is_due(submission.id):
                return False  # the stream's order: nothing overtakes
            return self._try(submission, self._next)
        return False

    def _try(self, submission: Submission, step: Callable[[Submission], bool]) -> bool:
        """One step of one submission; what may pass by itself is tried again later."""
        try:
            more = step(submission)
        except (ChainError, StoreError, NotFound) as error:
            self._fail(submission.id, str(error))
            return False
        except Exception as error:
            _log.exception("a step failed", submission=submission.id)
            said = (
                str(error) if isinstance(error, ObbligatoError) else "an error of the oracle's own"
            )
            self._fail(submission.id, said)
            return False
        if more:
            self._items.succeeded(submission.id)
        return more

    def _meter_one(self, submission: Submission) -> bool:
        reason = self._meter.step(submission)
        if reason is not None:
            self._wait(submission.id, reason)
        return reason is None

    def _next(self, submission: Submission) -> bool:
        """The next thing for the submission that is first in its stream."""
        match submission.state:
            case State.RECEIVED:
                return self._address(submission.id, (submission.platform_id, submission.model_id))
            case State.VALIDATED:
                return self._refresh(submission.id)
            case State.SIGNED | State.ATTESTED | State.SUBMITTED:
                return self._attest(submission)
        return False

    # ---- headers

    def _address(self, identity: str, stream: Stream, *, attempt: int = 1) -> bool:
        """Give the parts that are not on the chain their places and headers: now they can be signed."""
        now = blocks.latest(self._chain).timestamp
        deadline = now + self._signing_seconds
        on_chain = self._chain.stream(*stream)
        with self._database.work() as session:
            submission = session.get_one(Submission, identity)
            if submission.state not in ACTIVE:
                return False  # withdrawn meanwhile
            reports = [report for report in submission.reports if report.state not in ON_CHAIN]
            try:
                headers = make_headers(
                    self._chain,
                    submission,
                    reports,
                    on_chain,
                    deadline=deadline,
                    attempt=attempt,
                    now=now,
                )
            except RefusedError as error:
                _reject(submission, str(error))
                return True
            domain = self._chain.domain(Contract.USAGE_ORACLE)
            for report, header in zip(reports, headers, strict=True):
                report.header = header.as_json()
                report.report_id = header.report_id(domain)
                report.reporter = report.reporter_signature = None
                report.attestations = report.config_version = None
                report.move(State.VALIDATED)
            submission.move(State.VALIDATED, waiting="the platform's signature")
        _log.info("waits for the platform's signature", submission=identity, attempt=attempt)
        return False

    def _refresh(self, identity: str) -> bool:
        """Headers that nobody signed are made anew where the stream moved on or their time ran out."""
        with self._database.work() as session:
            submission = session.get_one(Submission, identity)
            waiting = [r for r in submission.reports if r.state == State.VALIDATED]
            header = UsageReport.from_json(waiting[0].header)
        moved = not self._chain.stream(header.platform_id, header.model_id).is_next(header)
        expired = header.deadline < blocks.latest(self._chain).timestamp
        if expired or moved:
            stream = (header.platform_id, header.model_id)
            self._address(identity, stream, attempt=1 if moved else header.attempt)
        return False

    # ---- attestations

    def _attest(self, submission: Submission) -> bool:
        """Collect a quorum for the first part that is not on the chain, and want it submitted."""
        report = next((each for each in submission.reports if each.state not in ON_CHAIN), None)
        if report is None or report.state != State.SIGNED:
            return False  # the outbox and the keeper have it
        header = UsageReport.from_json(report.header)
        stream = self._chain.stream(header.platform_id, header.model_id)
        if stream.last == report.report_id:
            return False  # the chain has it; the keeper will notice
        if not stream.is_next(header):
            return self._overtaken(submission.id, header, stream.sequence)
        if header.deadline < blocks.latest(self._chain).timestamp:
            return self._expired(submission.id, header)
        assert report.reporter is not None
        assert report.reporter_signature is not None
        gathered = self._gatherer.gather(header, report.reporter, report.reporter_signature)
        return self._keep(submission.id, report.id, gathered)

    def _overtaken(self, identity: str, header: UsageReport, sequence: int) -> bool:
        """Another report took the number that was signed, or a reorg undid the one before it."""
        if sequence >= header.sequence:
            return self._address(identity, (header.platform_id, header.model_id))
        self._wait(identity, f"the stream is at number {sequence}, {header.sequence} was signed")
        return False

    def _expired(self, identity: str, header: UsageReport) -> bool:
        """Signed and never accepted: once that is final, the next attempt."""
        final = blocks.final(self._chain, self._finality)
        if final.timestamp <= header.deadline:
            self._wait(identity, "its deadline passed; another attempt once that is final")
            return False
        stream = (header.platform_id, header.model_id)
        return self._address(identity, stream, attempt=header.attempt + 1)

    def _keep(self, identity: str, key: int, gathered: Gathered) -> bool:
        with self._database.work() as session:
            submission = session.get_one(Submission, identity)
            report = session.get_one(Report, key)
            assert report.report_id is not None
            for answer in gathered.answers:
                session.merge(
                    AttesterAnswerRow(
                        report_id=report.report_id,
                        url=answer.url,
                        signer=answer.signer,
                        config_version=gathered.attesters.version,
                        signature=answer.signature,
                        outcome=answer.outcome,
                        reason=answer.reason,
                        asked_at=int(time.time()),
                    )
                )
            if report.state != State.SIGNED:
                return False
            if gathered.packed is None:
                report.waiting = submission.waiting = _lacking(gathered)
                self._items.failed(identity, report.waiting)
                return False
            report.attestations = gathered.packed
            report.config_version = gathered.attesters.version
            report.move(State.ATTESTED)
            want_submission(session, self._chain, report)
            submission.follow_parts()
        return True

    def _fail(self, identity: str, reason: str) -> None:
        """Put a submission off that failed, and say why."""
        self._items.failed(identity, reason)
        self._say(identity, reason)

    def _wait(self, identity: str, reason: str) -> None:
        """Put a submission off that waits for what is expected to come."""
        self._items.wait(identity)
        self._say(identity, reason)

    def _say(self, identity: str, reason: str) -> None:
        with self._database.work() as session:
            session.get_one(Submission, identity).waiting = reason
        _log.info("waits", submission=identity, reason=reason)


def _name(stream: Stream) -> str:
    return f"stream {stream[0]}/{stream[1].hex()}"


def _active(session: Session, stream: Stream) -> list[Submission]:
    """The submissions of a stream that are not done, with their parts: those in the stream first."""
    found = session.scalars(
        select(Submission)
        .where(
            Submission.platform_id == stream[0],
            Submission.model_id == stream[1],
            Submission.state.in_(ACTIVE),
        )
        .order_by(Submission.created_at, Submission.id)
    ).all()
    for submission in found:
        _ = submission.reports  # loaded while the session is open
    return sorted(found, key=lambda submission: submission.state not in IN_STREAM)


def _reject(submission: Submission, detail: str) -> None:
    submission.move(State.REJECTED)
    submission.problem = {
        "title": "The stream does not take it",
        "detail": detail,
        "errors": [],
        "error_count": 1,
    }


def _lacking(gathered: Gathered) -> str:
    """What a quorum lacks, attester by attester."""
    signed = sum(answer.outcome is Outcome.SIGNED for answer in gathered.answers)
    others = "; ".join(
        f"{answer.url} {answer.outcome}: {answer.reason}"
        for answer in gathered.answers
        if answer.outcome is not Outcome.SIGNED
    )
    return f"{signed} of {gathered.attesters.quorum} attesters signed; {others}"
