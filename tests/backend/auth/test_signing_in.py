"""Signing in: faults 39 and 41, contract accounts, cookies, what the chain says of an account."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient
from sqlalchemy import select

from backend.auth.sign_in import SignInMessage
from backend.db.service_db import Session, SignInNonce
from scripts.demo.cast import METERED_PLATFORM
from tests.backend.auth.conftest import Service, bearer, sign_in, signed
from tests.onchain import ARTIST, LABEL, STRANGER
from tests.scenario import Scenario


def written(client: TestClient, service: Service, **other: Any) -> str:
    """A text that is right but for `other`, written here by the words of the standard."""
    scenario = client.get("/v1/sessions/nonce").json()
    said: dict[str, Any] = {
        "domain": "127.0.0.1:8450",
        "account": ARTIST.address,
        "uri": "http://127.0.0.1:8450",
        "version": "1",
        "chain_id": service.services.chain.deployment.chain_id,
        "nonce": scenario["nonce"],
        "issued_at": service.services.now(),
        "more": "",
        **other,
    }
    said["issued_at"] = at(said["issued_at"])
    return (
        "{domain} wants you to sign in with your Ethereum account:\n{account}\n\n\n"
        "URI: {uri}\nVersion: {version}\nChain ID: {chain_id}\nNonce: {nonce}\n"
        "Issued At: {issued_at}{more}"
    ).format(**said)


def at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def give(client: TestClient, text: str, account: LocalAccount = ARTIST) -> Any:
    return client.post("/v1/sessions", json={"message": text, "signature": signed(account, text)})


def test_the_challenge_says_in_plain_words_what_is_signed(client: TestClient) -> None:
    scenario = client.post("/v1/sessions/challenges", json={"account": ARTIST.address.lower()})
    assert scenario.status_code == 201
    assert scenario.headers["cache-control"] == "no-store"
    said = scenario.json()
    message = SignInMessage.parse(said["message"])
    assert message.account == ARTIST.address
    assert message.nonce == said["nonce"]
    assert len(said["nonce"]) == 32
    assert message.expires_at == said["expires_at"] == message.issued_at + 600
    assert message.statement is not None
    assert "costs nothing" in message.statement


def test_who_signs_the_challenge_is_signed_in_until_they_sign_out(client: TestClient) -> None:
    made = sign_in(client, ARTIST)
    assert made["account"] == ARTIST.address
    token = bearer(made["token"])
    current = client.get("/v1/sessions/current", headers=token)
    assert current.status_code == 200
    assert current.json() == {key: made[key] for key in ("account", "expires_at", "roles")}
    assert client.post("/change", headers=token).json() == {"account": ARTIST.address}
    assert client.delete("/v1/sessions/current", headers=token).status_code == 204
    refused = client.get("/v1/sessions/current", headers=token)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_wallet_may_write_the_text_itself(client: TestClient, service: Service) -> None:
    assert give(client, written(client, service)).status_code == 201


def test_a_nonce_is_good_for_one_session(client: TestClient, service: Service) -> None:
    text = written(client, service)
    assert give(client, text).status_code == 201
    again = give(client, text)
    assert again.status_code == 401
    assert again.json()["field"] == "message.nonce"


def test_of_many_who_use_one_nonce_at_once_one_is_signed_in(
    client: TestClient, service: Service
) -> None:
    text = written(client, service)
    start = threading.Barrier(8)
    answers: list[int] = []

    def go() -> None:
        start.wait(timeout=10)
        answers.append(give(client, text).status_code)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(answers) == [201] + [401] * 7
    with service.services.service_db.reading() as session:
        assert len(session.scalars(select(Session)).all()) == 1


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"domain": "evil.example"}, "message.domain"),
        ({"domain": "127.0.0.1"}, "message.domain"),
        ({"domain": "https://127.0.0.1:8450"}, "message.scheme"),
        ({"uri": "http://127.0.0.1:8451"}, "message.uri"),
        ({"uri": "https://127.0.0.1:8450"}, "message.uri"),
        ({"uri": "http://[/"}, "message.uri"),
        ({"version": "2"}, "message.version"),
        ({"chain_id": 1}, "message.chain_id"),
        ({"nonce": "0123456789abcdef"}, "message.nonce"),
        ({"account": ARTIST.address.lower()}, "message.account"),
        ({"account": LABEL.address}, "signature"),
    ],
)
def test_a_text_for_another_place_is_refused_by_name(
    client: TestClient, service: Service, other: dict[str, Any], field: str
) -> None:
    refused = give(client, written(client, service, **other))
    assert refused.status_code == 401
    assert refused.json()["field"] == field
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("issued", "more", "field"),
    [
        (61, "", "message.issued_at"),
        (-661, "", "message.issued_at"),
        (0, "\nExpiration Time: {now}", "message.expiration_time"),
        (0, "\nNot Before: {next}", "message.not_before"),
    ],
)
def test_a_text_for_another_time_is_refused_by_name(
    client: TestClient, service: Service, issued: int, more: str, field: str
) -> None:
    now = service.services.now()
    moments = {"now": at(now), "next": at(now + 1)}
    text = written(client, service, issued_at=now + issued, more=more.format(**moments))
    refused = give(client, text)
    assert refused.status_code == 401
    assert refused.json()["field"] == field


def test_a_text_at_the_edge_of_its_time_is_taken(client: TestClient, service: Service) -> None:
    now = service.services.now()
    more = f"\nExpiration Time: {at(now + 1)}\nNot Before: {at(now)}"
    assert give(client, written(client, service, more=more)).status_code == 201


def test_a_nonce_expires(client: TestClient, service: Service) -> None:
    text = written(client, service)
    service.clock.seconds += 600
    refused = give(client, text)
    assert refused.status_code == 401
    assert refused.json()["field"] == "message.nonce"
    client.get("/v1/sessions/nonce")
    with service.services.service_db.reading() as session:
        assert len(session.scalars(select(SignInNonce)).all()) == 1, "the old one is swept"


def test_a_session_expires(client: TestClient, service: Service) -> None:
    made = sign_in(client, ARTIST)
    service.clock.seconds = made["expires_at"] - 1
    assert client.get("/v1/sessions/current", headers=bearer(made["token"])).status_code == 200
    service.clock.seconds = made["expires_at"]
    assert client.get("/v1/sessions/current", headers=bearer(made["token"])).status_code == 401
    client.get("/v1/sessions/nonce")
    with service.services.service_db.reading() as session:
        assert session.scalars(select(Session)).all() == [], "it is swept"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "hello", "signature": "0x"}, "message"),
        ({"message": "hello", "signature": "1f"}, "signature"),
        ({"signature": "0x"}, "message"),
        ({"message": "x" * 4_001, "signature": "0x"}, "message"),
        ({"message": "hello", "signature": "0x", "account": "me"}, "account"),
    ],
)
def test_what_is_malformed_is_refused_by_field(
    client: TestClient, body: dict[str, Any], field: str
) -> None:
    refused = client.post("/v1/sessions", json=body)
    assert refused.status_code == 422
    assert refused.json()["field"] == field


def test_a_high_s_signature_is_refused(client: TestClient, service: Service) -> None:
    text = written(client, service)
    raw = bytes.fromhex(signed(ARTIST, text)[2:])
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    high = order - int.from_bytes(raw[32:64], "big")
    other = raw[:32] + high.to_bytes(32, "big") + bytes([55 - raw[64]])
    refused = client.post("/v1/sessions", json={"message": text, "signature": "0x" + other.hex()})
    assert refused.status_code == 401
    assert refused.json()["field"] == "signature"


def test_a_contract_account_signs_in_by_its_own_word(
    client: TestClient, wallet: tuple[str, LocalAccount]
) -> None:
    address, key = wallet
    assert sign_in(client, key, address=address)["account"] == address
    scenario = client.post("/v1/sessions/challenges", json={"account": address}).json()
    refused = client.post(
        "/v1/sessions",
        json={"message": scenario["message"], "signature": signed(STRANGER, scenario["message"])},
    )
    assert refused.status_code == 401
    assert refused.json()["field"] == "signature"


def test_the_chain_says_what_an_account_is(client: TestClient, scenario: Scenario) -> None:
    # The story: the artist owns licence 1 and is paid by split 1; the label by splits 2 and 3.
    assert sign_in(client, ARTIST)["roles"] == {
        "licenses_owned": 1,
        "operator_for": {"count": 0, "owners": []},
        "payee_of_splits": 1,
        "platforms": [],
    }
    label = sign_in(client, LABEL)["roles"]
    assert (label["licenses_owned"], label["payee_of_splits"]) == (0, 2)
    admin = sign_in(client, METERED_PLATFORM.admin)["roles"]
    assert admin["platforms"] == [{"platform_id": scenario.rich, "role": "admin"}]
    reporter = sign_in(client, METERED_PLATFORM.reporter)["roles"]
    assert reporter["platforms"] == [{"platform_id": scenario.rich, "role": "reporter"}]


# ---- the cookie


def with_cookie(client: TestClient, token: str) -> dict[str, str]:
    return {"Cookie": f"other=1; obbligato_session={token}"}


def test_signing_in_sets_a_cookie_that_scripts_cannot_read(
    service: Service, client: TestClient
) -> None:
    plain = give(client, written(client, service)).headers["set-cookie"]
    parts = {part.strip().lower() for part in plain.split(";")}
    assert {"httponly", "path=/", "samesite=lax"} <= parts
    assert "secure" not in parts
    secure = service.client(public_url="https://obbligato.example")
    scenario = secure.post("/v1/sessions/challenges", json={"account": ARTIST.address}).json()
    given = {"message": scenario["message"], "signature": signed(ARTIST, scenario["message"])}
    made = secure.post("/v1/sessions", json=given)
    assert "secure" in made.headers["set-cookie"].lower()
    assert made.headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8450"}, 200),
        ({"Origin": "https://app.example"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
def test_a_cookie_changes_things_only_from_pages_of_ours(
    service: Service, headers: dict[str, str], status: int
) -> None:
    client = service.client(origins=("https://app.example",))
    cookie = with_cookie(client, sign_in(client, ARTIST)["token"])
    answer = client.post("/change", headers={**cookie, **headers})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["field"] == "Origin"
    assert client.get("/public", headers={**cookie, **headers}).json() == {
        "account": ARTIST.address
    }


def test_an_old_cookie_is_nobodys(client: TestClient) -> None:
    cookie = with_cookie(client, "obs_gone")
    assert client.get("/public", headers=cookie).json() == {"account": None}
    assert client.post("/change", headers=cookie).status_code == 401


def test_another_sites_page_cannot_sign_its_visitors_in(
    client: TestClient, service: Service
) -> None:
    text = written(client, service)
    given = {"message": text, "signature": signed(ARTIST, text)}
    refused = client.post("/v1/sessions", json=given, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "header", ["Bearer obs_x", "Bearer obk_x", "Bearer", "", "Basic YTpi", "Bearer " + "obs_" * 999]
)
def test_a_bad_authorization_is_never_nobodys(client: TestClient, header: str) -> None:
    refused = client.get("/public", headers={"Authorization": header})
    assert refused.status_code == 401
    assert refused.json()["field"] == "Authorization"


def test_only_digests_of_tokens_are_kept(client: TestClient, service: Service) -> None:
    token = sign_in(client, ARTIST)["token"]
    with service.services.service_db.reading() as session:
        kept = session.scalars(select(Session)).one()
        rows = [str(vars(kept)), str(kept.token_digest)]
    assert not any(token in row or token[4:] in row for row in rows)
