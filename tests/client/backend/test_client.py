"""The client over HTTP: what it sends, what it sends again, and how a no reads."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from obbligato.client.backend import BackendClient
from obbligato.client.errors import ActRefused, BackendProblem, BackendUnreachable, StillWaiting
from obbligato.client.transport import ATTEMPTS
from obbligato.documents.terms_input import terms_from
from obbligato.errors import InputError
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import MintRequest
from obbligato.schemas.backend import ActResponse
from tests.client.backend.conftest import DEPLOYMENT, RECORDING, SIGNER, FakeBackend, problem

REQUEST = MintRequest.of(RECORDING, terms_from({"preset": "no-ai"}))


def says(status: int, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, headers=headers)


def breaks(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("broke off", request=request)


def test_it_signs_in_once_and_again_where_the_session_ended(
    client: BackendClient, fake: FakeBackend
) -> None:
    client.prepare(REQUEST)
    client.prepare(REQUEST)
    assert fake.sessions == 1
    fake.sessions = 5  # the token is of another session now
    client.prepare(REQUEST)
    assert fake.sessions == 6


def test_a_sign_in_for_another_site_is_not_signed(client: BackendClient, fake: FakeBackend) -> None:
    fake.host = "bank.example"
    with pytest.raises(ActRefused, match=r"for bank\.example, not for music\.example"):
        client.sign_in()
    assert [request.url.path for request in fake.requests] == ["/v1/sessions/challenges"]


def test_the_token_is_in_no_text_of_a_session(client: BackendClient) -> None:
    session = client.sign_in()
    assert session.token not in repr(session)


def test_preparing_is_sent_again_with_the_same_key_and_prepared_once(
    client: BackendClient, fake: FakeBackend, pauses: list[float]
) -> None:
    client.sign_in()
    fake.first = [breaks, says(503)]
    client.prepare(REQUEST)
    keys = [r.headers["Idempotency-Key"] for r in fake.requests if r.url.path == "/v1/acts/mint"]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(pauses) == 2
    assert len(fake.acts) == 1


def test_the_pause_that_a_429_asks_for_is_kept(
    client: BackendClient, fake: FakeBackend, pauses: list[float]
) -> None:
    fake.first = [says(429, **{"Retry-After": "7"})]
    client.sign_in()
    assert pauses == [7.0]


def test_what_is_not_harmless_is_not_sent_again(client: BackendClient, fake: FakeBackend) -> None:
    fake.first = [lambda r: fake.__class__()(r), breaks]  # the challenge, then nothing
    with pytest.raises(BackendUnreachable, match=r"music\.example cannot be reached"):
        client.sign_in()
    assert len(fake.requests) == 2


def test_it_gives_up_after_some_attempts(
    client: BackendClient, fake: FakeBackend, pauses: list[float]
) -> None:
    fake.first = [breaks] * ATTEMPTS
    with pytest.raises(BackendUnreachable, match="try again later"):
        client.act("ab" * 16)
    assert len(pauses) == ATTEMPTS - 1


def test_a_no_names_the_field_and_the_reason(client: BackendClient, fake: FakeBackend) -> None:
    client.sign_in()
    detail = "isrc: 'US-UG1' is not an ISRC"
    fake.first = [lambda _: problem(422, "The input is wrong", detail, field="isrc")]
    with pytest.raises(BackendProblem) as raised:
        client.prepare(REQUEST)
    assert (raised.value.status, raised.value.field) == (422, "isrc")
    assert str(raised.value) == f"the backend answered 422: {detail}"


def test_what_is_no_backend_is_said_to_be_none(client: BackendClient, fake: FakeBackend) -> None:
    fake.first = [lambda _: httpx.Response(200, text="<html>")]
    with pytest.raises(BackendUnreachable, match="did not answer as a backend does"):
        client.license(1)
    fake.first = [lambda _: httpx.Response(404, text="<html>")]
    with pytest.raises(BackendProblem, match="is it a backend"):
        client.license(1)
    fake.first = [lambda _: httpx.Response(200, json={"id": "x"})]
    with pytest.raises(BackendUnreachable, match="kind: Field required"):
        client.act("ab" * 16)


def shown(
    act: ActResponse, state: str, **more: object
) -> Callable[[httpx.Request], httpx.Response]:
    body = {**json.loads(act.model_dump_json()), "state": state, **more}
    return lambda _: httpx.Response(200, json=body)


def test_waiting_ends_where_an_act_is_far_enough_has_failed_or_waits_for_people(
    client: BackendClient, fake: FakeBackend, pauses: list[float]
) -> None:
    act = client.prepare(REQUEST)
    fake.first = [shown(act, each) for each in ("signed", "sent", "confirmed", "final")]
    assert client.wait(act.id).state is ActState.FINAL
    assert pauses == [0.25, 0.375, 0.5625]
    fake.first = [shown(act, "sent"), shown(act, "confirmed")]
    assert client.wait(act.id, ActState.CONFIRMED).state is ActState.CONFIRMED
    why = {"title": "The chain refused it", "detail": "StaleDocument()", "error": "StaleDocument"}
    fake.first = [shown(act, "sent"), shown(act, "failed", problem=why)]
    failed = client.wait(act.id)
    assert failed.problem is not None
    assert failed.problem.error == "StaleDocument"
    fake.first = [shown(act, "inviting")]
    assert client.wait(act.id).state is ActState.INVITING


def test_waiting_ends_when_the_time_is_up(client: BackendClient, fake: FakeBackend) -> None:
    act = client.prepare(REQUEST)
    fake.first = [shown(act, "sent", waiting="no gas money")] * 20
    with pytest.raises(StillWaiting, match="is sent: no gas money"):
        client.wait(act.id, timeout_seconds=3)


@pytest.mark.parametrize(
    "url",
    ["ftp://music.example", "music.example", "https://music.example/v1", "http://music.example"],
)
def test_a_url_that_is_none_or_would_show_tokens_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        BackendClient(url, DEPLOYMENT, signer=SIGNER)


def test_without_a_key_nothing_is_signed(fake: FakeBackend) -> None:
    with BackendClient(
        "https://music.example", DEPLOYMENT, transport=httpx.MockTransport(fake)
    ) as client:
        with pytest.raises(InputError, match="open a keystore"):
            client.prepare(REQUEST)
        with pytest.raises(InputError, match="is not an id"):
            client.act("../sessions")
    assert fake.requests == []
