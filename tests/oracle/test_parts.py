"""A report with more rows than one holds: parts in sequence, each with its own evidence, each paid once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obbligato.client import Expected, OracleClient, State, Submission, Usage
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.rows import Row, unpack_rows
from tests.oracle.environment import PATIENCE, OracleEnv, write
from tests.oracle.recordings import RATES, Licensed, every_use

Sums = dict[tuple[int, int, int], int]
ROWS = 57 * 18


def summed(events: list[dict[str, Any]]) -> Sums:
    """The quantity of every (licence, tier, metric), in millionths, added up one by one."""
    sums: Sums = {}
    for event in events:
        key = event["license_id"], int(Tier[event["tier"]]), int(Metric[event["metric"]])
        sums[key] = sums.get(key, 0) + event["units"] * event["influence_ppm"]
    return sums


def price(row: Row) -> int:
    return row.quantity * RATES[row.tier, row.metric] // 1_000_000


def validated(client: OracleClient, usage: Usage) -> Submission:
    sent = client.submit(usage)
    return client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed between the parts"])
def test_more_than_a_thousand_rows_become_two_reports_in_sequence(
    oracle_env: OracleEnv, licensed: Licensed, tmp_path: Path, killed: bool
) -> None:
    before, model = oracle_env.block(), oracle_env.model()
    events = every_use(licensed, model)
    path = write(tmp_path / "many.jsonl", events)
    with oracle_env.client() as client:
        usage = Usage(model, *licensed.period, files=(client.upload(path),))
        metered = validated(client, usage)
        assert [part.rows for part in metered.reports] == [1_000, ROWS - 1_000]
        held = oracle_env.proxy.hold("eth_sendRawTransaction", 2) if killed else None
        signed = client.sign(metered, Expected(oracle_env.platform_id, usage))
        assert signed.state.has_reached(State.SIGNED)  # all parts at once
        if held is not None:
            held.wait()
            assert len(oracle_env.happened(model)) == 1
            oracle_env.leader.kill()
            held.abandon()
            oracle_env.leader.start()
            oracle_env.leader.ready()
        done = oracle_env.settle(client, metered.id)
    first, second = oracle_env.happened(model)
    assert [event["report"]["sequence"] for event in (first, second)] == [1, 2]
    assert second["report"]["previous"] == first["reportId"]
    assert first["report"]["evidence"] != second["report"]["evidence"]
    rows = [*unpack_rows(first["rows"]), *unpack_rows(second["rows"])]
    assert {(r.license_id, int(r.tier), int(r.metric)): r.quantity for r in rows} == summed(events)
    assert len(rows) == ROWS
    for event, part in zip((first, second), done.reports, strict=True):
        total = sum(price(row) for row in unpack_rows(event["rows"]))
        assert part.total_units == total
        assert oracle_env.settled(event["reportId"]) == [total]
    assert oracle_env.wasted(before) == []


def test_a_pool_of_more_than_a_thousand_rows_is_refused_with_words(
    oracle_env: OracleEnv, licensed: Licensed, tmp_path: Path
) -> None:
    model = oracle_env.model()
    path = write(tmp_path / "many.jsonl", every_use(licensed, model))
    with oracle_env.client() as client:
        uploaded = (client.upload(path),)
        found = validated(
            client,
            Usage(model, *licensed.period, pricing=Pricing.POOL, total=10**12, files=uploaded),
        )
    assert found.state is State.REJECTED
    assert found.problem is not None
    assert f"{ROWS} rows: a pool is one report of at most 1000" in found.problem.detail
