"""What the relay pays for in a day, over HTTP: the answer says when it goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from backend.acts.keeping import keep
from backend.acts.messages import typed_data
from backend.acts.minting import draft_mint
from backend.api.app import create_app
from tests.backend.acts.conftest import Studio
from tests.backend.acts.test_minting import given
from tests.onchain import ARTIST


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    few = studio.with_settings(acts_per_day=1)
    with TestClient(create_app(few.services), raise_server_exceptions=False) as made:
        yield made


def test_the_second_act_of_a_day_is_told_to_wait_until_tomorrow(
    studio: Studio, client: TestClient
) -> None:
    answers = []
    for title in ("one", "two"):
        caller = studio.caller(ARTIST)
        act = keep(studio.services, caller, draft_mint(studio.services, caller, given(title)))
        signed = ARTIST.sign_typed_data(full_message=typed_data(studio.services.chain, act))
        body = {"signature": "0x" + signed.signature.hex()}
        answers.append(client.post(f"/v1/acts/{act.id}/signature", json=body))
    first, second = answers
    assert (first.status_code, first.json()["state"]) == (200, "signed")
    assert second.status_code == 429
    assert second.headers["content-type"] == "application/problem+json"
    assert 1 <= int(second.headers["retry-after"]) <= 86_400
    assert second.json()["retry_after_seconds"] == int(second.headers["retry-after"])
