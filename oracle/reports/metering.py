"""First step: the files of a submission become rows with evidence, priced by the chain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import structlog
from prometheus_client import Histogram

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.quote import quote
from obbligato.consent import LicenseBook
from obbligato.documents.evidence import Period
from obbligato.errors import ContractRefused, InputError, NotFound
from obbligato.metering.files import RejectedLines, Rejection, UsageFile
from obbligato.metering.intake import events_of_rows, write_events
from obbligato.metering.metered import Metered, Part, meter
from obbligato.metering.workbench import Consents
from obbligato.protocol.constants import MAX_ROWS, Pricing
from obbligato.protocol.rows import pack_credits, pack_rows
from obbligato.schemas.oracle import (
    MAX_UNLICENSED,
    RejectedUsage,
    State,
    Summary,
    UnlicensedSum,
)
from obbligato.schemas.oracle_requests import ReportRequest
from obbligato.schemas.problems import LineError
from obbligato.store import ContentStore
from oracle.db import OracleDatabase, Report, Submission
from oracle.intake.uploads import Uploads

_log = structlog.get_logger(__name__)
_seconds = Histogram("obbligato_metering_seconds", "Time from files to priced rows with evidence.")


@dataclass(frozen=True)
class Meter:
    """Everything that metering needs."""

    database: OracleDatabase
    chain: Chain
    store: ContentStore
    book: LicenseBook
    uploads: Uploads
    folder: Path
    most_events: int
    document_patience: int

    def step(self, submission: Submission) -> str | None:
        """Meter and price one submission and keep the result; why it has to wait, where it has to.

        A submission that the rules refuse is kept as rejected, with the lines. Raises ChainError,
        StoreError and NotFound, after which it can be tried again: nothing is half-kept.
        """
        request = ReportRequest.model_validate(submission.request)
        period = request.period.period()
        block = blocks.latest(self.chain)
        if block.timestamp < period.end:
            return f"the chain's time is {block.timestamp}, the period ends at {period.end}"
        try:
            with _seconds.time():
                metered = self._metered(submission, request, period, block.number)
                parts = [self._priced(part, request, period) for part in metered.parts]
        except RejectedLines as error:
            self._reject(submission.id, _lines_problem(error))
        except (InputError, ContractRefused) as error:
            self._reject(submission.id, _problem(error))
        else:
            self._keep(submission.id, metered, parts, dry_run=submission.dry_run)
        return None

    def _metered(
        self, submission: Submission, request: ReportRequest, period: Period, block: int
    ) -> Metered:
        self.book.follow(block)
        with self._scratch(submission.id) as folder:
            consents = self._consents(submission, request, period)
            files = [
                UsageFile(
                    path=self.uploads.path(submission.platform_id, file.sha256),
                    name=file.name,
                    format=file.format,
                )
                for file in request.files
            ]
            if request.rows:
                files = [_rows_as_file(request, consents, submission.model_id, folder)]
            return meter(
                files,
                consents=consents,
                platform_id=submission.platform_id,
                model_id=submission.model_id,
                salt=submission.salt,
                store=self.store,
                folder=folder,
                skip_invalid=request.skip_invalid,
                divide=request.pricing is Pricing.METERED,
                most_events=self.most_events,
            )

    def _consents(self, submission: Submission, request: ReportRequest, period: Period) -> Consents:
        """What licences allow. A document that nobody has is waited for, but not for ever.

        Whoever mints a licence and withholds its document could otherwise stop every report that
        names a recording by an ISRC.
        """

        def asked(isrcs: Collection[str] | None) -> Consents:
            return self.book.consents(
                period=period,
                platform_id=submission.platform_id,
                model_id=submission.model_id,
                pricing=request.pricing,
                isrcs=isrcs,
            )

        if not request.files:
            return asked(())
        try:
            return asked(None)
        except NotFound:
            if time.time() < submission.created_at + self.document_patience:
                raise
        _log.warning("documents are missing", licenses=self.book.unreadable)
        return replace(asked(()), licenses_of=self.book.isrcs(period))

    def _priced(self, part: Part, request: ReportRequest, period: Period) -> _PricedPart:
        if not part.rows:
            if request.pricing is Pricing.POOL:
                raise InputError("a pool needs rows: nothing in it has consent", field="pricing")
            return _PricedPart(part, b"", 0)
        priced = quote(
            self.chain,
            part.rows,
            pricing=request.pricing,
            total=request.total or 0,
            start=period.start,
            end=period.end,
        )
        return _PricedPart(part, pack_credits(priced.credits), priced.total)

    def _keep(
        self, identity: str, metered: Metered, parts: list[_PricedPart], *, dry_run: bool
    ) -> None:
        with self.database.work() as session:
            submission = session.get_one(Submission, identity)
            if submission.state != State.RECEIVED or submission.summary is not None:
                return  # withdrawn meanwhile, or done by another
            submission.reports = [
                Report(
                    part=number,
                    rows=pack_rows(priced.part.rows),
                    credits=priced.credits,
                    total=priced.total,
                    evidence=priced.part.evidence.digest(),
                    state=State.QUOTED if dry_run else State.VALIDATED,
                )
                for number, priced in enumerate(parts, start=1)
            ]
            submission.summary = _summary(metered, parts).model_dump(mode="json")
            submission.waiting = None
            if dry_run:
                submission.move(State.QUOTED)
        _log.info("metered", submission=identity, events=metered.events, parts=len(parts))

    def _reject(self, identity: str, problem: RejectedUsage) -> None:
        with self.database.work() as session:
            submission = session.get_one(Submission, identity)
            if submission.state == State.RECEIVED:
                submission.move(State.REJECTED)
                submission.problem = problem.model_dump(mode="json", exclude_unset=True)
        _log.info("rejected", submission=identity, detail=problem.detail)

    @contextmanager
    def _scratch(self, identity: str) -> Iterator[Path]:
        """An empty folder; whatever an earlier run left there is gone."""
        folder = self.folder / identity
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _PricedPart:
    part: Part
    credits: bytes
    total: int


def _rows_as_file(
    request: ReportRequest, consents: Consents, model_id: bytes, folder: Path
) -> UsageFile:
    """Ready rows, in whatever order they came, as a file of events."""
    rows = sorted((row.row() for row in request.rows), key=lambda row: row.key)
    events = chain.from_iterable(
        events_of_rows(rows[at : at + MAX_ROWS], consents, model_id=model_id)
        for at in range(0, len(rows), MAX_ROWS)
    )
    return write_events(events, folder / "rows.jsonl")


def _summary(metered: Metered, parts: list[_PricedPart]) -> Summary:
    return Summary(
        events=metered.events,
        duplicates=metered.duplicates,
        skipped=metered.skipped,
        rejections=_line_errors(metered.rejections),
        rows=sum(len(part.rows) for part in metered.parts),
        parts=len(parts),
        total_units=sum(priced.total for priced in parts),
        unlicensed_count=len(metered.unlicensed),
        unlicensed=tuple(
            UnlicensedSum(
                license_id=use.license_id,
                isrc=use.isrc,
                tier=use.tier,
                metric=use.metric,
                quantity=use.quantity,
                reason=use.reason,
            )
            for use in metered.unlicensed[:MAX_UNLICENSED]
        ),
        resolved=dict(metered.resolved),
    )


def _line_errors(rejections: Sequence[Rejection]) -> tuple[LineError, ...]:
    return tuple(LineError(*each) for each in rejections)


def _lines_problem(error: RejectedLines) -> RejectedUsage:
    return RejectedUsage(
        title="Lines are wrong",
        detail=f"{error.total} lines are wrong: nothing was taken. Correct them, or send "
        "skip_invalid to leave them out.",
        errors=_line_errors(error.rejections),
        error_count=error.total,
    )


def _problem(error: InputError | ContractRefused) -> RejectedUsage:
    title = "The input is wrong" if isinstance(error, InputError) else "The chain refuses it"
    row = {} if error.row is None else {"row": error.row}
    return RejectedUsage(title=title, detail=str(error), errors=(), error_count=1, **row)
