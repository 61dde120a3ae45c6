"""The leader's gathering: a quorum out of attesters of which some are dead, slow, lying or refusing."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from obbligato.protocol.quorum import recover_signers
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport, sign
from oracle.reports.quorum import Gatherer, Outcome
from scripts.demo.cast import ATTESTERS, node_account
from tests.onchain import DeployedProtocol
from tests.oracle.test_memory import header

REPORTER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
Answer = Callable[[bytes], tuple[int, bytes]]


@contextlib.contextmanager
def attester(answer: Answer) -> Iterator[str]:
    """An HTTP server that answers POST /v1/attestations as it is told; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, content = answer(body)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Not on the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def signing(
    protocol: DeployedProtocol, by: LocalAccount, *, version: int = 1, **other: Any
) -> Answer:
    """An attester that signs; `other` members of the header if it signs something else."""
    domain = protocol.chain.domain(Contract.USAGE_ORACLE)

    def answer(body: bytes) -> tuple[int, bytes]:
        asked = UsageReport.from_json(json.loads(body)["header"]).model_copy(update=other)
        message = Attestation(report_id=asked.report_id(domain), config_version=version)
        made = {
            "report_id": "0x" + message.report_id.hex(),
            "signer": by.address,
            "config_version": version,
            "signature": "0x" + sign(message, domain, by).hex(),
            "block_number": 1,
            "block_hash": "0x" + "00" * 32,
        }
        return 200, json.dumps(made).encode()

    return answer


def gathered(
    protocol: DeployedProtocol, answers: list[Answer], *, more: tuple[str, ...] = ()
) -> Any:
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(attester(answer)) for answer in answers]
        gatherer = Gatherer(protocol.chain, [*urls, *more], timeout_seconds=20)
        stack.callback(gatherer.close)
        return gatherer.gather(header(), REPORTER, b"\x01" * 65)


def outcomes(result: Any) -> list[str]:
    return sorted(answer.outcome for answer in result.answers)


def test_three_of_four_are_enough_and_nobody_waits_for_a_dead_or_a_slow_one(
    onchain: DeployedProtocol,
) -> None:
    over = threading.Event()

    def slow(_: bytes) -> tuple[int, bytes]:
        over.wait(60)
        return 200, b""

    with attester(slow) as slow_url:
        result = gathered(
            onchain,
            [signing(onchain, each) for each in ATTESTERS[:3]],
            more=(slow_url, "http://127.0.0.1:9"),
        )
        over.set()
    report_id = header().report_id(onchain.chain.domain(Contract.USAGE_ORACLE))
    digest = Attestation(report_id=report_id, config_version=1).digest(
        onchain.chain.domain(Contract.USAGE_ORACLE)
    )
    expected = sorted((each.address for each in ATTESTERS[:3]), key=lambda a: int(a, 16))
    assert recover_signers(digest, result.packed) == expected


def test_two_of_four_are_no_quorum_and_the_others_are_named_with_their_reasons(
    onchain: DeployedProtocol,
) -> None:
    def refuses(_: bytes) -> tuple[int, bytes]:
        return 422, json.dumps({"detail": "the rows cost 7, the report says 5"}).encode()

    def fails(_: bytes) -> tuple[int, bytes]:
        return 503, json.dumps({"detail": "the node did not answer"}).encode()

    result = gathered(
        onchain, [*(signing(onchain, each) for each in ATTESTERS[:2]), refuses, fails]
    )
    assert result.packed is None
    assert outcomes(result) == ["refused", "signed", "signed", "unreachable"]
    reasons = {answer.outcome: answer.reason for answer in result.answers}
    assert reasons[Outcome.REFUSED] == "the rows cost 7, the report says 5"
    assert reasons[Outcome.UNREACHABLE] == "the node did not answer"


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lambda protocol: signing(protocol, node_account(15)), "which is no attester"),
        (lambda protocol: signing(protocol, ATTESTERS[2], total=6), "which is no attester"),
        (lambda protocol: lambda body: (200, b"<html>welcome</html>"), "no attestation"),
        (lambda protocol: lambda body: (200, b"x" * 10_000_000), "no attestation"),
    ],
    ids=["a stranger's key", "another report", "a page", "ten megabytes"],
)
def test_an_answer_that_is_no_attesters_signature_over_this_report_counts_for_nothing(
    onchain: DeployedProtocol, lie: Callable[[DeployedProtocol], Answer], reason: str
) -> None:
    result = gathered(onchain, [*(signing(onchain, each) for each in ATTESTERS[:2]), lie(onchain)])
    assert result.packed is None
    assert outcomes(result) == ["lied", "signed", "signed"]
    (liar,) = [answer for answer in result.answers if answer.outcome is Outcome.LIED]
    assert reason in liar.reason


def test_one_attester_at_three_urls_is_one_signature(onchain: DeployedProtocol) -> None:
    result = gathered(onchain, [signing(onchain, ATTESTERS[0])] * 3)
    assert outcomes(result) == ["signed"] * 3
    assert result.packed is None


def test_a_signature_for_another_version_of_the_set_is_asked_for_again_later(
    onchain: DeployedProtocol,
) -> None:
    result = gathered(onchain, [signing(onchain, ATTESTERS[0], version=2)])
    (answer,) = result.answers
    assert answer.outcome is Outcome.UNREACHABLE
    assert result.packed is None
