"""API keys of platforms: fault 40's part with keys, and that no secret is shown twice or logged."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import text

from obbligato.server.process import start_log
from scripts.demo.cast import METERED_PLATFORM, POOL_PLATFORM
from tests.backend.auth.conftest import Service, bearer, sign_in
from tests.onchain import STRANGER, Acts
from tests.scenario import Scenario

RICH, POOR = METERED_PLATFORM.admin, POOL_PLATFORM.admin


def made(client: TestClient, platform_id: int, token: str, *scopes: str) -> dict[str, Any]:
    answer = client.post(
        f"/v1/platforms/{platform_id}/keys",
        json={"label": "training jobs", "scopes": list(scopes)},
        headers=bearer(token),
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_is_shown_once_and_listed_without_its_secret(
    client: TestClient, scenario: Scenario
) -> None:
    token = sign_in(client, RICH)["token"]
    key = made(client, scenario.rich, token, "webhooks:write", "consent:read")
    assert key["key"].startswith(f"obk_{key['id']}_")
    assert key["scopes"] == ["consent:read", "webhooks:write"]
    listed = client.get(f"/v1/platforms/{scenario.rich}/keys", headers=bearer(token))
    assert listed.json() == {
        "items": [{name: value for name, value in key.items() if name != "key"}],
        "next": None,
    }
    assert key["key"].split("_", 2)[2] not in listed.text


def test_a_key_does_what_its_scopes_say_and_no_more(client: TestClient, scenario: Scenario) -> None:
    token = sign_in(client, RICH)["token"]
    may = made(client, scenario.rich, token, "webhooks:write")
    may_not = made(client, scenario.rich, token, "consent:read")
    path = f"/platforms/{scenario.rich}/hooks"
    assert client.post(path, headers=bearer(may["key"])).json() == {"by": may["id"]}
    refused = client.post(path, headers=bearer(may_not["key"]))
    assert refused.status_code == 403
    assert "webhooks:write" in refused.json()["detail"]


def test_platform_a_posting_as_platform_b_is_refused(
    client: TestClient, scenario: Scenario
) -> None:
    token = sign_in(client, RICH)["token"]
    key = made(client, scenario.rich, token, "webhooks:write")["key"]
    for credential in (key, token):
        answer = client.post(f"/platforms/{scenario.poor}/hooks", headers=bearer(credential))
        assert answer.status_code == 403


def test_only_a_platforms_admin_sees_and_makes_its_keys(
    client: TestClient, scenario: Scenario
) -> None:
    path = f"/v1/platforms/{scenario.poor}/keys"
    body = {"label": "", "scopes": ["grants:read"]}
    mine = made(client, scenario.poor, sign_in(client, POOR)["token"], "grants:read")
    for account in (RICH, STRANGER, POOL_PLATFORM.reporter):
        token = bearer(sign_in(client, account)["token"])
        assert client.post(path, json=body, headers=token).status_code == 403
        assert client.get(path, headers=token).status_code == 403
        assert client.delete(f"{path}/{mine['id']}", headers=token).status_code == 403
    assert client.post(path, json=body).status_code == 401
    # A key makes no keys, not even of its own platform.
    assert client.post(path, json=body, headers=bearer(mine["key"])).status_code == 403
    # Nor is a key found under another platform that its finder runs.
    rich = bearer(sign_in(client, RICH)["token"])
    other = f"/v1/platforms/{scenario.rich}/keys/{mine['id']}"
    assert client.delete(other, headers=rich).status_code == 404


def test_a_revoked_key_is_refused(client: TestClient, scenario: Scenario) -> None:
    token = sign_in(client, RICH)["token"]
    key = made(client, scenario.rich, token, "consent:read")
    path = f"/v1/platforms/{scenario.rich}/keys/{key['id']}"
    assert client.get("/public", headers=bearer(key["key"])).status_code == 200
    assert client.delete(path, headers=bearer(token)).status_code == 204
    refused = client.get("/public", headers=bearer(key["key"]))
    assert refused.status_code == 401
    assert client.delete(path, headers=bearer(token)).status_code == 204, "again is no harm"
    listed = client.get(f"/v1/platforms/{scenario.rich}/keys", headers=bearer(token)).json()
    assert listed["items"][0]["revoked_at"] is not None


def test_a_key_with_one_character_changed_is_refused(
    client: TestClient, scenario: Scenario
) -> None:
    key = made(client, scenario.rich, sign_in(client, RICH)["token"], "consent:read")["key"]
    last = "A" if key[-1] != "A" else "B"
    for other in (key[:-1] + last, key[:-1], "obk_" + "0" * 32 + key[36:], key + "A"):
        assert client.get("/public", headers=bearer(other)).status_code == 401


def test_a_platform_registered_just_now_makes_keys_before_the_index_has_read_of_it(
    client: TestClient, scenario: Scenario
) -> None:
    acts = Acts(scenario.protocol)
    with acts.undone():
        platform_id = acts.platform(STRANGER, STRANGER, 0)
        assert made(client, platform_id, sign_in(client, STRANGER)["token"], "grants:read")["key"]


def test_an_unknown_platform_is_not_found(client: TestClient) -> None:
    token = bearer(sign_in(client, RICH)["token"])
    body = {"scopes": ["grants:read"]}
    assert client.post("/v1/platforms/77/keys", json=body, headers=token).status_code == 404
    malformed: tuple[dict[str, Any], ...] = (
        {"scopes": []},
        {"scopes": ["all"]},
        {"scopes": ["grants:read"], "label": "\n"},
    )
    for wrong in malformed:
        refused = client.post("/v1/platforms/1/keys", json=wrong, headers=token)
        assert refused.status_code == 422
        assert refused.json()["field"]


def test_keys_come_page_by_page(client: TestClient, scenario: Scenario, service: Service) -> None:
    token = sign_in(client, RICH)["token"]
    ids = []
    for _ in range(3):
        ids.append(made(client, scenario.rich, token, "grants:read")["id"])
        service.clock.seconds += 1
    path = f"/v1/platforms/{scenario.rich}/keys?limit=2"
    first = client.get(path, headers=bearer(token)).json()
    rest = client.get(f"{path}&cursor={first['next']}", headers=bearer(token)).json()
    assert [key["id"] for key in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None


# ---- fault 41


@pytest.fixture
def log() -> Iterator[None]:
    """The service's own log, on standard error."""
    import logging

    root = logging.getLogger()
    before, level = root.handlers, root.level
    configured = structlog.get_config()
    yield
    root.handlers, root.level = before, level
    structlog.configure(**configured)
    assert sys.stderr


@pytest.mark.usefixtures("log")
def test_no_secret_reaches_the_log_another_answer_or_the_database(
    service: Service, scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    start_log(as_json=True)
    client = service.client()
    token = sign_in(client, RICH)["token"]
    key = made(client, scenario.rich, token, "consent:read")["key"]
    answers = [
        client.get("/public?api_key=hunter2", headers=bearer(key)),
        client.get("/public", headers={"Cookie": f"obbligato_session={token}"}),
        client.get("/public", headers=bearer(key[:-2])),
        client.get(f"/v1/platforms/{scenario.rich}/keys", headers=bearer(token)),
        client.get("/v1/sessions/current", headers=bearer(token)),
        client.get("/crash", headers=bearer(token)),
        client.get("/metrics"),
    ]
    logged = capsys.readouterr().err
    lines = [json.loads(line) for line in logged.splitlines()]
    assert any(line["event"] == "request" and line["path"] == "/public" for line in lines)
    with service.services.service_db.engine.connect() as connection:
        kept = "".join(
            str(connection.execute(text(f"select * from {table}")).all())
            for table in ("sessions", "api_keys", "sign_in_nonces")
        )
    for secret in (token, token[4:], key, key.split("_", 2)[2], "hunter2"):
        assert secret not in logged
        assert secret not in kept
        assert not any(secret in answer.text for answer in answers)
    assert "secret inside" not in answers[5].text
