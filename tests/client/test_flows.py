"""The client's flows without a network: what is sent, what is sent again, and when they give up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from obbligato.client.errors import ApiProblem, OracleUnreachable, StillWaiting
from obbligato.client.oracle import Endpoint, Verbs
from obbligato.client.signing import check_request
from obbligato.client.transport import ATTEMPTS, Flow, Hash, Pause, Send
from obbligato.client.usage import Usage, local_file
from obbligato.errors import InputError
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.rows import Row
from obbligato.schemas.oracle import State

SIGNER = LocalSigner(b"\x05" * 32)
ORACLE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
NOW = 1_769_904_000
USAGE = Usage(model_id=b"\x01" * 32, start=1_000, end=2_000)
SUBMISSION = {
    "id": "ab" * 16,
    "platform_id": 7,
    "model_id": "0x" + "01" * 32,
    "period": {"start": 1_000, "end": 2_000},
    "pricing": "METERED",
    "dry_run": False,
    "state": "received",
    "created_at": 1,
    "updated_at": 1,
}

Reply = httpx.Response | httpx.TransportError
BROKEN = httpx.ReadError("broke off")


class Clock:
    """A clock that pauses move."""

    def __init__(self) -> None:
        self.time = float(NOW)

    def __call__(self) -> float:
        return self.time


class Oracle:
    """Plays the other side: answers each request with the next reply, and keeps the requests."""

    def __init__(self, *replies: Reply, api_key: str | None = None) -> None:
        self.clock = Clock()
        signer = None if api_key else SIGNER
        endpoint = Endpoint(
            "https://oracle.example", 7, 31337, ORACLE, signer, api_key, clock=self.clock
        )
        self.verbs = Verbs(endpoint)
        self.replies = list(replies)
        self.sent: list[Send] = []
        self.pauses: list[float] = []

    def run(self, flow: Flow[Any]) -> Any:
        outcome: object = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = self.take(step)

    def take(self, step: object) -> object:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.clock.time += step.seconds
            return None
        if isinstance(step, Hash):
            return local_file(step.path)
        assert isinstance(step, Send)
        self.sent.append(step)
        return self.replies.pop(0)


def answer(data: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=data)


def test_every_request_is_signed_for_its_own_method_path_and_body() -> None:
    oracle = Oracle(answer(SUBMISSION, 202))
    oracle.run(oracle.verbs.submit(USAGE))
    (sent,) = oracle.sent
    assert sent.request.path == "/v1/platforms/7/reports"
    signed = check_request(
        sent.headers,
        chain_id=31337,
        oracle=ORACLE,
        method="POST",
        path="/v1/platforms/7/reports",
        now=NOW,
    )
    assert signed == (SIGNER.address, hashlib.sha256(sent.request.body).digest())


def test_with_an_api_key_nothing_is_signed() -> None:
    oracle = Oracle(answer(SUBMISSION), api_key="obb_1_secret")
    oracle.run(oracle.verbs.status("ab" * 16))
    headers = oracle.sent[0].headers
    assert headers["Authorization"] == "Bearer obb_1_secret"
    assert "Obbligato-Signature" not in headers


def test_the_same_usage_has_the_same_idempotency_key_and_a_quote_a_new_one() -> None:
    oracle = Oracle(*[answer(SUBMISSION)] * 4)
    for verb in (oracle.verbs.submit, oracle.verbs.submit, oracle.verbs.quote, oracle.verbs.quote):
        oracle.run(verb(USAGE))
    keys = [sent.headers["Idempotency-Key"] for sent in oracle.sent]
    assert keys[0] == keys[1] == hashlib.sha256(oracle.sent[0].request.body).hexdigest()
    assert len(set(keys)) == 3


def test_an_idempotency_key_that_is_given_is_the_one_that_is_sent() -> None:
    oracle = Oracle(answer(SUBMISSION))
    oracle.run(oracle.verbs.submit(USAGE, key="march"))
    assert oracle.sent[0].headers["Idempotency-Key"] == "march"


def test_a_period_is_at_most_31_days_long() -> None:
    month = Usage(model_id=b"\x01" * 32, start=1_000, end=1_000 + 31 * 86_400)
    with pytest.raises(InputError, match=r"^end: a period is no longer than 31 days") as refused:
        replace(month, end=month.end + 1)
    assert refused.value.field == "end"


def test_usage_travels_in_whole_numbers_as_digits() -> None:
    usage = Usage(
        model_id=b"\x01" * 32,
        start=1_000,
        end=2_000,
        pricing=Pricing.POOL,
        total=2**63,
        rows=(Row(3, Tier.TRAINING, Metric.PLAYBACK, 2**64 - 1),),
    )
    assert json.loads(usage.body()) == {
        "model_id": "0x" + "01" * 32,
        "period": {"start": 1_000, "end": 2_000},
        "pricing": "POOL",
        "total": "9223372036854775808",
        "rows": [
            {
                "license_id": 3,
                "tier": "TRAINING",
                "metric": "PLAYBACK",
                "quantity": "18446744073709551615",
            }
        ],
        "skip_invalid": False,
    }


@pytest.mark.parametrize(
    "trouble",
    [
        BROKEN,
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(502, text="<html>Bad gateway"),
        httpx.Response(503),
        httpx.Response(504),
    ],
)
def test_what_passes_is_tried_again_with_growing_pauses_and_a_signature_of_its_own(
    trouble: Reply,
) -> None:
    oracle = Oracle(trouble, trouble, trouble, answer(SUBMISSION))
    assert oracle.run(oracle.verbs.submit(USAGE)).id == "ab" * 16
    # Half a second doubled each time, less at most half of it.
    for pause, most in zip(oracle.pauses, (0.5, 1.0, 2.0), strict=True):
        assert most / 2 <= pause <= most
    assert len({sent.headers["Idempotency-Key"] for sent in oracle.sent}) == 1
    times = [int(sent.headers["Obbligato-Time"]) for sent in oracle.sent]
    assert times[-1] > times[0]


def test_an_oracle_that_says_how_long_to_wait_is_obeyed() -> None:
    oracle = Oracle(httpx.Response(429, headers={"Retry-After": "7"}), answer(SUBMISSION))
    oracle.run(oracle.verbs.status("ab" * 16))
    assert oracle.pauses == [7.0]


def test_after_some_attempts_it_gives_up_and_names_the_host() -> None:
    oracle = Oracle(*[BROKEN] * ATTEMPTS)
    with pytest.raises(
        OracleUnreachable, match=r"oracle\.example cannot be reached, or broke off: try again"
    ):
        oracle.run(oracle.verbs.status("ab" * 16))
    assert len(oracle.sent) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_no_is_not_asked_again(status: int) -> None:
    oracle = Oracle(answer({"title": "No", "status": status, "detail": "because"}, status))
    with pytest.raises(ApiProblem, match=f"the oracle answered {status}: because") as refused:
        oracle.run(oracle.verbs.submit(USAGE))
    assert (refused.value.status, refused.value.title) == (status, "No")
    assert oracle.pauses == []


def test_a_problem_names_its_lines() -> None:
    errors = [{"file": "a.csv", "line": 3, "field": "units", "reason": "is 0"}, "junk"]
    oracle = Oracle(answer({"title": "x", "detail": "2 lines", "errors": errors}, 422))
    with pytest.raises(ApiProblem, match=r"2 lines; a\.csv, line 3, units: is 0") as refused:
        oracle.run(oracle.verbs.submit(USAGE))
    assert refused.value.errors == (("a.csv", 3, "units", "is 0"),)


@pytest.mark.parametrize("body", [b"", b"<html>hello", b"[]", b'{"id": 1}'])
def test_an_answer_that_is_no_submission_is_not_one(body: bytes) -> None:
    oracle = Oracle(httpx.Response(200, content=body))
    with pytest.raises(OracleUnreachable, match="did not answer as an oracle does"):
        oracle.run(oracle.verbs.status("ab" * 16))


def test_making_an_api_key_is_never_tried_again_by_itself() -> None:
    oracle = Oracle(BROKEN)
    with pytest.raises(OracleUnreachable):
        oracle.run(oracle.verbs.create_key("x", ["quotes"]))
    assert len(oracle.sent) == 1


@pytest.fixture
def march(tmp_path: Path) -> Path:
    path = tmp_path / "march.jsonl"
    path.write_bytes(b"one\ntwo\n")
    return path


def test_a_file_that_the_oracle_has_is_not_sent_again(march: Path) -> None:
    oracle = Oracle(httpx.Response(200))
    uploaded = oracle.run(oracle.verbs.upload(march))
    assert (uploaded.sha256, uploaded.name) == (
        hashlib.sha256(b"one\ntwo\n").hexdigest(),
        march.name,
    )
    assert [sent.request.method for sent in oracle.sent] == ["HEAD"]


def test_a_file_that_the_oracle_lacks_is_sent_under_its_digest(march: Path) -> None:
    digest = hashlib.sha256(b"one\ntwo\n")
    stored = {"sha256": digest.hexdigest(), "size": 8}
    oracle = Oracle(httpx.Response(404), BROKEN, answer(stored, 201))
    oracle.run(oracle.verbs.upload(march, name="of march", format="jsonl"))
    assert [sent.request.method for sent in oracle.sent] == ["HEAD", "PUT", "PUT"]
    put = oracle.sent[-1]
    assert put.request.path == f"/v1/platforms/7/uploads/{digest.hexdigest()}"
    assert put.request.body_digest == digest.digest()


def test_a_refused_file_says_why(march: Path) -> None:
    oracle = Oracle(httpx.Response(403))
    with pytest.raises(ApiProblem, match="may not do this"):
        oracle.run(oracle.verbs.upload(march))


def test_an_empty_file_is_no_zero_statement(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    with pytest.raises(InputError, match=r"empty\.jsonl is empty: report no use with a zero"):
        local_file(path)


def states(*names: str) -> list[Reply]:
    return [answer({**SUBMISSION, "state": name}) for name in names]


@pytest.mark.parametrize(
    ("passed", "until", "last"),
    [
        (["received", "validated"], State.VALIDATED, "validated"),
        (
            ["signed", "attested", "submitted", "challengeable"],
            State.CHALLENGEABLE,
            "challengeable",
        ),
        (["signed", "settled"], State.CHALLENGEABLE, "settled"),
        (["received", "rejected"], State.SETTLED, "rejected"),
        (["submitted", "unfunded"], State.CHALLENGEABLE, "unfunded"),
        (["received", "validated"], State.SETTLED, "validated"),
        (["received", "quoted"], State.QUOTED, "quoted"),
    ],
)
def test_waiting_ends_where_it_should_or_where_nothing_goes_on_by_itself(
    passed: list[str], until: State, last: str
) -> None:
    oracle = Oracle(*states(*passed))
    assert oracle.run(oracle.verbs.wait("ab" * 16, until)).state == last
    assert oracle.replies == []


def test_waiting_ends_when_the_time_is_up() -> None:
    stuck = answer({**SUBMISSION, "state": "signed", "waiting": "two attesters are down"})
    oracle = Oracle(*[stuck] * 50)
    with pytest.raises(StillWaiting, match=r"after 20 s .* is signed: two attesters are down"):
        oracle.run(oracle.verbs.wait("ab" * 16, State.SETTLED, timeout_seconds=20))
    assert 20 <= oracle.clock() - NOW <= 25


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("oracle.example", "is not the URL of an oracle"),
        ("ftp://oracle.example", "is not the URL of an oracle"),
        ("https://user:word@oracle.example", "scheme, host and port alone"),
        ("https://oracle.example/behind", "scheme, host and port alone"),
        ("https://oracle.example?x=y", "scheme, host and port alone"),
    ],
)
def test_an_oracles_url_is_scheme_host_and_port(url: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        Endpoint(url, 1, 1, ORACLE, SIGNER)
    assert "word" not in str(refused.value)


def test_an_api_key_is_not_sent_in_the_clear() -> None:
    with pytest.raises(InputError, match="over https only") as refused:
        Endpoint("http://oracle.example", 1, 1, ORACLE, None, "obb_1_secret")
    assert "secret" not in str(refused.value)
    local = Endpoint("http://127.0.0.1:8460", 1, 1, ORACLE, None, "obb_1_secret")
    assert "secret" not in repr(local)


@pytest.mark.parametrize("key", ["obb 1", "obb_1\r\nX: y", "", "obb_é"])
def test_an_api_key_is_a_word(key: str) -> None:
    with pytest.raises(InputError, match="is not an API key") as refused:
        Endpoint("https://oracle.example", 1, 1, ORACLE, None, key)
    assert not key or key not in str(refused.value)


def test_a_list_goes_on_where_its_page_ended() -> None:
    line = {name: value for name, value in SUBMISSION.items() if name != "updated_at"}
    oracle = Oracle(answer({"items": [line], "next": "a b&c"}), answer({"items": [], "next": None}))
    page = oracle.run(oracle.verbs.submissions(limit=1))
    assert ([item.id for item in page.items], page.next) == (["ab" * 16], "a b&c")
    oracle.run(oracle.verbs.submissions(cursor=page.next, limit=1))
    paths = [sent.request.path.split("?")[1] for sent in oracle.sent]
    assert paths == ["limit=1", "limit=1&cursor=a%20b%26c"]
