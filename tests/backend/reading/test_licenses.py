"""Licences as the API tells of them: against the contracts' own answers and the story."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import legal_text
from tests.backend.reading.conftest import APPROVED, ISRC, SHARED, Api, ReadingEnv, walked
from tests.onchain import ARTIST, BY_GRANT, COLD, DAY, DUO, LABEL, PRODUCER, STRANGER, UNIT
from tests.scenario import OPEN, RECEIVED, WIDER

ALL = list(range(1, 15))


def ids(client: Api, **asked: Any) -> list[int]:
    found = walked(client, "/v1/licenses", 200, order="oldest", **asked)
    return [each["license_id"] for each in found]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ALL),
        ({"isrc": ISRC}, [5, 6, 8]),
        ({"isrc": "aa-6q7-20-00047"}, [5, 6, 8]),
        ({"isrc": "AA6Q72000048"}, []),
        ({"title": "clair DE lune"}, [5, 6, 8]),
        ({"title": "AÇÃO"}, [5, 6, 8]),
        ({"title": "100%"}, [7]),
        ({"title": "%_"}, [7]),
        ({"title": "_"}, [7]),
        ({"artist": "trio norte"}, [5, 6, 8]),
        ({"artist": "[brack"}, [7]),
        ({"artist": 'Silva", "Trio'}, []),
        ({"owner": ARTIST.address}, [1, 5, 8]),
        ({"owner": ARTIST.address.lower()}, [1, 5, 8]),
        ({"owner": STRANGER.address}, [4, 13]),
        ({"payee": STRANGER.address}, [4, 10, 11, 12, 13]),
        ({"payee": LABEL.address}, [2, 3, 7]),
        ({"content": "0x" + SHARED.hex()}, [5, 7]),
        ({"tier": "STYLE"}, [14]),
        ({"tier": "ANALYSIS"}, [1]),
        ({"tier": "GENERATIVE"}, [1, 2, 5, 6, 7, 8, 9, 11, 12, 13]),
        ({"state": "ended"}, [3, 4, 10]),
        ({"state": "ending"}, [6]),
        ({"state": "not_yet"}, []),
        ({"state": "not_yet", "at": 0}, ALL),
        ({"tier": "GENERATIVE", "at": 0}, []),
        ({"rival_of": 5}, [6, 7]),
        ({"rival_of": 7}, [5]),
        ({"rival_of": 1}, []),
        ({"owner": ARTIST.address, "isrc": ISRC, "tier": "TRAINING"}, [5, 8]),
    ],
)
def test_lists_are_narrowed(client: Api, asked: dict[str, Any], expected: list[int]) -> None:
    assert ids(client, **asked) == expected


@pytest.mark.parametrize(
    "asked",
    [{}, {"order": "oldest"}, {"isrc": ISRC}, {"payee": STRANGER.address}, {"artist": "o"}],
)
def test_a_list_is_the_same_in_pages_of_one(client: Api, asked: dict[str, Any]) -> None:
    assert walked(client, "/v1/licenses", 1, **asked) == walked(
        client, "/v1/licenses", 200, **asked
    )


def test_both_databases_answer_the_same(reading_env: ReadingEnv) -> None:
    paths = ["/v1/licenses", "/v1/licenses/retired"]
    paths += [f"/v1/licenses/{each}{more}" for each in ALL for more in ("", "/history", "/consent")]
    for path in paths:
        answers = [each.get(path) for each in reading_env.clients.values()]
        assert answers[0].status_code == 200
        assert answers[0].json() == answers[1].json()


def test_the_newest_licence_comes_first_unless_asked_otherwise(client: Api) -> None:
    found = [each["license_id"] for each in walked(client, "/v1/licenses", 200)]
    assert found == ALL[::-1]


def test_licences_are_as_the_registry_has_them(api: Api, reading_env: ReadingEnv) -> None:
    now = reading_env.head_time
    for license_id in ALL:
        found = api.get(f"/v1/licenses/{license_id}").json()
        owner = reading_env.call("LicenseRegistry", "ownerOf", license_id)
        terms_id = reading_env.call("LicenseRegistry", "termsAt", license_id, now)
        document = bytes(reading_env.call("LicenseRegistry", "documentOf", license_id))
        assert found["owner"] == owner
        assert (found["terms_id"] or 0) == terms_id
        assert found["document"] == cid_from_digest(document)
        assert found["document_state"] == {11: "missing", 12: "invalid"}.get(license_id, "read")
        assert (found["state"] in ("in_force", "ending")) == bool(terms_id)
        if terms_id:
            assert found["term_ends_at"] == reading_env.call(
                "LicenseRegistry", "termEndOf", license_id
            )
        else:
            assert found["term_ends_at"] is None
            assert found["tiers"] == []
        received = reading_env.call("RoyaltyVault", "receivedOf", found["split_id"])
        assert found["split"]["received_units"] == str(received)


def test_a_licence_is_told_with_everything(api: Api, reading_env: ReadingEnv) -> None:
    found = api.get("/v1/licenses/1").json()
    assert found["state"] == "in_force"
    assert found["certainty"] == "final"
    assert (found["title"], found["artists"], found["isrc"]) == ("one", ["Somebody"], None)
    assert found["tiers"] == ["ANALYSIS", "TRAINING", "GENERATIVE"]
    assert found["content"] == "0x" + hashlib.sha256(b"one").hexdigest()
    assert [each["tiers"] for each in found["versions"]] == [
        ["TRAINING", "GENERATIVE"],
        ["ANALYSIS", "TRAINING", "GENERATIVE"],
    ]
    terms = found["terms"]
    assert terms["digest"] == "0x" + WIDER.digest().hex()
    assert terms["flags"] == ["POOL"]
    training = terms["tiers"][1]
    assert training["tier"] == "TRAINING"
    assert training["training_run_units"] == "2000000"
    assert training["generation_units"] is None
    assert training["playback_units"] == "1"
    assert "Only non-commercial use is allowed." in terms["in_words"]
    assert found["split"]["payees"] == [
        {"account": ARTIST.address, "share_ppm": 1_000_000, "role": "performer"}
    ]
    assert found["split"]["received_units"] == str(RECEIVED[1])
    assert found["rivals"] == []
    assert found["earliest_live"] == 1


def test_a_pending_amendment_is_shown_beside_the_terms_in_force(api: Api) -> None:
    found = api.get("/v1/licenses/9").json()
    assert found["terms"]["digest"] == "0x" + OPEN.digest().hex()
    assert found["pending"]["start"] == found["minted_at"] + 2 * 365 * DAY
    assert found["pending"]["start"] == found["term_ends_at"]
    assert found["pending"]["terms"]["digest"] == "0x" + APPROVED.digest().hex()
    assert found["pending"]["document"] != found["document"]
    assert found["certainty"] == "final"


def test_licences_that_allow_nothing_say_so_in_words(api: Api) -> None:
    found = api.get("/v1/licenses/4").json()
    assert found["voided"]
    assert found["state"] == "ended"
    assert found["terms"] is None
    terms_id = found["versions"][0]["terms_id"]
    assert "No use by AI is allowed." in api.get(f"/v1/terms/{terms_id}").json()["in_words"]


def test_rivals_are_licences_of_the_same_recording_under_another_owner(api: Api) -> None:
    found = api.get("/v1/licenses/5").json()
    assert [(r["license_id"], r["same_content"], r["same_isrc"]) for r in found["rivals"]] == [
        (6, False, True),
        (7, True, False),
    ]
    assert [r["state"] for r in found["rivals"]] == ["ending", "in_force"]
    assert found["earliest_live"] == 5
    assert api.get("/v1/licenses/7").json()["earliest_live"] == 5


def test_a_document_that_cannot_be_read_says_why(api: Api) -> None:
    missing, invalid = (api.get(f"/v1/licenses/{each}").json() for each in (11, 12))
    for found in (missing, invalid):
        assert found["title"] is None
        assert found["document_reason"]
    assert api.get("/v1/licenses/11/document").status_code == 404
    assert api.get("/v1/licenses/12/document").json() == {"type": "something else"}


def test_documents_and_legal_texts_are_the_bytes_of_their_digests(
    api: Api, reading_env: ReadingEnv
) -> None:
    answer = api.get("/v1/licenses/5/document")
    assert answer.headers["content-type"] == "application/json"
    assert hashlib.sha256(answer.content).digest() == bytes(
        reading_env.call("LicenseRegistry", "documentOf", 5)
    )
    assert answer.json()["recording"]["title"] == "Ação (Clair de Lune)"
    text = api.get("/v1/licenses/3/legal-text")  # it has ended: the text stays readable
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    terms_id = api.get("/v1/licenses/3").json()["versions"][0]["terms_id"]
    digest = bytes(reading_env.call("LicenseRegistry", "textDigestOf", terms_id))
    assert hashlib.sha256(text.content).digest() == digest
    assert api.get("/v1/licenses/9/legal-text").content == legal_text(OPEN)


def test_the_history_of_a_licence_is_what_happened_in_order(client: Api) -> None:
    path = "/v1/licenses/13/history"
    acts = walked(client, path, 200)
    assert [each["act"] for each in acts] == ["minted", "revoked", "reinstated", "transferred"]
    assert [each["account"] for each in acts] == [COLD.address, None, None, STRANGER.address]
    assert acts[1]["effective_at"] == acts[0]["happened_at"] + 365 * DAY
    assert walked(client, path, 1) == acts


def test_retired_licences_are_those_whose_consent_ends(
    client: Api, reading_env: ReadingEnv
) -> None:
    path = "/v1/licenses/retired"
    found = walked(client, path, 200)
    assert [(each["license_id"], each["reason"]) for each in found] == [
        (6, "revoked"),
        (10, "revoked"),
        (4, "voided"),
        (3, "revoked"),
    ]
    for each in found:
        chain = reading_env.call("LicenseRegistry", "licenseOf", each["license_id"])
        assert each["ends_at"] in chain
    assert walked(client, path, 1) == found
    assert walked(client, path, 1, after=found[1]["retired_at"]) == found[:1]
    assert walked(client, path, 200, after=found[0]["retired_at"]) == []


def test_a_split_lists_its_payees_in_the_order_of_the_contract(api: Api) -> None:
    found = api.get("/v1/splits/3").json()
    accounts = [int(payee["account"], 16) for payee in found["payees"]]
    assert accounts == sorted(accounts)
    shares = {payee["account"]: payee["share_ppm"] for payee in found["payees"]}
    assert shares == {
        BY_GRANT.address: 333_334,
        LABEL.address: 333_333,
        PRODUCER.address: 333_333,
    }
    assert sum(shares.values()) == UNIT


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/licenses?isrc=nonsense", "isrc"),
        ("/v1/licenses?owner=0x12", "owner"),
        ("/v1/licenses?payee=" + DUO.address[:-1] + "é", "payee"),
        ("/v1/licenses?content=0x12", "content"),
        ("/v1/licenses?tier=EVERYTHING", "tier"),
        ("/v1/licenses?state=asleep", "state"),
        ("/v1/licenses?at=-1", "at"),
        ("/v1/licenses?at=99999999999999999999", "at"),
        ("/v1/licenses?title=a%00b", "title"),
        ("/v1/licenses?artist=", "artist"),
        ("/v1/licenses?limit=0", "limit"),
        ("/v1/licenses?limit=201", "limit"),
        ("/v1/licenses?cursor=abc", "cursor"),
        ("/v1/licenses?order=price", "order"),
        ("/v1/licenses?rival_of=0", "rival_of"),
        ("/v1/licenses/retired?after=x", "after"),
        ("/v1/licenses/retired?cursor=WzFd", "cursor"),
        ("/v1/licenses/0", "license_id"),
        ("/v1/licenses/4294967296", "license_id"),
        ("/v1/licenses/99999999999999999999999", "license_id"),
        ("/v1/terms/-1", "terms_id"),
        ("/v1/splits/x", "split_id"),
    ],
)
def test_what_cannot_be_meant_names_its_field(client: Api, path: str, field: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    "path",
    [
        "/v1/licenses/4294967295",
        "/v1/licenses/99/history",
        "/v1/licenses/99/document",
        "/v1/licenses/99/legal-text",
        "/v1/licenses?rival_of=99",
        "/v1/terms/99",
        "/v1/splits/99",
    ],
)
def test_what_is_not_there_is_not_found(client: Api, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/v1/licenses", "/v1/licenses/1", "/v1/licenses/1/consent", "/v1/terms/1"]
)
def test_an_answer_of_the_index_is_not_sent_twice(api: Api, path: str) -> None:
    etag = api.get(path).headers["etag"]
    again = api.get(path, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
