"""The clients of the oracle for AI platforms: each verb is written once, as a flow, for both of them."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self
from urllib.parse import quote

import httpx
from pydantic import RootModel

from obbligato.client.errors import StillWaiting
from obbligato.client.signing import DIGEST_HEADER, content_digest, sign_request
from obbligato.client.transport import (
    FIRST_POLL_SECONDS,
    IDEMPOTENCY_KEY,
    JSON_TYPE,
    LONGEST_POLL_SECONDS,
    ORACLE,
    POLL_GROWTH,
    Address,
    AnyModel,
    AsyncTransport,
    Flow,
    Hash,
    Pause,
    Request,
    Result,
    Transport,
    with_query,
)
from obbligato.client.usage import LocalFile, Progress, UploadedFile, Usage
from obbligato.client.verify_reports import Expected, checked_headers
from obbligato.errors import InputError
from obbligato.keys import Signer
from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.types import checked_address, whole_number
from obbligato.schemas import oracle as schemas
from obbligato.schemas.oracle import PricedRow, State, Submission

Params = ParamSpec("Params")

_API_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Endpoint:
    """One oracle and who calls it. Requests are signed, or carry an API key where one is given.

    `oracle` is the address of the UsageOracle. Raises InputError: no URL, a URL with a path, or an
    API key that would travel unencrypted.
    """

    url: str
    platform_id: int
    chain_id: int
    oracle: str
    signer: Signer | None = None
    api_key: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        whole_number(self.platform_id, field="platform", least=1, most=2**32 - 1)
        checked_address(self.oracle)
        address = self.address
        if self.api_key is not None:
            address.check_private("an API key is")
            if not _API_KEY.fullmatch(self.api_key):
                reason = "is not an API key: it has letters, digits, _ and -"
                raise InputError(reason, field="api key")
        elif self.signer is None:
            raise InputError("give a keystore or an API key", field="signer")

    @cached_property
    def address(self) -> Address:
        """Where the oracle is."""
        return Address(ORACLE, self.url)

    def path(self, *words: str) -> str:
        """The path of something of this platform."""
        escaped = "/".join(quote(word, safe="") for word in words)
        return f"/v1/platforms/{self.platform_id}/{escaped}"

    def headers(self, request: Request) -> dict[str, str]:
        """The headers of a request that is sent now."""
        digest = request.body_digest
        headers = {"Accept": JSON_TYPE, DIGEST_HEADER: content_digest(digest), **request.headers}
        if self.api_key is not None:
            return {**headers, "Authorization": f"Bearer {self.api_key}"}
        assert self.signer is not None
        signed = sign_request(
            self.signer,
            chain_id=self.chain_id,
            oracle=self.oracle,
            method=request.method,
            path=request.path,
            body_digest=digest,
            time=int(self.clock()),
        )
        return {**headers, **signed}

    def send(self, request: Request) -> Flow[httpx.Response]:
        """The response to a request, whatever its status. Raises OracleUnreachable."""
        return self.address.exchange(request, self.headers)

    def ask(self, model: type[AnyModel], request: Request) -> Flow[AnyModel]:
        """The response to a request as a model. Raises OracleProblem, OracleUnreachable."""
        response = yield from self.send(request)
        return self.address.parse(model, self.address.json_of(response))


@dataclass(frozen=True)
class Verbs:
    """What a platform can ask of the oracle, each verb as a flow."""

    endpoint: Endpoint

    # ---- files

    def upload(
        self,
        path: Path,
        *,
        name: str | None = None,
        format: str | None = None,  # noqa: A002 -- the word of the interface
        progress: Progress | None = None,
    ) -> Flow[UploadedFile]:
        """Stream a file from disk, unless the oracle has it; name the result in a `Usage`."""
        file: LocalFile = yield Hash(path, progress)
        target = self.endpoint.path("uploads", file.sha256)
        response = yield from self.endpoint.send(Request("HEAD", target))
        if response.status_code == httpx.codes.NOT_FOUND:
            headers = {"Content-Type": "application/octet-stream"}
            request = Request("PUT", target, file=file, headers=headers, progress=progress)
            yield from self.endpoint.ask(schemas.StoredFile, request)
        elif not response.is_success:
            raise ORACLE.problem_of(response)
        return UploadedFile(file.sha256, name or path.name, format)

    # ---- reports

    def quote(self, usage: Usage, *, key: str | None = None) -> Flow[Submission]:
        """Ask what usage would cost: the answer ends in the state `quoted`, see `wait`.

        Each time anew, since terms change, unless `key` is that of an earlier quote.
        """
        return self._post_usage("quotes", usage, key or secrets.token_hex(16))

    def submit(self, usage: Usage, *, key: str | None = None) -> Flow[Submission]:
        """Ask for usage to be reported; the same usage (or idempotency key) is one submission."""
        return self._post_usage("reports", usage, key or usage.key())

    def _post_usage(self, what: str, usage: Usage, key: str) -> Flow[Submission]:
        headers = {"Content-Type": JSON_TYPE, IDEMPOTENCY_KEY: key}
        request = Request("POST", self.endpoint.path(what), usage.body(), headers=headers)
        return self.endpoint.ask(Submission, request)

    def status(self, submission_id: str) -> Flow[Submission]:
        """A submission as it is now."""
        request = Request("GET", self.endpoint.path("reports", submission_id))
        return self.endpoint.ask(Submission, request)

    def submissions(
        self, *, cursor: str | None = None, limit: int = 50
    ) -> Flow[schemas.SubmissionPage]:
        """A page of submissions, and where the next begins."""
        target = with_query(self.endpoint.path("reports"), {"limit": limit, "cursor": cursor})
        return self.endpoint.ask(schemas.SubmissionPage, Request("GET", target))

    def rows(self, submission_id: str, part: int = 1) -> Flow[tuple[PricedRow, ...]]:
        """The priced rows of one part."""
        target = with_query(self.endpoint.path("reports", submission_id, "rows"), {"part": part})
        return (yield from self.endpoint.ask(schemas.PricedRows, Request("GET", target))).rows

    def all_rows(self, submission: Submission) -> Flow[dict[int, tuple[PricedRow, ...]]]:
        """The priced rows of every part, by part."""
        rows_by_part: dict[int, tuple[PricedRow, ...]] = {}
        for part in submission.reports:
            rows_by_part[part.part] = yield from self.rows(submission.id, part.part)
        return rows_by_part

    def wait(
        self, submission_id: str, until: State, *, timeout_seconds: float | None = None
    ) -> Flow[Submission]:
        """Wait until it is as far as `until`, has ended, or waits for a signature or a deposit.

        Raises StillWaiting when the time is up.
        """
        started = self.endpoint.clock()
        pause = FIRST_POLL_SECONDS
        while True:
            submission = yield from self.status(submission_id)
            state = submission.state
            if state.has_reached(until) or state.has_ended or state.waits_for_the_platform:
                return submission
            if timeout_seconds is not None and self.endpoint.clock() - started >= timeout_seconds:
                why = f": {submission.waiting}" if submission.waiting else ""
                raise StillWaiting(
                    f"after {timeout_seconds:g} s submission {submission.id} is {state.value}{why}; it "
                    "goes on by itself, ask for its status later"
                )
            yield Pause(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)

    def sign(
        self,
        submission: Submission,
        expected: Expected,
        rows: Mapping[int, Sequence[PricedRow]] | None = None,
    ) -> Flow[Submission]:
        """Check the headers against what was sent and against their rows, and sign just those.

        `rows` as `all_rows` gave them; fetched where they are None. Raises HeaderRefused before
        anything is signed.
        """
        endpoint, signer = self.endpoint, self.endpoint.signer
        if signer is None:
            raise InputError(
                "a report is signed with a reporter key: open its keystore", field="signer"
            )
        if rows is None:
            rows = yield from self.all_rows(submission)
        domain = Domain(
            contract=Contract.USAGE_ORACLE, chain_id=endpoint.chain_id, address=endpoint.oracle
        )
        signatures = {
            "0x" + report_id.hex(): "0x" + signer.sign_digest(report_id).hex()
            for report_id in checked_headers(submission, rows, expected, domain)
        }
        target = endpoint.path("reports", submission.id, "signatures")
        data = {"reporter": signer.address, "signatures": signatures}
        request = Request.of_json("POST", target, data, again=True)
        return (yield from endpoint.ask(Submission, request))

    def withdraw_submission(self, submission_id: str) -> Flow[Submission]:
        """Take a submission back; possible until it is signed."""
        target = self.endpoint.path("reports", submission_id, "withdrawal")
        return self.endpoint.ask(Submission, Request("POST", target, again=True))

    # ---- API keys

    def create_key(self, label: str, scopes: Sequence[str]) -> Flow[schemas.NewKey]:
        """Make an API key; its text is in this answer and nowhere else. The admin's signature only.

        The request is never repeated: an answer that is lost was a key.
        """
        data = {"label": label, "scopes": list(scopes)}
        return self.endpoint.ask(
            schemas.NewKey, Request.of_json("POST", self.endpoint.path("keys"), data)
        )

    def keys(self) -> Flow[tuple[schemas.KnownKey, ...]]:
        """The platform's API keys, without their secrets."""
        request = Request("GET", self.endpoint.path("keys"))
        return (yield from self.endpoint.ask(schemas.KnownKeys, request)).items

    def revoke_key(self, key_id: str) -> Flow[None]:
        """End an API key, at once."""
        request = Request("DELETE", self.endpoint.path("keys", key_id))
        response = yield from self.endpoint.send(request)
        self.endpoint.address.json_of(response)

    # ---- the oracle

    def oracle_status(self) -> Flow[dict[str, Any]]:
        """What the oracle says of itself."""
        request = Request("GET", "/v1/status")
        return (yield from self.endpoint.ask(RootModel[dict[str, Any]], request)).root


class _Client:
    """What both clients are made of."""

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
        self.platform_id = platform_id
        self._verbs = Verbs(Endpoint(url, platform_id, chain_id, oracle, signer, api_key))


def _blocking(
    verb: Callable[Concatenate[Verbs, Params], Flow[Result]],
) -> Callable[Concatenate[OracleClient, Params], Result]:
    """A verb as a method that returns its result."""

    @functools.wraps(verb)
    def run(client: OracleClient, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        return client.http.run(verb(client._verbs, *args, **kwargs))

    return run


def _awaited(
    verb: Callable[Concatenate[Verbs, Params], Flow[Result]],
) -> Callable[Concatenate[AsyncOracleClient, Params], Coroutine[Any, Any, Result]]:
    """A verb as a method that is awaited."""

    @functools.wraps(verb)
    async def run(
        client: AsyncOracleClient, /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        return await client.http.run(verb(client._verbs, *args, **kwargs))

    return run


class OracleClient(_Client):
    """The oracle as one platform sees it; close it, or use it in a `with` block.

    Requests are signed by `signer` (a reporter key or the admin), or carry `api_key` where that is
    given. `oracle` is the address of the UsageOracle contract, `chain_id` that of its chain: take both
    from your own manifest of the deployment. Every verb raises OracleProblem where the oracle says no,
    OracleUnreachable where nobody answers after some attempts, and InputError.
    """

    @cached_property
    def http(self) -> Transport:
        """Its connections."""
        return Transport(self._verbs.endpoint.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.http.close()

    upload = _blocking(Verbs.upload)
    quote = _blocking(Verbs.quote)
    submit = _blocking(Verbs.submit)
    status = _blocking(Verbs.status)
    submissions = _blocking(Verbs.submissions)
    rows = _blocking(Verbs.rows)
    all_rows = _blocking(Verbs.all_rows)
    wait = _blocking(Verbs.wait)
    sign = _blocking(Verbs.sign)
    withdraw_submission = _blocking(Verbs.withdraw_submission)
    create_key = _blocking(Verbs.create_key)
    keys = _blocking(Verbs.keys)
    revoke_key = _blocking(Verbs.revoke_key)
    oracle_status = _blocking(Verbs.oracle_status)


class AsyncOracleClient(_Client):
    """`OracleClient` for asyncio: the same verbs, awaited; use it in an `async with` block."""

    @cached_property
    def http(self) -> AsyncTransport:
        """Its connections."""
        return AsyncTransport(self._verbs.endpoint.address)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self.http.close()

    upload = _awaited(Verbs.upload)
    quote = _awaited(Verbs.quote)
    submit = _awaited(Verbs.submit)
    status = _awaited(Verbs.status)
    submissions = _awaited(Verbs.submissions)
    rows = _awaited(Verbs.rows)
    all_rows = _awaited(Verbs.all_rows)
    wait = _awaited(Verbs.wait)
    sign = _awaited(Verbs.sign)
    withdraw_submission = _awaited(Verbs.withdraw_submission)
    create_key = _awaited(Verbs.create_key)
    keys = _awaited(Verbs.keys)
    revoke_key = _awaited(Verbs.revoke_key)
    oracle_status = _awaited(Verbs.oracle_status)
