"""What the index says of the story: against its hand-worked sums, and against what the contracts answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.base import Base
from backend.db.index_db import (
    Account,
    Challenge,
    Document,
    Earning,
    Grant,
    IndexDatabase,
    License,
    LicenseAct,
    LicenseVersion,
    Payment,
    Platform,
    RawEvent,
    Report,
    ReportRow,
    Reserve,
    RivalClaim,
    Split,
    SplitPayee,
    Stream,
)
from backend.indexer.handlers import APPLIERS, KEPT_RAW
from backend.indexer.sync import Index
from backend.payees.earnings import EarningQuery, list_earnings
from backend.payees.schemas import GroupName
from obbligato.chain.abis import DEPLOYED, abi
from obbligato.chain.events import read_events
from obbligato.protocol.constants import Tier
from obbligato.protocol.rows import unpack_credits
from tests.onchain import ARTIST, BY_GRANT, COLD, DUO, LABEL, PRODUCER, STRANGER, UNIT
from tests.scenario import RECEIVED, Scenario

EARNED: dict[str, int] = {
    ARTIST.address: 1_234_140_000,  # all of split 1
    DUO.address: 2_868_997,  # 65 % of 4 413 843: 2 868 997.95
    LABEL.address: 1_544_845
    + 50_399_949,  # 35 % of it: 1 544 845.05; 33.3333 % of 151 200 000: 50 399 949.6
    BY_GRANT.address: 50_400_100,  # 33.3334 % of 151 200 000: 50 400 100.8
    PRODUCER.address: 50_399_949,
    STRANGER.address: 0,
}
"""By payee, from the splits of the story: each split is floored by itself."""


@pytest.fixture
def session(story_database: IndexDatabase) -> Iterator[Session]:
    with story_database.reading() as session:
        yield session


def everything(session: Session, model: type[Base]) -> list[Any]:
    return list(session.scalars(select(model)))


def test_every_event_of_the_contracts_changes_something_or_is_known_not_to() -> None:
    names = {entry["name"] for name in DEPLOYED for entry in abi(name) if entry["type"] == "event"}
    assert names == APPLIERS.keys() | KEPT_RAW
    assert not APPLIERS.keys() & KEPT_RAW


def test_every_event_is_kept_as_it_is(session: Session, scenario: Scenario) -> None:
    """Read and decoded by the library's own slower reader."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return "0x" + value.hex()
        if isinstance(value, dict):
            return {name: plain(member) for name, member in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    expected = [
        (e.block, e.index, e.contract, e.name, plain(e.arguments), e.transaction)
        for e in read_events(scenario.protocol.chain)
    ]
    found = [
        (e.block_number, e.log_index, e.contract, e.name, e.arguments, "0x" + e.transaction.hex())
        for e in session.scalars(
            select(RawEvent).order_by(RawEvent.block_number, RawEvent.log_index)
        )
    ]
    assert found == expected


def test_splits_received_what_the_story_adds_up_to(session: Session) -> None:
    assert {s.split_id: s.received_units for s in everything(session, Split)} == RECEIVED


@pytest.mark.parametrize("account", EARNED)
@pytest.mark.parametrize("by", [(), ("month",), ("platform_id", "tier", "metric"), ("license_id",)])
def test_earnings_sum_to_the_entitlement_however_they_are_grouped(
    session: Session, account: str, by: tuple[GroupName, ...]
) -> None:
    found = list_earnings(session, account, EarningQuery(by=list(by))).items
    assert sum(e.amount_units for e in found) == EARNED[account]


def test_earnings_by_platform_and_use_are_the_rows_of_the_story(
    session: Session, scenario: Scenario
) -> None:
    found = {
        (e.platform_id, e.tier, e.metric): (e.amount_units, e.quantity)
        for e in list_earnings(
            session,
            ARTIST.address,
            EarningQuery(by=["platform_id", "tier", "metric"]),
        ).items
    }
    generated, trained = ("GENERATIVE", "GENERATION"), ("TRAINING", "PLAYBACK")
    assert found == {
        (scenario.rich, *generated): (33_600_000, 14_000 * UNIT),
        (scenario.rich, *trained): (300_000, 3 * UNIT),
        # 500 000 by the ruling and 100 of the report that was funded late
        (scenario.poor, *generated): (1_200_240_000, 500_100 * UNIT),
    }


def test_earnings_of_one_licence_name_why_they_were_paid(session: Session) -> None:
    found = {
        (e.source, e.metric): (e.amount_units, e.quantity)
        for e in list_earnings(
            session, DUO.address, EarningQuery(by=["source", "metric"], license_id=2)
        ).items
    }
    # Credits in their order: 493 800, 720 000 ruled, 40 ruled, 700 003 of the pool, 2 500 000 of the bond; the
    # order in which rulings and settlements reach the chain decides where each fraction falls.
    assert {key: quantity for key, (_, quantity) in found.items()} == {
        ("report", "PLAYBACK"): (12_345 + 7) * UNIT,
        ("ruling", "GENERATION"): 300 * UNIT,
        ("ruling", "PLAYBACK"): 1 * UNIT,
        ("rival claim", None): 0,
    }
    exact: dict[tuple[str | None, str | None], int] = {
        ("report", "PLAYBACK"): 65 * (493_800 + 700_003),
        ("ruling", "GENERATION"): 65 * 720_000,
        ("ruling", "PLAYBACK"): 65 * 40,
        ("rival claim", None): 65 * 2_500_000,
    }
    assert all(abs(100 * amount - exact[key]) <= 300 for key, (amount, _) in found.items())
    assert sum(amount for amount, _ in found.values()) == EARNED[DUO.address]


def test_payees_have_what_the_vault_says_they_have(session: Session, scenario: Scenario) -> None:
    chain = scenario.protocol.chain
    for payee in everything(session, SplitPayee):
        received = RECEIVED[payee.split_id]
        entitled = received * payee.share_ppm // 1_000_000
        account = session.get(Account, payee.account)
        refunds = 0 if account is None else account.refunds_units
        claimable = chain.call("RoyaltyVault", "claimable", payee.account, [payee.split_id])
        assert entitled - payee.claimed_units + refunds == claimable, payee.account


def test_accounts_keep_refunds_recipients_and_what_left_the_vault(
    session: Session, scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    accounts = {each.account: each for each in everything(session, Account)}
    for account, found in accounts.items():
        assert found.refunds_units == chain.call("RoyaltyVault", "refundOf", account)
    assert accounts[LABEL.address].recipient == COLD.address
    assert accounts[LABEL.address].paid_units == EARNED[LABEL.address]
    # All that the artist earned, and 93 570 000 of bonds that came back and were won, less its bond of 2.5 dollars.
    assert accounts[ARTIST.address].paid_units == 1_234_140_000 + 93_570_000 - 2_500_000
    payments = [p for p in everything(session, Payment) if p.payee == ARTIST.address]
    vault = chain.deployment.address("RoyaltyVault")
    assert [p.recipient for p in payments] == [vault, COLD.address]


def test_platforms_have_what_the_vault_says_they_have(session: Session, scenario: Scenario) -> None:
    chain = scenario.protocol.chain
    for platform in everything(session, Platform):
        escrow = chain.call("RoyaltyVault", "escrowOf", platform.platform_id)
        admin, closes_at = chain.call("RoyaltyVault", "platformOf", platform.platform_id)
        assert (
            platform.available_units,
            platform.thawing_units,
            platform.bond_units,
            platform.thaw_ends_at or 0,
            platform.obligations,
        ) == tuple(escrow)
        assert (platform.admin, platform.closes_at or 0) == (admin, closes_at)
    for reserve in everything(session, Reserve):
        held = chain.call("RoyaltyVault", "reservedOf", reserve.module, reserve.platform_id)
        assert reserve.amount_units == held


def test_licences_are_what_the_registry_says_they_are(session: Session, scenario: Scenario) -> None:
    chain = scenario.protocol.chain
    for found in everything(session, License):
        record = chain.call("LicenseRegistry", "licenseOf", found.license_id)
        assert (found.ends_at or 0, found.split_id) == (record[5], record[6])
        assert found.owner == chain.call("LicenseRegistry", "ownerOf", found.license_id)
        assert found.document == chain.call("LicenseRegistry", "documentOf", found.license_id)


def test_versions_answer_for_every_moment_as_the_registry_does(
    session: Session, scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    for found in everything(session, License):
        versions = sorted(
            (v for v in everything(session, LicenseVersion) if v.license_id == found.license_id),
            key=lambda version: version.number,
        )
        edges = [found.ends_at or scenario.acts.now(), *(version.start for version in versions)]
        for moment in {edge + by for edge in edges for by in (-1, 0, 1)}:
            begun = [v.terms_id for v in versions if v.start <= moment]
            ended = found.ends_at is not None and moment >= found.ends_at
            expected = chain.call("LicenseRegistry", "termsAt", found.license_id, moment)
            assert (0 if ended or not begun else begun[-1]) == expected


def test_what_happened_to_a_licence_is_told_in_order(session: Session) -> None:
    def acts(license_id: int) -> list[str]:
        asked = select(LicenseAct.act).where(LicenseAct.license_id == license_id)
        return list(session.scalars(asked.order_by(LicenseAct.block_number, LicenseAct.log_index)))

    assert acts(1) == ["minted", "amended"]
    assert acts(2) == ["minted", "revoked", "reinstated"]
    assert acts(3) == ["minted", "revoked"]
    assert acts(4) == ["minted", "voided"]


def test_reports_have_the_header_the_rows_and_the_state_that_the_chain_has(
    session: Session, scenario: Scenario
) -> None:
    for submitted in scenario.reports:
        found = session.get_one(Report, submitted.report_id)
        for name, value in submitted.header.model_dump().items():
            column = "total_units" if name == "total" else name
            assert getattr(found, column) == value, name
        record = scenario.protocol.chain.call("UsageOracle", "reportOf", submitted.report_id)
        assert (found.state, found.window_end, len(found.held)) == ("settled", record[4], record[5])
        rows = session.scalars(
            select(ReportRow).where(ReportRow.report_number == found.number).order_by(ReportRow.row)
        )
        assert [
            (r.license_id, r.tier, r.metric, r.quantity_millionths, r.split_id, r.amount_units)
            for r in rows
        ] == [
            (row.license_id, row.tier, row.metric, row.quantity, credit.split_id, credit.amount)
            for row, credit in zip(submitted.rows, unpack_credits(submitted.credits), strict=True)
        ]


def test_streams_are_where_the_oracle_says_they_are(session: Session, scenario: Scenario) -> None:
    streams = everything(session, Stream)
    assert len(streams) == 4
    for stream in streams:
        answer = scenario.protocol.chain.call(
            "UsageOracle", "streamOf", stream.platform_id, stream.model_id
        )
        assert (stream.last, stream.sequence, stream.covered_until) == tuple(answer)


def test_challenges_have_the_rulings_of_the_story(session: Session) -> None:
    found = {c.challenge_id: c for c in everything(session, Challenge)}
    assert {number: c.state for number, c in found.items()} == {
        **dict.fromkeys((1, 2, 3, 5), "ruled"),
        4: "lapsed",
        6: "open",
    }
    assert {number: (c.ruled_units, c.paid_units) for number, c in found.items()} == {
        1: (720_000, 720_000),
        2: (33_600_000, 9_600_000),
        3: (493_840, 40),
        4: (None, 300_000),
        5: (1_200_000_000, 1_197_600_000),  # arrears included, once they were paid
        6: (None, 0),
    }
    assert all(c.arrears_units == 0 for c in found.values())
    claims = {c.license_id: (c.state, c.upheld) for c in everything(session, RivalClaim)}
    assert claims == {2: ("ruled", False), 4: ("ruled", True)}


def test_a_grant_is_kept_with_its_fee(session: Session, scenario: Scenario) -> None:
    (grant,) = everything(session, Grant)
    assert (grant.license_id, grant.platform_id, grant.fee_units) == (3, scenario.rich, 150_000_000)
    (credit,) = session.scalars(select(Earning).where(Earning.source == "grant"))
    assert (credit.split_id, credit.amount_units, credit.tier) == (3, 150_000_000, Tier.GENERATIVE)


def test_documents_are_read_once_a_store_is_there(session: Session) -> None:
    found = session.execute(
        select(License.license_id, Document.title, Document.artists, Document.state)
        .join(Document, Document.digest == License.document)
        .order_by(License.license_id)
    )
    assert [tuple(row) for row in found] == [
        (1, "one", ["Somebody"], "read"),
        (2, "two", ["Somebody"], "read"),
        (3, "three", ["Somebody"], "read"),
        (4, "four [not for machines]", ["Somebody"], "read"),
    ]


def test_the_figures_are_right_after_every_single_block(
    scenario: Scenario, sqlite: IndexDatabase
) -> None:
    chain = scenario.protocol.chain
    index = Index(sqlite, chain, finality=1_000)
    for block in range(chain.deployment.block, chain.web3.eth.block_number + 1):
        index.sync(until=block)
        with sqlite.reading() as session:
            for platform in everything(session, Platform):
                asked = (platform.platform_id,)
                escrow = chain.call("RoyaltyVault", "escrowOf", *asked, block=block)
                found = platform.available_units, platform.thawing_units, platform.bond_units
                assert found == tuple(escrow[:3]), block
            for split in everything(session, Split):
                asked = (split.split_id,)
                received = chain.call("RoyaltyVault", "receivedOf", *asked, block=block)
                assert split.received_units == received, block
            for account in everything(session, Account):
                refunds = chain.call("RoyaltyVault", "refundOf", account.account, block=block)
                assert account.refunds_units == refunds, block
