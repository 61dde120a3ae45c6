"""Platforms, reports, disputes and grants as the API tells of them: against the contracts and the story's sums."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.demo.cast import METERED_PLATFORM, POOL_PLATFORM
from tests.backend.reading.conftest import MODEL_ASKED, Api, ReadingEnv, walked
from tests.onchain import ARTIST, DUO, LABEL, PRODUCER, STRANGER, UNIT
from tests.scenario import MODEL, OTHER_MODEL

LISTS = [
    "/v1/platforms",
    "/v1/platforms/1/streams",
    "/v1/reports",
    "/v1/challenges",
    "/v1/rival-claims",
    "/v1/grants",
    "/v1/grant-requests",
    "/v1/operators",
]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_the_same_in_pages_of_one(client: Api, path: str) -> None:
    whole = walked(client, path, 200)
    assert whole
    assert walked(client, path, 1) == whole


def test_both_databases_answer_the_same(reading_env: ReadingEnv) -> None:
    paths = [*LISTS, "/v1/status", "/v1/platforms/1", "/v1/platforms/2", "/v1/challenges/5"]
    for report in reading_env.clients["sqlite"].get("/v1/reports").json()["items"]:
        paths += [f"/v1/reports/{report['report_id']}{more}" for more in ("", "/rows")]
    for path in paths:
        answers = [each.get(path) for each in reading_env.clients.values()]
        assert answers[0].status_code == 200, path
        assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("platform_id", [1, 2, 3])
def test_escrow_is_as_the_vault_has_it(api: Api, reading_env: ReadingEnv, platform_id: int) -> None:
    found = api.get(f"/v1/platforms/{platform_id}").json()
    platform = reading_env.call("RoyaltyVault", "platformOf", platform_id)
    assert found["admin"] in platform
    escrow = found["escrow"]
    chain = list(reading_env.call("RoyaltyVault", "escrowOf", platform_id))
    assert int(escrow["available_units"]) == chain[0]
    assert int(escrow["thawing_units"]) in chain
    assert int(escrow["bond_units"]) in chain
    for each in escrow["reserved"]:
        module = reading_env.scenario.protocol.chain.deployment.address(each["module"])
        held = reading_env.call("RoyaltyVault", "reservedOf", module, platform_id)
        assert int(each["amount_units"]) == held
    for reporter in found["reporters"]:
        assert reading_env.call("RoyaltyVault", "isReporter", platform_id, reporter)


def test_the_record_of_a_platform_is_what_the_story_made_of_it(
    api: Api, reading_env: ReadingEnv
) -> None:
    rich, poor = (api.get(f"/v1/platforms/{each}").json() for each in (1, 2))
    assert rich["state"] == "closed"
    assert rich["record"]["reports"] == {
        "unfunded": 0,
        # The zero statement, which nobody settles.
        "pending": rich["record"]["reports"]["pending"],
        "settled": rich["record"]["reports"]["settled"],
        "zero_statements": 1,
    }
    assert sum(rich["record"]["reports"][each] for each in ("pending", "settled")) == 3
    # Of licences 1, 2 and 3: 33 600 000 + 720 000 + 493 840 + 1 200 000, and the pool of 1 000 003.
    assert rich["record"]["paid_units"] == str(
        33_600_000 + 720_000 + 493_840 + 1_200_000 + 1_000_003
    )
    contested = rich["record"]["contested"]
    # Challenges 1 to 4 and 6; 4 and 6 are of one row.
    assert contested["rows"] == 4
    outcomes = {
        name: contested[name] for name in ("open", "upheld", "dismissed", "drawn", "lapsed")
    }
    assert outcomes == {"open": 1, "upheld": 2, "dismissed": 0, "drawn": 1, "lapsed": 1}
    assert poor["record"]["paid_units"] == str(1_200_000_000 + 240_000)
    assert poor["record"]["contested"]["arrears_units"] == "0"
    _, _, covered = reading_env.call("UsageOracle", "streamOf", 2, MODEL)
    assert poor["record"]["longest_behind_seconds"] == reading_env.head_time - covered


def test_streams_reach_as_far_as_the_oracle_says(api: Api, reading_env: ReadingEnv) -> None:
    streams = walked(api, "/v1/platforms/1/streams", 200)
    assert {each["model_id"] for each in streams} == {"0x" + MODEL.hex(), "0x" + OTHER_MODEL.hex()}
    for each in streams:
        model = bytes.fromhex(each["model_id"][2:])
        last, sequence, covered = reading_env.call("UsageOracle", "streamOf", 1, model)
        assert each["last_report_id"] == "0x" + bytes(last).hex()
        assert (each["sequence"], each["covered_until"]) == (sequence, covered)
        assert each["behind_seconds"] == reading_env.head_time - covered


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"platform_id": 2}, [4, 3]),
        ({"model_id": "0x" + OTHER_MODEL.hex()}, [4, 2]),
        ({"platform_id": 1, "model_id": "0x" + MODEL.hex()}, [5, 1]),
        ({"license_id": 2}, [2, 1]),
        ({"license_id": 5}, [6]),
        ({"license_id": 1, "platform_id": 2}, [4, 3]),
        ({"state": "unfunded"}, []),
        ({"platform_id": 9}, []),
    ],
)
def test_reports_are_narrowed(client: Api, asked: dict[str, Any], expected: list[int]) -> None:
    for limit in (1, 200):
        found = walked(client, "/v1/reports", limit, **asked)
        assert [each["number"] for each in found] == expected


def test_a_report_is_what_was_signed(api: Api, reading_env: ReadingEnv) -> None:
    for report in [*reading_env.scenario.reports, reading_env.corrected]:
        found = api.get(f"/v1/reports/0x{report.report_id.hex()}").json()
        header = report.header
        assert found["platform_id"] == header.platform_id
        assert found["model_id"] == "0x" + header.model_id.hex()
        assert (found["sequence"], found["attempt"]) == (header.sequence, header.attempt)
        assert (found["period_start"], found["period_end"]) == (
            header.period_start,
            header.period_end,
        )
        assert found["total_units"] == str(header.total)
        assert found["rows_digest"] == "0x" + header.rows_digest.hex()
        assert found["row_count"] == len(report.rows)
        held = reading_env.call("UsageOracle", "isHeld", report.report_id, 0)
        assert (0 in found["held_rows"]) == held


def test_rows_are_as_submitted_and_as_rulings_left_them(
    client: Api, reading_env: ReadingEnv
) -> None:
    for report in [*reading_env.scenario.reports, reading_env.corrected]:
        path = f"/v1/reports/0x{report.report_id.hex()}/rows"
        rows = walked(client, path, 200)
        assert walked(client, path, 1) == rows
        assert [int(each["quantity"]) for each in rows] == [row.quantity for row in report.rows]
        for row, found in zip(report.rows, rows, strict=True):
            record = reading_env.call(
                "Disputes",
                "rowRecordOf",
                report.report_id,
                row.license_id,
                int(row.tier),
                int(row.metric),
            )
            standing = (int(found["standing_quantity"]), int(found["standing_units"]))
            if True in record:
                assert set(standing) <= set(record)
            else:
                assert standing == (int(found["quantity"]), int(found["amount_units"]))


def test_the_first_report_is_worth_what_was_ruled(api: Api, reading_env: ReadingEnv) -> None:
    path = f"/v1/reports/0x{reading_env.scenario.reports[0].report_id.hex()}/rows"
    rows = walked(api, path, 200)
    found = [(each["license_id"], each["metric"], int(each["standing_units"])) for each in rows]
    assert found == [
        (1, "GENERATION", 33_600_000),
        (2, "GENERATION", 720_000),
        (2, "PLAYBACK", 493_840),
        (3, "GENERATION", 1_200_000),
    ]
    assert [each["held"] for each in rows] == [False, True, False, False]
    outcomes = [[ruling["outcome"] for ruling in each["challenges"]] for each in rows]
    assert outcomes == [["upheld"], ["upheld"], ["drawn"], []]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"license_id": 2}, [3, 1]),
        ({"platform_id": 2}, [5]),
        ({"challenger": ARTIST.address}, [7, 6, 5, 2]),
        ({"state": "open"}, [7, 6]),
        ({"state": "lapsed"}, [4]),
        ({"challenger": ARTIST.address, "platform_id": 1}, [6, 2]),
    ],
)
def test_challenges_are_narrowed(client: Api, asked: dict[str, Any], expected: list[int]) -> None:
    for limit in (1, 200):
        found = walked(client, "/v1/challenges", limit, **asked)
        assert [each["challenge_id"] for each in found] == expected


def test_a_challenge_of_a_report_is_found_by_it(api: Api, reading_env: ReadingEnv) -> None:
    report_id = "0x" + reading_env.corrected.report_id.hex()
    (found,) = walked(api, "/v1/challenges", 200, report_id=report_id)
    assert found == api.get("/v1/challenges/7").json()
    assert found["claimed_quantity"] == str(9 * UNIT)
    assert found["reported_quantity"] == str(2 * UNIT)
    assert found["outcome"] == "open"
    assert found["ruled_units"] is None


def test_rival_claims_say_how_they_ended(client: Api) -> None:
    found = walked(client, "/v1/rival-claims", 200)
    assert [(each["license_id"], each["state"], each["upheld"]) for each in found] == [
        (7, "open", None),
        (4, "ruled", True),
        (2, "ruled", False),
    ]
    assert walked(client, "/v1/rival-claims", 1, state="open") == found[:1]
    assert walked(client, "/v1/rival-claims", 1, license_id=4) == found[1:2]


def test_grants_are_in_force_in_their_time(client: Api) -> None:
    (grant,) = walked(client, "/v1/grants", 200)
    assert (grant["license_id"], grant["platform_id"]) == (3, 1)
    assert grant["model_id"] == "0x" + MODEL.hex()
    assert grant["fee_units"] == str(150_000_000)
    for at, count in ((-1, 0), (0, 1)):
        moment = grant["start"] + at
        assert len(walked(client, "/v1/grants", 1, active_at=moment)) == count
        assert len(walked(client, "/v1/grants", 1, active_at=grant["end"] + at)) == 1 - count
    assert walked(client, "/v1/grants", 1, license_id=1) == []
    assert walked(client, "/v1/grants", 1, platform_id=2) == []


def test_requests_for_grants_reach_the_owner(client: Api) -> None:
    (found,) = walked(client, "/v1/grant-requests", 200, owner=PRODUCER.address, open="true")
    assert (found["license_id"], found["tier"]) == (14, "STYLE")
    assert found["model_id"] == "0x" + MODEL_ASKED.hex()
    assert (found["fee_units"], found["approved_by"]) == ("7000000", None)
    assert walked(client, "/v1/grant-requests", 200, owner=ARTIST.address) == []
    assert walked(client, "/v1/grant-requests", 200, platform_id=2, license_id=14) == [found]


def test_operators_are_those_the_owner_approved(client: Api, reading_env: ReadingEnv) -> None:
    found = walked(client, "/v1/operators", 200, owner=STRANGER.address)
    approved = {each["operator"]: each["approved"] for each in found}
    assert approved == {DUO.address: True, LABEL.address: False}
    for operator, is_approved in approved.items():
        assert is_approved == reading_env.call(
            "LicenseRegistry", "isApprovedForAll", STRANGER.address, operator
        )
    active = walked(client, "/v1/operators", 1, operator=DUO.address, approved="true")
    assert [each["owner"] for each in active] == [STRANGER.address]


def test_the_status_is_that_of_the_deployment(api: Api, reading_env: ReadingEnv) -> None:
    found = api.get("/v1/status").json()
    deployment = reading_env.scenario.protocol.chain.deployment
    assert found["chain_id"] == deployment.chain_id
    assert found["contracts"] == {name: deployment.address(name) for name in deployment.contracts}
    assert (found["token"], found["deployment_block"]) == (deployment.token, deployment.block)
    head = reading_env.scenario.protocol.chain.web3.eth.get_block("latest")
    assert (found["head_number"], found["head_time"]) == (head["number"], head["timestamp"])
    assert found["final_number"] == head["number"] - 3
    assert found["paused_until"] is None
    assert found["counts"] == {
        "licenses": reading_env.call("LicenseRegistry", "licenseCount"),
        "terms": reading_env.call("LicenseRegistry", "termsCount"),
        "splits": reading_env.call("RoyaltyVault", "splitCount"),
        "platforms": reading_env.call("RoyaltyVault", "platformCount"),
        "reports": 6,
        "challenges": reading_env.call("Disputes", "challengeCount"),
        "rival_claims": reading_env.call("Disputes", "claimCount"),
        "missing_documents": 1,
    }


def test_platforms_are_listed_in_the_order_of_their_registration(api: Api) -> None:
    admins = [each["admin"] for each in walked(api, "/v1/platforms", 200)]
    assert admins == [METERED_PLATFORM.admin.address, POOL_PLATFORM.admin.address, LABEL.address]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/platforms/0", "platform_id"),
        ("/v1/platforms?cursor=x", "cursor"),
        ("/v1/platforms/1/streams?cursor=WyJ6eiJd", "cursor"),
        ("/v1/reports?platform_id=0", "platform_id"),
        ("/v1/reports?model_id=0x", "model_id"),
        ("/v1/reports?state=lost", "state"),
        ("/v1/reports/12", "report_id"),
        ("/v1/reports/0x12/rows", "report_id"),
        ("/v1/challenges?challenger=me", "challenger"),
        ("/v1/challenges?license_id=99999999999999999999", "license_id"),
        ("/v1/challenges/x", "challenge_id"),
        ("/v1/rival-claims?state=maybe", "state"),
        ("/v1/grants?active_at=-1", "active_at"),
        ("/v1/grants?cursor=WzFd", "cursor"),
        ("/v1/grant-requests?open=perhaps", "open"),
        ("/v1/operators?owner=0x0", "owner"),
    ],
)
def test_what_cannot_be_meant_names_its_field(client: Api, path: str, field: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    "path",
    [
        "/v1/platforms/9",
        "/v1/platforms/9/streams",
        "/v1/reports/0x" + "12" * 32,
        "/v1/reports/0x" + "12" * 32 + "/rows",
        "/v1/challenges/99",
    ],
)
def test_what_is_not_there_is_not_found(client: Api, path: str) -> None:
    assert client.get(path).status_code == 404
