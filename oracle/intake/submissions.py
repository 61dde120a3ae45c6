"""Takes submissions: one for each idempotency key, signed by a reporter whom the chain knows."""

from __future__ import annotations

import hashlib
import secrets
import time

from sqlalchemy import BigInteger, cast, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.signatures import is_signed_by
from obbligato.errors import RefusedError
from obbligato.schemas.oracle import State
from obbligato.schemas.oracle_requests import ReportRequest, SignaturesRequest
from obbligato.server.http import Problem
from oracle.db import OracleDatabase, Report, Submission
from oracle.intake.uploads import Uploads
from oracle.states import ACTIVE

SALT_BYTES = 32
AHEAD_SECONDS = 3_600
"""How far the end of a period may lie ahead of the chain's clock; the report waits that long."""

WITHDRAWABLE = (State.RECEIVED, State.VALIDATED, State.QUOTED)


class Submissions:
    """What platforms send, from its first byte to the platform's signature."""

    def __init__(self, database: OracleDatabase, uploads: Uploads, chain: Chain) -> None:
        self._database = database
        self._uploads = uploads
        self._chain = chain

    def take(
        self, platform_id: int, key: str, request: ReportRequest, *, dry_run: bool
    ) -> tuple[str, bool]:
        """(id, whether it is new). Raises Problem 409 for a key used before with another body.

        The same key and body give the same id, however often they come.
        """
        body = request.model_dump(mode="json")
        body["total"] = None if request.total is None else str(request.total)
        body["rows"] = [{**row.model_dump(), "quantity": str(row.quantity)} for row in request.rows]
        digest = hashlib.sha256(f"{dry_run} {request.model_dump_json()}".encode()).digest()
        known = self._known(platform_id, key, digest)
        if known is not None:
            return known, False
        self._check(platform_id, request)
        self._check_files(platform_id, request)
        made = Submission(
            # Ascending, so that submissions of one second go on in the order in which they came.
            id=f"{time.time_ns():016x}{secrets.token_hex(8)}",
            platform_id=platform_id,
            model_id=request.model_id,
            idempotency_key=key,
            request_digest=digest,
            request=body,
            salt=secrets.token_bytes(SALT_BYTES),
            dry_run=dry_run,
        )
        try:
            with self._database.work() as session:
                session.add(made)
        except IntegrityError:  # the same key came twice at the same moment
            known = self._known(platform_id, key, digest)
            if known is None:
                raise
            return known, False
        return made.id, True

    def _known(self, platform_id: int, key: str, digest: bytes) -> str | None:
        """The submission that a key was used for. Raises Problem 409 if that was another body."""
        with self._database.work() as session:
            known = session.scalars(
                select(Submission).where(
                    Submission.platform_id == platform_id, Submission.idempotency_key == key
                )
            ).one_or_none()
        if known is not None and known.request_digest != digest:
            raise Problem(
                409,
                "Key used before",
                f"The idempotency key was used for {known.id} with another body: "
                "take a new key for a new report.",
                id=known.id,
            )
        return None if known is None else known.id

    def get(self, session: Session, platform_id: int, submission_id: str) -> Submission:
        """A submission of this platform. Raises Problem 404."""
        submission = session.get(Submission, submission_id)
        if submission is None or submission.platform_id != platform_id:
            raise Problem(
                404, "Not found", f"Platform {platform_id} has no report {submission_id}."
            )
        return submission

    def part(self, session: Session, platform_id: int, submission_id: str, part: int) -> Report:
        """One part of a submission. Raises Problem 404."""
        submission = self.get(session, platform_id, submission_id)
        for report in submission.reports:
            if report.part == part:
                return report
        raise Problem(404, "Not found", f"Report {submission_id} has no part {part} yet.")

    def page(self, session: Session, platform_id: int, cursor: str, limit: int) -> list[Submission]:
        """Submissions, the newest first, after the one named by `cursor`."""
        query = select(Submission).where(Submission.platform_id == platform_id)
        after = session.get(Submission, cursor) if cursor else None
        if after is not None:
            query = query.where(
                (Submission.created_at < after.created_at)
                | ((Submission.created_at == after.created_at) & (Submission.id < after.id))
            )
        ordered = query.order_by(Submission.created_at.desc(), Submission.id.desc())
        return list(session.scalars(ordered.limit(limit)))

    def sign(self, platform_id: int, submission_id: str, request: SignaturesRequest) -> None:
        """Store the platform's signatures of all headers. Raises Problem 409, 422 naming the report."""
        if not self._chain.call("RoyaltyVault", "isReporter", platform_id, request.reporter):
            raise Problem(
                422,
                "Not a reporter",
                f"{request.reporter} is no reporter of platform {platform_id}.",
                field="reporter",
            )
        with self._database.work() as session:
            submission = self.get(session, platform_id, submission_id)
            ids = {report.report_id: report for report in submission.reports if report.report_id}
        signatures = {
            bytes.fromhex(k[2:]): bytes.fromhex(v[2:]) for k, v in request.signatures.items()
        }
        for report_id, signature in signatures.items():
            if report_id in ids and not is_signed_by(
                self._chain, request.reporter, report_id, signature
            ):
                raise Problem(
                    422,
                    "Not signed",
                    f"{request.reporter} did not sign report 0x{report_id.hex()} for this chain.",
                    field=f"signatures.0x{report_id.hex()}",
                )
        with self._database.work() as session:
            self._store(session, self.get(session, platform_id, submission_id), request, signatures)

    def withdraw(self, platform_id: int, submission_id: str) -> None:
        """Take back what is not signed. Raises Problem 409."""
        with self._database.work() as session:
            submission = self.get(session, platform_id, submission_id)
            if submission.state == State.WITHDRAWN:
                return
            if submission.state not in WITHDRAWABLE or _is_signed(submission):
                raise Problem(
                    409,
                    "Too late",
                    f"It is {submission.state}: what was signed can no longer be taken back.",
                )
            submission.move(State.WITHDRAWN)

    def _check(self, platform_id: int, request: ReportRequest) -> None:
        now = blocks.latest(self._chain).timestamp
        if request.period.end > now + AHEAD_SECONDS:
            raise Problem(
                422,
                "The input is wrong",
                f"The period ends at {request.period.end}, in the future: report it when it is over.",
                field="period.end",
            )
        admin = self._chain.platform(platform_id).admin
        if int(admin, 16) == 0:
            raise Problem(
                404, "Not found", f"There is no platform {platform_id}: register it first."
            )
        self._check_age(platform_id, request, now)

    def _check_age(self, platform_id: int, request: ReportRequest, now: int) -> None:
        """A platform that catches up may send what continues a report that is still on its way."""
        start, end = request.period.start, request.period.end
        if self._adjoins_active(platform_id, request.model_id, (start, end)):
            return
        try:
            stream = self._chain.stream(platform_id, request.model_id)
            stream.check_age(start, end, now=now)
        except RefusedError as error:
            raise Problem(422, "The input is wrong", str(error), field="period.start") from error

    def _adjoins_active(self, platform_id: int, model_id: bytes, edges: tuple[int, int]) -> bool:
        """Whether a report on its way ends at one of these moments. Its rows are not read for it."""
        period_end = cast(Submission.request["period", "end"].as_string(), BigInteger)
        with self._database.reading() as session:
            adjoining = session.scalar(
                select(Submission.id)
                .where(
                    Submission.platform_id == platform_id,
                    Submission.model_id == model_id,
                    Submission.state.in_(ACTIVE),
                    Submission.dry_run.is_(False),
                    period_end.in_(edges),
                )
                .limit(1)
            )
        return adjoining is not None

    def _check_files(self, platform_id: int, request: ReportRequest) -> None:
        for number, file in enumerate(request.files):
            if self._uploads.known(platform_id, file.sha256) is None:
                raise Problem(
                    422,
                    "Not uploaded",
                    f"{file.name} ({file.sha256}) is not here: upload it first.",
                    field=f"files.{number}.sha256",
                )

    @staticmethod
    def _store(
        session: Session,
        submission: Submission,
        request: SignaturesRequest,
        signatures: dict[bytes, bytes],
    ) -> None:
        unsigned = [r for r in submission.reports if r.state == State.VALIDATED]
        expected = {report.report_id for report in unsigned}
        already = {report.report_id: report.reporter_signature for report in submission.reports}
        if set(signatures) <= already.keys() and all(already[i] for i in signatures):
            return  # the same signatures again
        if submission.state != State.VALIDATED or set(signatures) != expected:
            raise Problem(
                409,
                "Other headers",
                f"It is {submission.state}: fetch it again and sign exactly the headers that wait.",
                expected=sorted("0x" + i.hex() for i in expected if i),
            )
        for report in unsigned:
            assert report.report_id is not None
            report.reporter = request.reporter
            report.reporter_signature = signatures[report.report_id]
            report.move(State.SIGNED)
        submission.move(State.SIGNED)


def _is_signed(submission: Submission) -> bool:
    return any(report.reporter_signature for report in submission.reports)
