"""Payees who asked to be paid: their dollars come by themselves once they are worth it, and never twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from obbligato.chain.events import Event, read_events
from obbligato.client import State, Usage
from obbligato.client.signing import sign_request
from obbligato.keys import LocalSigner
from tests.onchain import ARTIST, split
from tests.oracle.environment import RATE, OracleEnv, write
from tests.scenario import OPEN


@pytest.fixture(scope="module")
def paying(whole_oracle_env: OracleEnv) -> Iterator[OracleEnv]:
    """The world with a leader that looks at payouts every second."""
    with whole_oracle_env.leader_with(OBBLIGATO_ORACLE_PAYOUT_EVERY_SECONDS="1") as oracle_env:
        yield oracle_env


@dataclass(frozen=True)
class Band:
    """A licence whose royalties go to two payees, 60 : 40; neither has gas money."""

    license_id: int
    first: LocalAccount
    second: LocalAccount


@pytest.fixture
def band(paying: OracleEnv) -> Band:
    first, second = Account.create(), Account.create()
    pays = split((first, 600_000), (second, 400_000))
    return Band(paying.acts.mint(ARTIST, OPEN, pays, "The band's"), first, second)


def ask(
    oracle_env: OracleEnv,
    method: str,
    account: LocalAccount,
    minimum: int | None = None,
    *,
    signed_by: LocalAccount | None = None,
) -> httpx.Response:
    """PUT or DELETE what an account asked for, signed by itself or by somebody else."""
    path = f"/v1/payouts/{account.address}"
    content = b"" if minimum is None else json.dumps({"minimum": str(minimum)}).encode()
    deployment = oracle_env.protocol.chain.deployment
    headers = sign_request(
        LocalSigner((signed_by or account).key),
        chain_id=deployment.chain_id,
        oracle=deployment.address("UsageOracle"),
        method=method,
        path=path,
        body_digest=hashlib.sha256(content).digest(),
        time=int(time.time()),
    )
    return httpx.request(method, oracle_env.leader.url + path, content=content, headers=headers)


def report(oracle_env: OracleEnv, band: Band, folder: Path, generations: int) -> None:
    """Report so many generations of the band's licence, and see them settled and final."""
    model, start = oracle_env.model(), oracle_env.acts.now()
    oracle_env.acts.wait(1)
    events = oracle_env.events(model, [generations], occurred_at=start, license_id=band.license_id)
    path = write(folder / "band.jsonl", events)
    with oracle_env.client() as client:
        uploaded = (client.upload(path),)
        sent = oracle_env.submit(client, Usage(model, start, oracle_env.acts.now(), files=uploaded))
        assert oracle_env.settle(client, sent.id).state is State.SETTLED


def claimed(oracle_env: OracleEnv, account: LocalAccount) -> list[int]:
    """What each claim for an account paid, in order."""
    return [
        int(event["amount"]) for event in _claims(oracle_env) if event["payee"] == account.address
    ]


def _claims(oracle_env: OracleEnv) -> list[Event]:
    events = read_events(oracle_env.protocol.chain, contracts=("RoyaltyVault",))
    return [event for event in events if event.name == "Claimed"]


def dollars(oracle_env: OracleEnv, account: LocalAccount) -> int:
    return int(oracle_env.protocol.chain.call("TestDollar", "balanceOf", account.address))


def test_who_asked_is_paid_once_it_has_earned_enough_and_until_it_says_stop(
    paying: OracleEnv, band: Band, tmp_path: Path
) -> None:
    """A generation is 2 400: of the first thousand 1 440 000 and 960 000, of the second as much again."""
    oracle_env, first, second = paying, band.first, band.second
    assert ask(oracle_env, "PUT", first, 1_440_000).json() == {
        "account": first.address,
        "minimum": "1440000",
    }
    assert ask(oracle_env, "PUT", second, 960_001).status_code == 200
    report(oracle_env, band, tmp_path, 1_000)
    oracle_env.until(lambda: dollars(oracle_env, first) == 600 * RATE)
    # The second payee lacks one unit: it is left alone, until it has earned more.
    assert ask(oracle_env, "DELETE", first).status_code == 204
    report(oracle_env, band, tmp_path, 1_000)
    oracle_env.until(lambda: dollars(oracle_env, second) == 800 * RATE)
    assert claimed(oracle_env, first) == [600 * RATE]
    assert claimed(oracle_env, second) == [800 * RATE]
    assert ask(oracle_env, "DELETE", first).status_code == 204  # again: there is nothing to stop


def test_nobody_asks_for_somebody_else(paying: OracleEnv, band: Band) -> None:
    for method, minimum in (("PUT", 1), ("DELETE", None)):
        refused = ask(paying, method, band.first, minimum, signed_by=band.second)
        assert refused.status_code == 403
        assert band.first.address in refused.json()["detail"]
    unsigned = httpx.put(
        f"{paying.leader.url}/v1/payouts/{band.first.address}", json={"minimum": "1"}
    )
    assert unsigned.status_code == 401


@pytest.mark.parametrize("minimum", ["0", "-1", "1.5", 1.5, None, str(2**64)])
def test_a_minimum_that_is_no_amount_is_refused_by_name(
    paying: OracleEnv, band: Band, minimum: object
) -> None:
    path = f"/v1/payouts/{band.first.address}"
    content = json.dumps({"minimum": minimum}).encode()
    deployment = paying.protocol.chain.deployment
    headers = sign_request(
        LocalSigner(band.first.key),
        chain_id=deployment.chain_id,
        oracle=deployment.address("UsageOracle"),
        method="PUT",
        path=path,
        body_digest=hashlib.sha256(content).digest(),
        time=int(time.time()),
    )
    refused = httpx.put(paying.leader.url + path, content=content, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "minimum")
