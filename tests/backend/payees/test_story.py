"""Payees' money over the story: against its hand-worked sums, and against what the vault answers."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from pypdf import PdfReader

from tests.onchain import ARTIST, BY_GRANT, COLD, DUO, LABEL, PRODUCER, STRANGER, UNIT
from tests.scenario import RECEIVED, Scenario

EARNED: dict[str, int] = {
    ARTIST.address: 1_234_140_000,  # all of split 1
    DUO.address: 2_868_997,  # 65 % of 4 413 843: 2 868 997.95
    # 35 % of it: 1 544 845.05; 33.3333 % of 151 200 000: 50 399 949.6
    LABEL.address: 1_544_845 + 50_399_949,
    BY_GRANT.address: 50_400_100,  # 33.3334 % of 151 200 000: 50 400 100.8
    PRODUCER.address: 50_399_949,
    STRANGER.address: 0,
    COLD.address: 0,
}
"""By payee: each split is floored by itself. The last is no payee at all."""
SPLITS: dict[str, list[int]] = {ARTIST.address: [1], DUO.address: [2], LABEL.address: [2, 3]}
SPLITS |= {BY_GRANT.address: [3], PRODUCER.address: [3], STRANGER.address: [4], COLD.address: []}


def read(client: TestClient, path: str, **asked: Any) -> Any:
    answer = client.get(f"/v1/payees/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def all_items(client: TestClient, path: str, **asked: Any) -> list[Any]:
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = read(client, path, **asked, **cursor)
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def statements(client: TestClient, account: str) -> list[Any]:
    months = read(client, f"{account}/statements")["items"]
    return [read(client, f"{account}/statements/{each['month']}.json") for each in months]


@pytest.mark.parametrize("account", EARNED)
def test_a_balance_is_what_the_vault_would_pay(
    story_client: TestClient, scenario: Scenario, account: str
) -> None:
    found = read(story_client, account)
    chain = scenario.protocol.chain
    assert found["claimable_units"] == str(
        chain.call("RoyaltyVault", "claimable", account, SPLITS[account])
    )
    assert found["entitled_units"] == str(EARNED[account])
    assert [each["split_id"] for each in found["splits"]] == SPLITS[account]
    assert {each["split_id"]: each["received_units"] for each in found["splits"]} == {
        split_id: str(RECEIVED[split_id]) for split_id in SPLITS[account]
    }
    assert (found["pending_units"], found["held_units"]) == ("0", "0")


def test_a_balance_names_the_share_the_role_and_where_claims_go(story_client: TestClient) -> None:
    found = read(story_client, LABEL.address)
    assert found["recipient"] == COLD.address
    assert found["paid_units"] == str(EARNED[LABEL.address])
    assert [
        (each["share_ppm"], each["role"], each["licenses"], each["claimable_units"])
        for each in found["splits"]
    ] == [(350_000, "performer", 1, "0"), (333_333, "performer", 1, "0")]


@pytest.mark.parametrize("account", EARNED)
@pytest.mark.parametrize("by", [[], ["month"], ["license_id", "tier", "source"], ["model_id"]])
def test_earnings_of_all_pages_sum_to_the_entitlement(
    story_client: TestClient, account: str, by: list[str]
) -> None:
    found = all_items(story_client, f"{account}/earnings", by=by, limit=1)
    assert sum(int(each["amount_units"]) for each in found) == EARNED[account]
    keys = [tuple(each[name] for name in by) for each in found]
    assert len(set(keys)) == len(keys)


def test_earnings_are_narrowed_to_what_was_asked_for(
    story_client: TestClient, scenario: Scenario
) -> None:
    path = f"{ARTIST.address}/earnings"
    found = read(story_client, path, platform_id=scenario.poor, by=["tier", "metric"])["items"]
    # 500 000 by the ruling and 100 of the report that was funded late
    assert [(e["tier"], e["metric"], e["amount_units"], e["quantity"]) for e in found] == [
        ("GENERATIVE", "GENERATION", "1200240000", str(500_100 * UNIT))
    ]
    pool = read(story_client, path, metric="PLAYBACK", tier="TRAINING")["items"]
    assert [each["amount_units"] for each in pool] == ["300000"]
    assert read(story_client, path, from_month="2001-01", to_month="2001-02")["items"] == []


@pytest.mark.parametrize("account", EARNED)
def test_credits_come_newest_first_page_by_page(story_client: TestClient, account: str) -> None:
    found = all_items(story_client, f"{account}/credits", limit=2)
    assert found == read(story_client, f"{account}/credits", limit=200)["items"]
    assert sum(int(each["amount_units"]) for each in found) == EARNED[account]
    blocks = [each["block_number"] for each in found]
    assert blocks == sorted(blocks, reverse=True)


def test_a_credit_names_its_recording_and_its_price(
    story_client: TestClient, scenario: Scenario
) -> None:
    found = read(story_client, f"{BY_GRANT.address}/credits")["items"]
    metered, grant = sorted(found, key=lambda each: str(each["source"]), reverse=True)
    assert (metered["source"], metered["title"], metered["artists"]) == (
        "report",
        "three",
        ["Somebody"],
    )
    assert (metered["rate_units"], metered["quantity"]) == ("1200", str(1_000 * UNIT))
    assert metered["report_id"] == "0x" + scenario.reports[0].report_id.hex()
    assert (grant["source"], grant["rate_units"], grant["report_id"]) == ("grant", None, None)
    assert grant["credited_units"] == "150000000"
    rates = {
        (each["metric"], each["rate_units"])
        for each in read(story_client, f"{DUO.address}/credits")["items"]
    }
    # Of the meter 2 400 and 40; the pool (playbacks) and the bond (no metric) have none.
    assert rates == {("GENERATION", "2400"), ("PLAYBACK", "40"), ("PLAYBACK", None), (None, None)}


def test_payments_say_where_the_money_went(story_client: TestClient, scenario: Scenario) -> None:
    found = all_items(story_client, f"{ARTIST.address}/payments", limit=1)
    vault = scenario.protocol.chain.deployment.address("RoyaltyVault")
    assert [(each["recipient"], each["posted_as_bond"]) for each in found] == [
        (COLD.address, False),
        (vault, True),
    ]


@pytest.mark.parametrize("account", EARNED)
def test_all_statements_sum_to_what_was_earned_and_close_with_what_the_vault_owes(
    story_client: TestClient, scenario: Scenario, account: str
) -> None:
    found = statements(story_client, account)
    heads = [each["statement"] for each in found]
    assert sum(int(head["earned_units"]) for head in heads) == EARNED[account]
    for each in found:
        lines = sum(int(line["amount_units"]) for line in each["lines"])
        assert lines == int(each["statement"]["earned_units"])
    for later, earlier in pairwise(heads):
        assert later["opening_units"] == earlier["closing_units"]
    claimable = scenario.protocol.chain.call("RoyaltyVault", "claimable", account, SPLITS[account])
    assert int(heads[0]["closing_units"] if heads else "0") == claimable
    months = read(story_client, f"{account}/statements")["items"]
    for month, head in zip(months, heads, strict=True):
        assert {name: head[name] for name in month if name != "credits"} == {
            name: value for name, value in month.items() if name != "credits"
        }
        assert month["credits"] == head["lines"]


def test_a_statement_counts_refunds_and_bonds_by_themselves(story_client: TestClient) -> None:
    heads = [each["statement"] for each in statements(story_client, ARTIST.address)]

    def total(name: str) -> int:
        return sum(int(head[name]) for head in heads)

    # 93 570 000 of bonds came back and were won, 2.5 dollars were posted out of credit.
    assert (total("refunds_units"), total("bonds_units")) == (93_570_000, 2_500_000)
    assert total("paid_units") == 1_234_140_000 + 93_570_000 - 2_500_000


def test_every_format_of_a_statement_has_the_same_lines(story_client: TestClient) -> None:
    for each in statements(story_client, DUO.address):
        path = f"/v1/payees/{DUO.address}/statements/{each['statement']['month']}"
        answer = story_client.get(f"{path}.csv")
        assert "attachment" in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        table = pq.read_table(io.BytesIO(story_client.get(f"{path}.parquet").content)).to_pylist()
        amounts = [int(line["amount_units"]) for line in each["lines"]]
        assert [int(row["amount_units"]) for row in rows] == amounts
        assert [row["amount_units"] for row in table] == amounts
        for row in rows:
            assert int(row["amount_dollars"].replace(".", "")) == int(row["amount_units"])
        pdf = story_client.get(f"{path}.pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf.content)).pages)
        assert DUO.address in text
        for row in rows:
            assert row["amount_dollars"] in text
        assert story_client.get(f"{path}.pdf").content == pdf.content


def test_a_file_that_is_known_already_is_not_sent_again(story_client: TestClient) -> None:
    month = read(story_client, f"{DUO.address}/statements")["items"][0]["month"]
    path = f"/v1/payees/{DUO.address}/statements/{month}.csv"
    etag = story_client.get(path).headers["etag"]
    assert story_client.get(path, headers={"if-none-match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("0x12", 422, "account"),
        (ARTIST.address[:-1] + ("0" if ARTIST.address[-1] != "0" else "1"), 422, "account"),
        (f"{ARTIST.address}/earnings?by=genre", 422, "by.0"),
        (f"{ARTIST.address}/earnings?month=2026-13", 422, "month"),
        (f"{ARTIST.address}/earnings?cursor=abc", 422, "cursor"),
        (f"{ARTIST.address}/credits?cursor=abc", 422, "cursor"),
        (f"{ARTIST.address}/credits?limit=201", 422, "limit"),
        (f"{ARTIST.address}/statements/2026-00.csv", 422, "month"),
        (f"{ARTIST.address}/statements/9998-12.csv", 404, None),
        (f"{ARTIST.address}/statements/2026-10.xls", 404, None),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_name(
    story_client: TestClient, path: str, status: int, field: str | None
) -> None:
    answer = story_client.get(f"/v1/payees/{path}")
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field


def test_lower_case_addresses_are_taken(story_client: TestClient) -> None:
    assert read(story_client, ARTIST.address.lower())["account"] == ARTIST.address
