"""The client of the oracle for asyncio: the verbs of `sync.py`, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from obbligato.client.oracle_verbs import Verbs
from obbligato.client.steps import Endpoint, Flow, Hash, Pause, Reply, Send, Verdict
from obbligato.client.usage import CHUNK_BYTES, Progress, UploadedFile, Usage, local_file
from obbligato.client.verify_reports import Expected
from obbligato.keys import Signer
from obbligato.schemas.oracle import (
    KnownKey,
    NewKey,
    PricedRow,
    State,
    Status,
    Submission,
    SubmissionPage,
)

TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class OracleClient:
    """The oracle as one platform sees it; close it, or use it in a `with` block.

    Requests are signed by `signer` (a reporter key or the admin), or carry `api_key` where that is
    given. `oracle` is the address of the UsageOracle contract, `chain_id` that of its chain: take both
    from your own manifest of the deployment. Every verb raises ApiProblem where the oracle says no,
    OracleUnreachable where nobody answers after some attempts, and InputError.
    """

    def __init__(
        self,
        url: str,
        *,
        platform_id: int,
        chain_id: int,
        oracle: str,
        signer: Signer | None = None,
        api_key: str | None = None,
    ) -> None:
        endpoint = Endpoint(url, platform_id, chain_id, oracle, signer, api_key)
        self.platform_id = platform_id
        self._verbs = Verbs(endpoint)
        self._http = httpx.Client(base_url=endpoint.base, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def upload(
        self,
        path: Path,
        *,
        name: str | None = None,
        format: str | None = None,  # noqa: A002 -- the word of the interface
        progress: Progress | None = None,
    ) -> UploadedFile:
        """Stream a file from disk, unless the oracle has it; name the result in a `Usage`."""
        return self._run(self._verbs.upload(path, name, format, progress))

    def quote(self, usage: Usage, *, key: str | None = None) -> Submission:
        """Ask what usage would cost: the answer ends in the state `quoted`, see `wait`."""
        return self._run(self._verbs.quote(usage, key))

    def submit(self, usage: Usage, *, key: str | None = None) -> Submission:
        """Ask for usage to be reported; the same usage (or idempotency key) is one submission."""
        return self._run(self._verbs.submit(usage, key))

    def status(self, submission_id: str) -> Submission:
        """A submission as it is now."""
        return self._run(self._verbs.status(submission_id))

    def submissions(self, *, cursor: str | None = None, limit: int = 50) -> SubmissionPage:
        """A page of submissions, and where the next begins."""
        return self._run(self._verbs.submissions(cursor, limit))

    def rows(self, submission_id: str, part: int = 1) -> tuple[PricedRow, ...]:
        """The priced rows of one part."""
        return self._run(self._verbs.rows(submission_id, part))

    def all_rows(self, submission: Submission) -> dict[int, tuple[PricedRow, ...]]:
        """The priced rows of every part, by part."""
        return self._run(self._verbs.all_rows(submission))

    def wait(
        self, submission_id: str, until: State, *, timeout_seconds: float | None = None
    ) -> Submission:
        """Wait until it is as far as `until`, has ended, or waits for a signature or a deposit.

        Raises StillWaiting when the time is up.
        """
        return self._run(self._verbs.wait(submission_id, until, timeout_seconds))

    def sign(
        self,
        submission: Submission,
        expected: Expected,
        rows: Mapping[int, Sequence[PricedRow]] | None = None,
    ) -> Submission:
        """Check the headers against what was sent and against their rows, and sign just those.

        `rows` as `all_rows` gave them; fetched where not given. Raises HeaderRefused before anything
        is signed.
        """
        return self._run(self._verbs.sign(submission, expected, rows))

    def withdraw_submission(self, submission_id: str) -> Submission:
        """Take a submission back; possible until it is signed."""
        return self._run(self._verbs.withdraw(submission_id))

    def create_key(self, label: str, scopes: Sequence[str]) -> NewKey:
        """Make an API key; its text is in this answer and nowhere else. The admin's signature only."""
        return self._run(self._verbs.create_key(label, scopes))

    def keys(self) -> tuple[KnownKey, ...]:
        """The platform's API keys, without their secrets."""
        return self._run(self._verbs.keys())

    def revoke_key(self, key_id: str) -> None:
        """End an API key, at once."""
        self._run(self._verbs.revoke_key(key_id))

    def oracle_status(self) -> Status:
        """What the oracle says of itself."""
        return self._run(self._verbs.oracle_status())

    def _run(self, flow: Flow[Verdict]) -> Verdict:
        """Take the steps of a flow until it comes to its end."""
        outcome: object = None
        with closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    verdict: Verdict = end.value
                    return verdict
                outcome = self._take(step)

    def _take(self, step: Send | Pause | Hash) -> object:
        if isinstance(step, Hash):
            return local_file(step.path, step.progress)
        if isinstance(step, Send):
            return self._send(step)
        time.sleep(step.seconds)
        return None

    def _send(self, step: Send) -> Reply:
        call, headers = step.call, dict(step.headers)
        if call.file is not None:
            headers["Content-Length"] = str(call.file.size)
        content = call.body if call.file is None else _blocks(step)
        try:
            answer = self._http.request(call.method, call.path, content=content, headers=headers)
        except httpx.TimeoutException:
            return Reply(failure="did not answer in time")
        except httpx.TransportError:
            return Reply(failure="cannot be reached, or broke off")
        return Reply(answer.status_code, answer.headers, answer.content)


def _blocks(step: Send) -> Iterator[bytes]:
    """The bytes of a file, never more than one block of it in memory."""
    file, progress = step.call.file, step.call.progress
    assert file is not None
    done = 0
    with file.path.open("rb") as opened:
        while block := opened.read(CHUNK_BYTES):
            yield block
            done += len(block)
            if progress is not None:
                progress(f"send {file.path.name}", done, file.size)


class AsyncOracleClient:
    """The oracle as one platform sees it; close it, or use it in an `async with` block.

    Requests are signed by `signer` (a reporter key or the admin), or carry `api_key` where that is
    given. `oracle` is the address of the UsageOracle contract, `chain_id` that of its chain: take both
    from your own manifest of the deployment. Every verb raises ApiProblem where the oracle says no,
    OracleUnreachable where nobody answers after some attempts, and InputError.
    """

    def __init__(
        self,
        url: str,
        *,
        platform_id: int,
        chain_id: int,
        oracle: str,
        signer: Signer | None = None,
        api_key: str | None = None,
    ) -> None:
        endpoint = Endpoint(url, platform_id, chain_id, oracle, signer, api_key)
        self.platform_id = platform_id
        self._verbs = Verbs(endpoint)
        self._http = httpx.AsyncClient(base_url=endpoint.base, timeout=TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def upload(
        self,
        path: Path,
        *,
        name: str | None = None,
        format: str | None = None,  # noqa: A002 -- the word of the interface
        progress: Progress | None = None,
    ) -> UploadedFile:
        """Stream a file from disk, unless the oracle has it; name the result in a `Usage`."""
        return await self._run(self._verbs.upload(path, name, format, progress))

    async def quote(self, usage: Usage, *, key: str | None = None) -> Submission:
        """Ask what usage would cost: the answer ends in the state `quoted`, see `wait`."""
        return await self._run(self._verbs.quote(usage, key))

    async def submit(self, usage: Usage, *, key: str | None = None) -> Submission:
        """Ask for usage to be reported; the same usage (or idempotency key) is one submission."""
        return await self._run(self._verbs.submit(usage, key))

    async def status(self, submission_id: str) -> Submission:
        """A submission as it is now."""
        return await self._run(self._verbs.status(submission_id))

    async def submissions(self, *, cursor: str | None = None, limit: int = 50) -> SubmissionPage:
        """A page of submissions, and where the next begins."""
        return await self._run(self._verbs.submissions(cursor, limit))

    async def rows(self, submission_id: str, part: int = 1) -> tuple[PricedRow, ...]:
        """The priced rows of one part."""
        return await self._run(self._verbs.rows(submission_id, part))

    async def all_rows(self, submission: Submission) -> dict[int, tuple[PricedRow, ...]]:
        """The priced rows of every part, by part."""
        return await self._run(self._verbs.all_rows(submission))

    async def wait(
        self, submission_id: str, until: State, *, timeout_seconds: float | None = None
    ) -> Submission:
        """Wait until it is as far as `until`, has ended, or waits for a signature or a deposit.

        Raises StillWaiting when the time is up.
        """
        return await self._run(self._verbs.wait(submission_id, until, timeout_seconds))

    async def sign(
        self,
        submission: Submission,
        expected: Expected,
        rows: Mapping[int, Sequence[PricedRow]] | None = None,
    ) -> Submission:
        """Check the headers against what was sent and against their rows, and sign just those.

        `rows` as `all_rows` gave them; fetched where not given. Raises HeaderRefused before anything
        is signed.
        """
        return await self._run(self._verbs.sign(submission, expected, rows))

    async def withdraw_submission(self, submission_id: str) -> Submission:
        """Take a submission back; possible until it is signed."""
        return await self._run(self._verbs.withdraw(submission_id))

    async def create_key(self, label: str, scopes: Sequence[str]) -> NewKey:
        """Make an API key; its text is in this answer and nowhere else. The admin's signature only."""
        return await self._run(self._verbs.create_key(label, scopes))

    async def keys(self) -> tuple[KnownKey, ...]:
        """The platform's API keys, without their secrets."""
        return await self._run(self._verbs.keys())

    async def revoke_key(self, key_id: str) -> None:
        """End an API key, at once."""
        await self._run(self._verbs.revoke_key(key_id))

    async def oracle_status(self) -> Status:
        """What the oracle says of itself."""
        return await self._run(self._verbs.oracle_status())

    async def _run(self, flow: Flow[Verdict]) -> Verdict:
        """Take the steps of a flow until it comes to its end."""
        outcome: object = None
        with closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    verdict: Verdict = end.value
                    return verdict
                outcome = await self._take(step)

    async def _take(self, step: Send | Pause | Hash) -> object:
        if isinstance(step, Hash):
            return await asyncio.to_thread(local_file, step.path, step.progress)
        if isinstance(step, Send):
            return await self._send(step)
        await asyncio.sleep(step.seconds)
        return None

    async def _send(self, step: Send) -> Reply:
        call, headers = step.call, dict(step.headers)
        if call.file is not None:
            headers["Content-Length"] = str(call.file.size)
        content = call.body if call.file is None else _async_blocks(step)
        try:
            answer = await self._http.request(
                call.method, call.path, content=content, headers=headers
            )
        except httpx.TimeoutException:
            return Reply(failure="did not answer in time")
        except httpx.TransportError:
            return Reply(failure="cannot be reached, or broke off")
        return Reply(answer.status_code, answer.headers, answer.content)


async def _async_blocks(step: Send) -> AsyncIterator[bytes]:
    """The bytes of a file, never more than one block of it in memory."""
    file, progress = step.call.file, step.call.progress
    assert file is not None
    done = 0
    with await asyncio.to_thread(file.path.open, "rb") as opened:
        while block := await asyncio.to_thread(opened.read, CHUNK_BYTES):
            yield block
            done += len(block)
            if progress is not None:
                progress(f"send {file.path.name}", done, file.size)
