"""What the relay pays for in a day, over HTTP: the answer says when it goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from backend.actions.license_acts import prepare_mint
from backend.actions.store import store_act, typed_data
from backend.app import create_app
from tests.backend.actions.conftest import ActsEnv
from tests.backend.actions.test_minting import mint_request
from tests.onchain import ARTIST


@pytest.fixture
def client(acts_env: ActsEnv) -> Iterator[TestClient]:
    few = acts_env.with_settings(acts_per_day=1)
    with TestClient(create_app(few.services), raise_server_exceptions=False) as made:
        yield made


def test_the_second_act_of_a_day_is_told_to_wait_until_tomorrow(
    acts_env: ActsEnv, client: TestClient
) -> None:
    answers = []
    for title in ("one", "two"):
        caller = acts_env.caller(ARTIST)
        act = store_act(
            acts_env.services, caller, prepare_mint(acts_env.services, caller, mint_request(title))
        )
        signed = ARTIST.sign_typed_data(full_message=typed_data(acts_env.services.chain, act))
        body = {"signature": "0x" + signed.signature.hex()}
        answers.append(client.post(f"/v1/acts/{act.id}/signature", json=body))
    first, second = answers
    assert (first.status_code, first.json()["state"]) == (200, "signed")
    assert second.status_code == 429
    assert second.headers["content-type"] == "application/problem+json"
    assert 1 <= int(second.headers["retry-after"]) <= 86_400
    assert second.json()["retry_after_seconds"] == int(second.headers["retry-after"])
