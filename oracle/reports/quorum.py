"""The leader's side: ask all attesters at once, believe signatures alone, stop at a quorum."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum

import httpx
import structlog
from prometheus_client import Histogram

from obbligato.chain.client import Chain
from obbligato.chain.views import AttesterSet
from obbligato.errors import InputError
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport, recover
from obbligato.schemas.attestation import AttestationAnswer, AttestationRequest

_log = structlog.get_logger(__name__)
_seconds = Histogram("obbligato_gathering_seconds", "Time until a quorum had answered, or all had.")

MOST_ANSWER_BYTES = 65_536
LONGEST_REASON = 2_000


class Outcome(StrEnum):
    """What asking one attester came to."""

    SIGNED = "signed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    """Down, too slow, or lacking something that it may have later."""
    LIED = "lied"
    """It answered with something that is no signature of an attester over this report."""


@dataclass(frozen=True, slots=True)
class AttesterReply:
    """One attester's answer. `signer` and `signature` where it signed, `reason` where it did not."""

    url: str
    outcome: Outcome
    signer: str | None = None
    signature: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came back. `packed` is the quorum's signatures as the chain reads them; None without one."""

    attesters: AttesterSet
    answers: tuple[AttesterReply, ...]
    packed: bytes | None


class Gatherer:
    """Asks attesters over HTTP, each in a thread of its own, none for longer than `timeout_seconds`."""

    def __init__(self, chain: Chain, urls: Sequence[str], *, timeout_seconds: float) -> None:
        self._chain = chain
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._client = httpx.Client(timeout=timeout_seconds, follow_redirects=False)
        self._pool = ThreadPoolExecutor(max_workers=max(len(urls), 1) * 4, thread_name_prefix="ask")

    def gather(self, header: UsageReport, reporter: str, signature: bytes) -> Gathered:
        """Ask everybody, return as soon as a quorum has signed. Raises ChainError.

        Attesters that were not waited for do not appear in the answers.
        """
        with _seconds.time():
            return self._gather(header, reporter, signature)

    def _gather(self, header: UsageReport, reporter: str, signature: bytes) -> Gathered:
        attesters = self._chain.attesters()
        report_id = header.report_id(self._chain.domain(Contract.USAGE_ORACLE))
        request = AttestationRequest(
            header=header.as_json(),
            reporter=reporter,
            reporter_signature="0x" + signature.hex(),
        )
        body = request.model_dump_json().encode()
        requests = [
            self._pool.submit(self._ask, url, body, report_id, attesters) for url in self._urls
        ]
        answers: list[AttesterReply] = []
        signed: dict[str, bytes] = {}
        for future in as_completed(requests):
            answer = future.result()
            answers.append(answer)
            _log.info(
                "attester answered",
                report_id=report_id.hex(),
                url=answer.url,
                outcome=answer.outcome,
                reason=answer.reason,
            )
            if answer.signer is not None and answer.signature is not None:
                signed[answer.signer] = answer.signature
            if len(signed) >= attesters.quorum:
                chosen = list(signed.items())[: attesters.quorum]
                return Gathered(attesters, tuple(answers), pack_signatures(chosen))
        return Gathered(attesters, tuple(answers), None)

    def close(self) -> None:
        """Cancel the requests that wait and close the connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def ready(self) -> dict[str, bool]:
        """Which attesters say that they are ready, by URL."""
        return dict(zip(self._urls, self._pool.map(self._is_ready, self._urls), strict=True))

    def _is_ready(self, url: str) -> bool:
        try:
            return self._client.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _ask(
        self, url: str, body: bytes, report_id: bytes, attesters: AttesterSet
    ) -> AttesterReply:
        try:
            status, content = self._post(f"{url}/v1/attestations", body)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: it is down, too slow, or the URL is wrong"
            return AttesterReply(url, Outcome.UNREACHABLE, reason=reason)
        if status != httpx.codes.OK:
            return _declined(url, status, content)
        return self._verify(url, content, report_id, attesters)

    def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        content = bytearray()
        headers = {"content-type": "application/json"}
        with self._client.stream("POST", url, content=body, headers=headers) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > MOST_ANSWER_BYTES:
                    break
        return response.status_code, bytes(content[:MOST_ANSWER_BYTES])

    def _verify(
        self, url: str, content: bytes, report_id: bytes, attesters: AttesterSet
    ) -> AttesterReply:
        """Whether the answer is the signature of a member over this report and version."""
        try:
            answer = AttestationAnswer.model_validate_json(content)
            signature = bytes.fromhex(answer.signature[2:])
            message = Attestation(report_id=report_id, config_version=attesters.version)
            signer = recover(message, self._chain.domain(Contract.USAGE_ORACLE), signature)
        except (InputError, ValueError) as error:
            reason = f"its answer is no attestation: {str(error)[:LONGEST_REASON]}"
            return AttesterReply(url, Outcome.LIED, reason=reason)
        if answer.config_version != attesters.version:
            reason = (
                f"it signed for version {answer.config_version}, in force is {attesters.version}"
            )
            return AttesterReply(url, Outcome.UNREACHABLE, reason=reason)
        if signer not in attesters.members:
            reason = f"what it signed recovers to {signer}, which is no attester"
            return AttesterReply(url, Outcome.LIED, reason=reason)
        return AttesterReply(url, Outcome.SIGNED, signer, signature)


def _declined(url: str, status: int, content: bytes) -> AttesterReply:
    """A problem document: 422 and 409 are refusals, everything else may pass."""
    try:
        problem = httpx.Response(status, content=content).json()
        reason = str(problem.get("detail") or problem.get("title") or status)[:LONGEST_REASON]
    except (ValueError, AttributeError):
        reason = f"status {status}"
    refused = status in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY)
    return AttesterReply(url, Outcome.REFUSED if refused else Outcome.UNREACHABLE, reason=reason)
