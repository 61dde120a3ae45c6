"""What a platform can ask of the oracle, each verb as a flow of steps (`protocol.py`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote as escaped

from pydantic import RootModel

from obbligato.client.errors import StillWaiting
from obbligato.client.steps import (
    JSON_TYPE,
    Call,
    Endpoint,
    Flow,
    Hash,
    Pause,
    json_call,
    problem_of,
)
from obbligato.client.usage import LocalFile, Progress, UploadedFile, Usage
from obbligato.client.verify_reports import Expected, checked_headers
from obbligato.errors import InputError
from obbligato.protocol.eip712 import Contract, Domain
from obbligato.schemas.oracle import (
    KnownKey,
    KnownKeys,
    NewKey,
    PricedRow,
    PricedRows,
    State,
    Status,
    Stored,
    Submission,
    SubmissionPage,
)

FIRST_POLL_SECONDS = 0.25
LONGEST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.5
KEY_HEADER = "Idempotency-Key"


class Verbs:
    """The verbs of one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.domain = Domain(
            contract=Contract.USAGE_ORACLE,
            chain_id=endpoint.chain_id,
            address=endpoint.oracle,
        )

    # ---- files

    def upload(
        self, path: Path, name: str | None, format_: str | None, progress: Progress | None
    ) -> Flow[UploadedFile]:
        """Stream a file to the oracle, unless it has it."""
        file: LocalFile = yield Hash(path, progress)
        target = self.endpoint.path("uploads", file.sha256)
        there = yield from self.endpoint.asked(Call("HEAD", target))
        if there.status == 404:
            sent = Call(
                "PUT",
                target,
                file=file,
                headers={"Content-Type": "application/octet-stream"},
                progress=progress,
            )
            yield from self.endpoint.answer(sent, Stored)
        elif not there.is_yes:
            raise problem_of(there)
        return UploadedFile(file.sha256, name or path.name, format_)

    # ---- reports

    def submit(self, usage: Usage, key: str | None) -> Flow[Submission]:
        """Ask for usage to be reported: the same usage is the same submission."""
        return self._post_usage("reports", usage, key or usage.key())

    def quote(self, usage: Usage, key: str | None) -> Flow[Submission]:
        """Ask what usage would cost now: each time anew, since terms change."""
        return self._post_usage("quotes", usage, key or secrets.token_hex(16))

    def _post_usage(self, what: str, usage: Usage, key: str) -> Flow[Submission]:
        headers = {"Content-Type": JSON_TYPE, KEY_HEADER: key}
        call = Call("POST", self.endpoint.path(what), usage.body(), headers=headers)
        return self.endpoint.answer(call, Submission)

    def status(self, submission_id: str) -> Flow[Submission]:
        """One submission as it is now."""
        target = self.endpoint.path("reports", submission_id)
        return self.endpoint.answer(Call("GET", target), Submission)

    def submissions(self, cursor: str | None, limit: int) -> Flow[SubmissionPage]:
        """One page of submissions."""
        after = "" if cursor is None else f"&cursor={escaped(cursor, safe='')}"
        target = self.endpoint.path("reports") + f"?limit={limit}{after}"
        return self.endpoint.answer(Call("GET", target), SubmissionPage)

    def rows(self, submission_id: str, part: int) -> Flow[tuple[PricedRow, ...]]:
        """The rows of a part."""
        target = self.endpoint.path("reports", submission_id, "rows") + f"?part={part}"
        found = yield from self.endpoint.answer(Call("GET", target), PricedRows)
        return found.rows

    def all_rows(self, submission: Submission) -> Flow[dict[int, tuple[PricedRow, ...]]]:
        """The rows of every part, by part."""
        found: dict[int, tuple[PricedRow, ...]] = {}
        for part in submission.reports:
            found[part.part] = yield from self.rows(submission.id, part.part)
        return found

    def wait(
        self, submission_id: str, until: State, timeout_seconds: float | None
    ) -> Flow[Submission]:
        """Wait until a submission is as far as `until`, has ended, or waits for the platform."""
        started = self.endpoint.clock()
        pause = FIRST_POLL_SECONDS
        while True:
            found = yield from self.status(submission_id)
            state = found.state
            if state.has_reached(until) or state.has_ended or state.waits_for_the_platform:
                return found
            if timeout_seconds is not None and self.endpoint.clock() - started >= timeout_seconds:
                why = f": {found.waiting}" if found.waiting else ""
                raise StillWaiting(
                    f"after {timeout_seconds:g} s submission {found.id} is {state.value}{why}; it "
                    "goes on by itself, ask for its status later"
                )
            yield Pause(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)

    def sign(
        self,
        submission: Submission,
        expected: Expected,
        rows: Mapping[int, Sequence[PricedRow]] | None,
    ) -> Flow[Submission]:
        """Check what the oracle wants signed, and sign exactly that."""
        signer = self.endpoint.signer
        if signer is None:
            raise InputError(
                "a report is signed with a reporter key: open its keystore", field="signer"
            )
        if rows is None:
            rows = yield from self.all_rows(submission)
        headers = checked_headers(submission, rows, expected, self.domain)
        signatures = {
            "0x" + report_id.hex(): "0x" + signer.sign_digest(report_id).hex()
            for report_id in headers
        }
        data = {"reporter": signer.address, "signatures": signatures}
        target = self.endpoint.path("reports", submission.id, "signatures")
        return (yield from self.endpoint.answer(json_call("POST", target, data), Submission))

    def withdraw(self, submission_id: str) -> Flow[Submission]:
        """Take a submission back before it is signed."""
        target = self.endpoint.path("reports", submission_id, "withdrawal")
        return self.endpoint.answer(Call("POST", target), Submission)

    # ---- API keys

    def create_key(self, label: str, scopes: Sequence[str]) -> Flow[NewKey]:
        """Make an API key. Never sent twice by itself: an answer that is lost was a key."""
        data = {"label": label, "scopes": list(scopes)}
        call = json_call("POST", self.endpoint.path("keys"), data, again=False)
        return self.endpoint.answer(call, NewKey)

    def keys(self) -> Flow[tuple[KnownKey, ...]]:
        """The platform's API keys."""
        reply = yield from self.endpoint.asked(Call("GET", self.endpoint.path("keys")))
        return self.endpoint.read(reply, KnownKeys).items

    def revoke_key(self, key_id: str) -> Flow[None]:
        """End an API key."""
        reply = yield from self.endpoint.asked(Call("DELETE", self.endpoint.path("keys", key_id)))
        if not reply.is_yes:
            raise problem_of(reply)

    # ---- the oracle

    def oracle_status(self) -> Flow[Status]:
        """What the oracle says of itself."""
        found = yield from self.endpoint.answer(Call("GET", "/v1/status"), RootModel[Status])
        return found.root
