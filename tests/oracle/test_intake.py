"""What the leader takes from whom: keys, signatures, idempotency, and input that is wrong."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from obbligato.client import ApiProblem, Expected, OracleClient, State, Usage
from obbligato.client.signing import sign_request
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.rows import Row
from scripts.demo.cast import METERED_PLATFORM, POOL_PLATFORM
from tests.onchain import DAY
from tests.oracle.environment import PATIENCE, RATE, OracleEnv, write

UNIT = 1_000_000


def post(
    oracle_env: OracleEnv, target: str, body: object, *, key: str, **signing: Any
) -> httpx.Response:
    """A signed request; whatever of its signature a test wants to be wrong it names."""
    content = json.dumps(body).encode()
    deployment = oracle_env.protocol.chain.deployment
    signed = {
        "chain_id": deployment.chain_id,
        "oracle": deployment.address("UsageOracle"),
        "method": "POST",
        "path": target,
        "body_digest": hashlib.sha256(content).digest(),
        "time": int(time.time()),
        **signing,
    }
    signer = LocalSigner(METERED_PLATFORM.reporter.key)
    headers = {**sign_request(signer, **signed), "Idempotency-Key": key}
    return httpx.post(f"{oracle_env.leader.url}{target}", content=content, headers=headers)


def body_of(oracle_env: OracleEnv, **changed: object) -> dict[str, object]:
    start, end = oracle_env.period
    return {
        "model_id": "0x" + oracle_env.model().hex(),
        "period": {"start": start, "end": end},
        "pricing": "METERED",
        "rows": [],
        **changed,
    }


def reports(oracle_env: OracleEnv) -> str:
    return f"/v1/platforms/{oracle_env.platform_id}/reports"


def test_one_key_is_one_submission_and_another_body_is_refused(oracle_env: OracleEnv) -> None:
    body = body_of(oracle_env)
    first = post(oracle_env, reports(oracle_env), body, key="monday")
    again = post(oracle_env, reports(oracle_env), body, key="monday")
    other = post(oracle_env, reports(oracle_env), {**body, "skip_invalid": True}, key="monday")
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
    assert first.json()["id"] == again.json()["id"] == other.json()["id"]
    assert other.headers["content-type"] == "application/problem+json"
    assert "take a new key for a new report" in other.json()["detail"]


@pytest.mark.parametrize(
    ("signing", "said"),
    [
        ({"chain_id": 1}, "did not sign this request"),
        ({"oracle": "0x" + "11" * 20}, "did not sign this request"),
        ({"path": "/v1/platforms/2/reports"}, "did not sign this request"),
        ({"method": "GET"}, "did not sign this request"),
        ({"body_digest": b"\x01" * 32}, "The body is not the one that was signed"),
        ({"time": 1_700_000_000}, "sign again"),
    ],
    ids=["another chain", "another oracle", "another path", "another method", "body", "old"],
)
def test_a_request_signed_for_something_else_is_refused(
    oracle_env: OracleEnv, signing: dict[str, Any], said: str
) -> None:
    answer = post(oracle_env, reports(oracle_env), body_of(oracle_env), key="k", **signing)
    assert answer.status_code == 401
    assert said in answer.json()["detail"]


def test_nobody_reports_for_another_platform_and_a_key_does_what_its_scopes_say(
    oracle_env: OracleEnv,
) -> None:
    deployment = oracle_env.protocol.chain.deployment
    of_chain = {"chain_id": deployment.chain_id, "oracle": deployment.address("UsageOracle")}
    usage = Usage(oracle_env.model(), *oracle_env.period)
    stranger = LocalSigner(POOL_PLATFORM.reporter.key)
    url = oracle_env.leader.url
    with (
        OracleClient(
            url, platform_id=oracle_env.platform_id, signer=stranger, **of_chain
        ) as client,
        pytest.raises(ApiProblem) as refused,
    ):
        client.submit(usage)
    assert refused.value.status == 403
    admin = LocalSigner(METERED_PLATFORM.admin.key)
    with OracleClient(url, platform_id=oracle_env.platform_id, signer=admin, **of_chain) as client:
        made = client.create_key("reads", ["reports:read"])
        known = {key.id: key.scopes for key in tuple(client.keys())}
        assert known[made.id] == ("reports:read",)
    with OracleClient(
        url, platform_id=oracle_env.platform_id, api_key=made.key, **of_chain
    ) as reader:
        assert isinstance(reader.submissions().items, tuple)
        with pytest.raises(ApiProblem) as refused:
            reader.submit(usage)
        assert refused.value.status == 403
    with (
        OracleClient(url, platform_id=oracle_env.poor_id, api_key=made.key, **of_chain) as reader,
        pytest.raises(ApiProblem) as refused,
    ):
        reader.submissions()
    assert refused.value.status == 403
    with OracleClient(url, platform_id=oracle_env.platform_id, signer=admin, **of_chain) as client:
        client.revoke_key(made.id)
    with (
        OracleClient(
            url, platform_id=oracle_env.platform_id, api_key=made.key, **of_chain
        ) as reader,
        pytest.raises(ApiProblem) as refused,
    ):
        reader.submissions()
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"pricing": "FREE"}, "pricing"),
        ({"pricing": "POOL"}, "total"),
        ({"total": "5"}, "total"),
        ({"total": 1.5, "pricing": "POOL"}, "total"),
        ({"total": "18446744073709551616", "pricing": "POOL"}, "total"),
        ({"period": {"start": 20, "end": 10}}, "period.end"),
        ({"period": {"start": 20, "end": 2**39}}, "period.end"),
        ({"period": {"start": 20.0, "end": 30}}, "period.start"),
        ({"period": {"start": 20, "end": 21 + 31 * DAY}}, "period.end"),
        ({"period": {"start": 20, "end": 20 + 31 * DAY}}, "period.start"),
        ({"model_id": "0x12"}, "model_id"),
        ({"surprise": 1}, "surprise"),
        ({"files": [{"sha256": "00" * 32, "name": "a.csv"}]}, "files.0.sha256"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_wrong_field_is_named(
    oracle_env: OracleEnv, changed: dict[str, object], field: str
) -> None:
    answer = post(
        oracle_env, reports(oracle_env), body_of(oracle_env, **changed), key=f"wrong {changed}"
    )
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field


def test_a_period_that_is_not_over_is_refused(oracle_env: OracleEnv) -> None:
    start, end = oracle_env.period
    body = body_of(oracle_env, period={"start": start, "end": end + 2 * DAY})
    answer = post(oracle_env, reports(oracle_env), body, key="the future")
    assert (answer.status_code, answer.json()["field"]) == (422, "period.end")
    assert "in the future" in answer.json()["detail"]


def test_an_old_period_is_taken_only_where_it_continues_a_report(oracle_env: OracleEnv) -> None:
    """A quarter behind: two reports that follow each other, and others that follow none."""
    model, (start, end) = oracle_env.model(), oracle_env.period
    first, second = Usage(model, start, end - 3_600), Usage(model, end - 3_600, end)
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, first)
        oracle_env.reach(client, sent.id, State.SETTLED)
        oracle_env.acts.wait(100)
        for apart in (Usage(model, start + 60, start + 120), Usage(oracle_env.model(), start, end)):
            for send in (client.submit, client.quote):
                with pytest.raises(ApiProblem) as refused:
                    send(apart)
                assert (refused.value.status, refused.value.field) == (422, "period.start")
                assert "begins more than 92 days ago" in str(refused.value)
        late = client.submit(second)
        metered = client.wait(late.id, State.VALIDATED, timeout_seconds=PATIENCE)
        next_month = client.submit(Usage(model, end, end + 30 * DAY))
        client.sign(metered, Expected(client.platform_id, second))
        oracle_env.reach(client, late.id, State.SETTLED)
        found = client.wait(next_month.id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert found.state is State.VALIDATED, found.problem
    assert [event["report"]["sequence"] for event in oracle_env.happened(model)] == [1, 2]


@pytest.mark.parametrize("quantity", ["0", "-1", 1.5, "1.5", "18446744073709551616", "NaN", None])
def test_a_quantity_that_is_no_uint64_is_refused_and_never_cut_off(
    oracle_env: OracleEnv, quantity: object
) -> None:
    row = {"license_id": 1, "tier": 3, "metric": 2, "quantity": quantity}
    answer = post(
        oracle_env, reports(oracle_env), body_of(oracle_env, rows=[row]), key=f"row {quantity}"
    )
    assert answer.status_code == 422
    assert answer.json()["field"].startswith("rows.0.quantity")


def test_wrong_lines_refuse_the_whole_file_and_are_named_by_file_line_and_field(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    events = oracle_env.events(model, (1, 2, 3, 4))
    events[1]["units"] = 1.5
    events[3]["tier"] = "GENRATIVE"
    path = write(tmp_path / "july.jsonl", events)
    with oracle_env.client() as client:
        usage = Usage(model, *oracle_env.period, files=(client.upload(path),))
        found = client.wait(client.submit(usage).id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert found.state is State.REJECTED
        assert found.problem is not None
        errors = [(e.file, e.line, e.field) for e in found.problem.errors]
        assert errors == [("july.jsonl", 2, "units"), ("july.jsonl", 4, "tier")]
        assert found.problem.error_count == 2

        skipping = Usage(model, *oracle_env.period, files=usage.files, skip_invalid=True)
        found = client.wait(client.submit(skipping).id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert found.state is State.VALIDATED
        assert found.summary is not None
        assert (found.summary.events, found.summary.skipped) == (2, 2)
        assert [row.quantity for row in client.rows(found.id)] == [4 * UNIT]


def test_a_quote_prices_and_submits_nothing(oracle_env: OracleEnv, tmp_path: Path) -> None:
    model = oracle_env.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, (7, 5, 3))
        found = client.wait(client.quote(usage).id, State.QUOTED, timeout_seconds=PATIENCE)
        assert found.state is State.QUOTED
        assert found.summary is not None
        assert found.summary.total_units == 15 * RATE
        assert [row.amount_units for row in client.rows(found.id)] == [10 * RATE, 5 * RATE]
    assert oracle_env.happened(model) == []


def test_ready_rows_become_the_same_report_as_their_events(oracle_env: OracleEnv) -> None:
    model, (first, second) = oracle_env.model(), oracle_env.licenses
    rows = (
        Row(first, Tier.GENERATIVE, Metric.GENERATION, 10 * UNIT + 1),
        Row(second, Tier.GENERATIVE, Metric.GENERATION, 5 * UNIT),
    )
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, Usage(model, *oracle_env.period, rows=rows))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
        assert tuple(row.row for row in client.rows(sent.id)) == rows
    (report,) = oracle_env.happened(model)
    assert report["report"]["total"] == 15 * RATE  # floor((10_000_001 * 2 400) / 1 000 000) + …


def test_a_statement_of_no_use_is_a_report_without_rows(oracle_env: OracleEnv) -> None:
    model = oracle_env.model()
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, Usage(model, *oracle_env.period))
        oracle_env.reach(client, sent.id, State.SETTLED)
    (report,) = oracle_env.happened(model)
    assert (report["report"]["rowCount"], report["report"]["total"]) == (0, 0)


def test_what_was_not_signed_can_be_taken_back_and_what_was_signed_cannot(
    oracle_env: OracleEnv,
) -> None:
    usage = Usage(oracle_env.model(), *oracle_env.period)
    with oracle_env.client() as client:
        sent = client.submit(usage)
        client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert client.withdraw_submission(sent.id).state is State.WITHDRAWN
        other = oracle_env.submit(client, Usage(oracle_env.model(), *oracle_env.period))
        with pytest.raises(ApiProblem) as refused:
            client.withdraw_submission(other.id)
        assert refused.value.status == 409


def test_a_pool_is_shared_by_weight(oracle_env: OracleEnv, tmp_path: Path) -> None:
    model = oracle_env.model()
    with oracle_env.client() as client:
        metered = oracle_env.usage(client, model, tmp_path, (2, 1))
        usage = Usage(
            model, *oracle_env.period, pricing=Pricing.POOL, total=10_000_001, files=metered.files
        )
        sent = oracle_env.submit(client, usage)
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
        # prefix sums: floor(10 000 001 * 2 / 3) = 6 666 667, and what is left of the whole
        assert [row.amount_units for row in client.rows(sent.id)] == [6_666_667, 3_333_334]


def test_ten_gigabytes_are_refused_before_they_come(oracle_env: OracleEnv) -> None:
    sha256 = "ab" * 32
    path = f"/v1/platforms/{oracle_env.platform_id}/uploads/{sha256}"
    deployment = oracle_env.protocol.chain.deployment
    headers = sign_request(
        LocalSigner(METERED_PLATFORM.reporter.key),
        chain_id=deployment.chain_id,
        oracle=deployment.address("UsageOracle"),
        method="PUT",
        path=path,
        body_digest=bytes.fromhex(sha256),
        time=int(time.time()),
    )
    where = urlsplit(oracle_env.leader.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    connection.putrequest("PUT", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(10 * 2**30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "divide it" in json.loads(answer.read())["detail"]
    connection.close()


def test_bytes_that_are_not_what_they_were_announced_as_are_not_kept(oracle_env: OracleEnv) -> None:
    sha256 = hashlib.sha256(b"what was announced").hexdigest()
    path = f"/v1/platforms/{oracle_env.platform_id}/uploads/{sha256}"
    deployment = oracle_env.protocol.chain.deployment
    signed = {
        "chain_id": deployment.chain_id,
        "oracle": deployment.address("UsageOracle"),
        "path": path,
        "body_digest": bytes.fromhex(sha256),
        "time": int(time.time()),
    }
    signer = LocalSigner(METERED_PLATFORM.reporter.key)
    url = oracle_env.leader.url + path
    put = sign_request(signer, method="PUT", **signed)
    answer = httpx.put(url, content=b"what came", headers=put)
    assert (answer.status_code, answer.json()["field"]) == (422, "sha256")
    head = sign_request(
        signer, method="HEAD", **{**signed, "body_digest": hashlib.sha256(b"").digest()}
    )
    assert httpx.head(url, headers=head).status_code == 404
