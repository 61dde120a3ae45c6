"""A signed report whose time runs out before the chain takes it: signed once more, and reported once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from obbligato.client import Expected, OracleClient, State, Submission, Usage
from obbligato.protocol.typed_data import UsageReport
from tests.oracle.environment import PATIENCE, RATE, OracleEnv, write
from tests.oracle.recordings import Licensed, every_use

UNITS = (7, 5, 3)
TOTAL = 15 * RATE


@pytest.fixture(scope="module")
def hasty(whole_oracle_env: OracleEnv) -> Iterator[OracleEnv]:
    """The world with a leader whose headers expire after a minute of the chain's time."""
    with whole_oracle_env.leader_with(OBBLIGATO_ORACLE_SIGNING_SECONDS="60") as oracle_env:
        yield oracle_env


def let_time_run_out(oracle_env: OracleEnv, deadline: int) -> None:
    """Until a block that is final is later than the deadline."""
    oracle_env.acts.node("evm_increaseTime", max(0, deadline - oracle_env.acts.now()) + 1)
    for _ in range(3):
        oracle_env.acts.node("evm_mine")


def header_of(submission: Submission) -> UsageReport:
    """Of its last part."""
    header = submission.reports[-1].header
    assert header is not None
    return header


def deadline_of(submission: Submission) -> int:
    return header_of(submission).deadline


def wait_for_attempt(
    oracle_env: OracleEnv, client: OracleClient, submission_id: str, attempt: int
) -> Submission:
    """Wait until the platform is asked to sign this attempt, while blocks come."""
    found: list[Submission] = []

    def is_asked() -> bool:
        oracle_env.acts.node("evm_mine")
        found[:] = [client.status(submission_id)]
        return found[0].state is State.VALIDATED and header_of(found[0]).attempt == attempt

    oracle_env.until(is_asked)
    return found[0]


def test_a_report_that_no_block_took_in_time_is_signed_again_and_accepted_once(
    hasty: OracleEnv, tmp_path: Path
) -> None:
    oracle_env, model = hasty, hasty.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, UNITS)
        with oracle_env.proxy.having(swallow=True):
            sent = oracle_env.submit(client, usage)
            deadline = deadline_of(sent)
            oracle_env.until(lambda: bool(oracle_env.proxy.sent))
            oracle_env.until(lambda: client.status(sent.id).state is State.SUBMITTED)
            let_time_run_out(oracle_env, deadline)
        # Sent again as it was, it fails: its time is over, and the platform is asked once more.
        again = wait_for_attempt(oracle_env, client, sent.id, 2)
        assert oracle_env.happened(model) == []
        (part,) = again.reports
        assert part.report_id != sent.reports[0].report_id
        assert deadline_of(again) > deadline
        client.sign(again, Expected(oracle_env.platform_id, usage))
        oracle_env.settle(client, sent.id)
    (report,) = oracle_env.happened(model)
    assert (report["report"]["attempt"], report["report"]["sequence"]) == (2, 1)
    assert report["reportId"] == part.report_id
    assert oracle_env.settled(report["reportId"]) == [TOTAL]


def test_a_report_that_no_quorum_signed_in_time_is_signed_again_when_attesters_are_back(
    hasty: OracleEnv, tmp_path: Path
) -> None:
    oracle_env, model = hasty, hasty.model()
    stopped = oracle_env.stack.attesters[:2]
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, UNITS)
        for attester in stopped:
            attester.stop()
        try:
            sent = oracle_env.submit(client, usage)
            # The third one signs, and remembers that it did.
            found = oracle_env.wait_for(
                client, sent.id, lambda one: "1 of 3 attesters signed" in (one.waiting or "")
            )
            assert found.state is State.SIGNED
            let_time_run_out(oracle_env, deadline_of(sent))
        finally:
            for attester in stopped:
                attester.start()
            for attester in stopped:
                attester.ready()
        again = wait_for_attempt(oracle_env, client, sent.id, 2)
        client.sign(again, Expected(oracle_env.platform_id, usage))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
    (report,) = oracle_env.happened(model)
    assert report["report"]["attempt"] == 2


def test_headers_that_nobody_signed_in_time_are_made_anew_for_the_same_attempt(
    hasty: OracleEnv, tmp_path: Path
) -> None:
    oracle_env, model = hasty, hasty.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, UNITS)
        sent = client.submit(usage)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        deadline = deadline_of(metered)
        let_time_run_out(oracle_env, deadline)
        oracle_env.until(lambda: deadline_of(client.status(sent.id)) > deadline)
        again = wait_for_attempt(oracle_env, client, sent.id, 1)
        client.sign(again, Expected(oracle_env.platform_id, usage))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
    (report,) = oracle_env.happened(model)
    assert report["report"]["attempt"] == 1


def test_a_part_whose_time_ran_out_is_signed_again_and_the_one_before_it_stays(
    hasty: OracleEnv, licensed: Licensed, tmp_path: Path
) -> None:
    oracle_env, model = hasty, hasty.model()
    path = write(tmp_path / "many.jsonl", every_use(licensed, model))
    with oracle_env.client() as client:
        usage = Usage(model, *licensed.period, files=(client.upload(path),))
        sent = client.submit(usage)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        held = oracle_env.proxy.hold("eth_sendRawTransaction", 2)
        client.sign(metered, Expected(oracle_env.platform_id, usage))
        held.wait()
        let_time_run_out(oracle_env, deadline_of(metered))
        held.abandon()
        again = wait_for_attempt(oracle_env, client, sent.id, 2)
        first, second = again.reports
        assert first.report_id == metered.reports[0].report_id
        assert (first.state, second.state) == (State.CHALLENGEABLE, State.VALIDATED)
        client.sign(again, Expected(oracle_env.platform_id, usage))
        oracle_env.settle(client, sent.id)
    taken = [event["report"] for event in oracle_env.happened(model)]
    assert [(report["sequence"], report["attempt"]) for report in taken] == [(1, 1), (2, 2)]
