"""Acts that the story leaves out: after each, the index says what the contracts answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_hash.auto import keccak
from sqlalchemy import select

from backend.db.base import Base
from backend.db.index_db import (
    Account,
    Challenge,
    Earning,
    Grant,
    GrantRequest,
    IndexDatabase,
    License,
    LicenseVersion,
    Operator,
    Pause,
    Platform,
    PlatformModule,
    Reporter,
    RivalClaim,
)
from backend.indexer.sync import Index
from obbligato.audit.recompute import recompute
from obbligato.documents.wording import terms_with_legal_text
from obbligato.protocol.constants import Flag, Metric, Tier
from obbligato.protocol.terms import RateCard
from obbligato.protocol.types import ZERO_ADDRESS
from scripts.demo.cast import ARBITER, GUARDIAN, POOL_PLATFORM, RELAY
from tests.onchain import ARTIST, COLD, DOLLARS, DUO, FAR, LABEL, STRANGER, UNIT, Acts, split
from tests.scenario import GENERATED, MODEL, NOTHING, OPEN, WIDER

ASKED = terms_with_legal_text(
    {Tier.TRAINING: RateCard(training_run=1, generation=2, playback=3, grant_fee=0)},
    term_days=365,
    flags=Flag.GRANT_REQUIRED | Flag.GRANT_APPROVAL,
)
POOR = 2


@dataclass
class Indexed:
    """The index after whatever was done."""

    acts: Acts
    index: Index
    database: IndexDatabase

    def one(self, model: type[Base], *key: Any) -> Any:
        """A row by its key, as of now."""
        self.index.sync()
        with self.database.reading() as session:
            return session.get_one(model, key)

    def every(self, model: type[Base]) -> list[Any]:
        """All rows, as of now."""
        self.index.sync()
        with self.database.reading() as session:
            return list(session.scalars(select(model)))


@pytest.fixture
def indexed(acts: Acts, sqlite: IndexDatabase) -> Indexed:
    return Indexed(acts, Index(sqlite, acts.chain, finality=1_000), sqlite)


def test_an_operator_is_approved_until_it_is_not(indexed: Indexed) -> None:
    chain = indexed.acts.chain
    for approved in (True, False, True):
        chain.transact(DUO, "LicenseRegistry", "setApprovalForAll", LABEL.address, approved)
        found = indexed.one(Operator, DUO.address, LABEL.address)
        assert found.approved is approved
    assert len(indexed.every(Operator)) == 1


def test_a_licence_belongs_to_whom_it_was_transferred_to(indexed: Indexed) -> None:
    indexed.acts.chain.transact(
        DUO, "LicenseRegistry", "transferFrom", DUO.address, COLD.address, 2
    )
    assert indexed.one(License, 2).owner == COLD.address


def test_an_amendment_waits_is_replaced_and_is_withdrawn(indexed: Indexed) -> None:
    """The licence opened with OPEN in its first term, and has had WIDER since."""
    acts, chain = indexed.acts, indexed.acts.chain
    began = indexed.one(License, 1).minted_at
    term_end = began + 365 * 86_400
    assert began < acts.now() < term_end
    for terms, number in ((NOTHING, b"\x01"), (OPEN, b"\x02")):
        chain.transact(ARTIST, "LicenseRegistry", "amend", 1, terms.digest(), number * 32)
        pending = indexed.one(LicenseVersion, 1, 2)
        assert (pending.start, pending.anchor, pending.document) == (
            term_end,
            term_end,
            number * 32,
        )
        assert indexed.one(License, 1).versions == 3
        asked = ("LicenseRegistry", "termsAt", 1, term_end)
        assert pending.terms_id == chain.call(*asked)
    chain.transact(ARTIST, "LicenseRegistry", "amend", 1, WIDER.digest(), b"\x03" * 32)
    last = indexed.one(LicenseVersion, 1, 2)
    assert (last.start, last.document) == (acts.now(), b"\x03" * 32)
    assert last.terms_id == chain.call("LicenseRegistry", "termsAt", 1, term_end)
    assert indexed.one(License, 1).versions == 3


def test_a_licence_pays_the_split_it_was_moved_to(indexed: Indexed) -> None:
    chain = indexed.acts.chain
    before, after = split((ARTIST, 1_000_000)), split((ARTIST, 900_000), (LABEL, 100_000))
    given = [
        [(payee.account, payee.share, int(payee.role)) for payee in each.payees]
        for each in (before, after)
    ]
    chain.transact(ARTIST, "RoyaltyVault", "internSplit", given[1])
    chain.transact(ARTIST, "LicenseRegistry", "changeSplit", 1, *given, [])
    expected = chain.call("RoyaltyVault", "splitIdOf", after.digest())
    assert indexed.one(License, 1).split_id == expected


def test_an_admin_hands_over_once_the_other_accepts(indexed: Indexed) -> None:
    chain, admin = indexed.acts.chain, POOL_PLATFORM.admin
    chain.transact(admin, "RoyaltyVault", "transferAdmin", POOR, LABEL.address)
    waiting = indexed.one(Platform, POOR)
    assert (waiting.admin, waiting.next_admin) == (admin.address, LABEL.address)
    chain.transact(LABEL, "RoyaltyVault", "acceptAdmin", POOR)
    accepted = indexed.one(Platform, POOR)
    assert (accepted.admin, accepted.next_admin) == (LABEL.address, None)


def test_reporters_and_modules_are_what_the_admin_set_last(indexed: Indexed) -> None:
    chain, admin = indexed.acts.chain, POOL_PLATFORM.admin
    module = LABEL.address
    indexed.acts.govern("RoyaltyVault", "listModule", module)
    for active in (True, False):
        chain.transact(admin, "RoyaltyVault", "setReporter", POOR, COLD.address, active)
        chain.transact(admin, "RoyaltyVault", "enableModule", POOR, module, active)
        assert indexed.one(Reporter, POOR, COLD.address).active is active
        assert indexed.one(PlatformModule, POOR, module).enabled is active
    assert indexed.one(Reporter, POOR, POOL_PLATFORM.reporter.address).active


def test_a_thaw_is_put_off_cancelled_and_the_bond_grows(indexed: Indexed) -> None:
    acts, chain, admin = indexed.acts, indexed.acts.chain, POOL_PLATFORM.admin
    bond = chain.call("RoyaltyVault", "minimumBond")
    acts.dollars(admin, bond)
    chain.transact(admin, "RoyaltyVault", "addBond", POOR, bond)
    acts.deposit(admin, POOR, 10 * DOLLARS)
    chain.transact(admin, "RoyaltyVault", "thaw", POOR, 4 * DOLLARS)
    acts.wait(20)
    covered = chain.call("UsageOracle", "streamOf", POOR, MODEL)[2]
    use = (1, Tier.GENERATIVE, Metric.GENERATION, 100)
    acts.report(POOR, POOL_PLATFORM.reporter, MODEL, [use], (covered, covered + 60))
    found = indexed.one(Platform, POOR)
    escrow = chain.call("RoyaltyVault", "escrowOf", POOR)
    assert (found.available_units, found.thawing_units, found.bond_units) == tuple(escrow[:3])
    assert found.thaw_ends_at == escrow[3]
    assert escrow[3] > acts.now() + 20 * 86_400
    chain.transact(admin, "RoyaltyVault", "cancelThaw", POOR)
    found = indexed.one(Platform, POOR)
    assert (found.available_units, found.thawing_units) == (10 * DOLLARS - 240_000, 0)
    assert found.thaw_ends_at is None


def test_a_grant_is_asked_for_approved_and_paid(indexed: Indexed) -> None:
    acts, chain, admin = indexed.acts, indexed.acts.chain, POOL_PLATFORM.admin
    license_id = acts.mint(STRANGER, ASKED, split((STRANGER, 1_000_000)), "asked for")
    tier = int(Tier.TRAINING)
    chain.transact(admin, "Grants", "ask", POOR, license_id, tier, MODEL, 5 * DOLLARS)
    asked = indexed.one(GrantRequest, 1)
    assert (asked.license_id, asked.platform_id, asked.tier) == (license_id, POOR, tier)
    assert (asked.fee_units, asked.approved_by) == (5 * DOLLARS, None)
    digest = chain.call("Grants", "requestDigest", 1)
    chain.transact(STRANGER, "Grants", "approve", 1, digest)
    approved = indexed.one(GrantRequest, 1)
    assert (approved.approved_by, approved.approved_at) == (STRANGER.address, acts.now())
    chain.transact(STRANGER, "Grants", "withdrawApproval", 1)
    withdrawn = indexed.one(GrantRequest, 1)
    assert (withdrawn.approved_by, withdrawn.approved_at) == (None, None)
    chain.transact(STRANGER, "Grants", "approve", 1, digest)
    acts.dollars(admin, 5 * DOLLARS)
    chain.transact(admin, "Grants", "pay", 1)
    (grant,) = [each for each in indexed.every(Grant) if each.license_id == license_id]
    covered = (license_id, tier, POOR, MODEL)
    assert chain.call("Grants", "covers", *covered, grant.start, grant.start + 1)
    assert chain.call("Grants", "covers", *covered, grant.end - 1, grant.end)
    assert not chain.call("Grants", "covers", *covered, grant.end, FAR)


def test_a_claim_that_nobody_rules_on_lapses(indexed: Indexed) -> None:
    acts, chain = indexed.acts, indexed.acts.chain
    acts.dollars(STRANGER, 5 * DOLLARS)
    chain.transact(STRANGER, "Disputes", "claimRecording", 1, b"\x07" * 32)
    claim_id = chain.call("Disputes", "claimCount")
    assert indexed.one(RivalClaim, claim_id).state == "open"
    acts.wait(chain.call("Disputes", "arbitrationPeriod") // 86_400 + 1)
    chain.transact(RELAY, "Disputes", "lapseRecording", claim_id)
    claim = indexed.one(RivalClaim, claim_id)
    assert (claim.state, claim.upheld, claim.closed_at) == ("lapsed", None, acts.now())
    refund = chain.call("RoyaltyVault", "refundOf", STRANGER.address)
    assert indexed.one(Account, STRANGER.address).refunds_units == refund


def test_a_lower_claim_takes_the_place_of_a_reduction(indexed: Indexed) -> None:
    """Of a row that is paid and of one that is free: each counts once, as ruled."""
    acts, chain, maker = indexed.acts, indexed.acts.chain, POOL_PLATFORM
    platform_id = acts.platform(maker.admin, maker.reporter, 10 * DOLLARS)
    start, end = acts.now(), acts.wait(3)
    stream = keccak(b"model three")
    free = (Tier.ANALYSIS, Metric.GENERATION)
    uses = [(1, *free, 50), (1, *GENERATED, 1_000)]
    report = acts.report(platform_id, maker.reporter, stream, uses, (start, end))
    for account in (ARTIST, STRANGER):
        acts.dollars(account, 20 * DOLLARS)
    made = {}
    for row, shield, true in ((free, 49, 10), (GENERATED, 999, 400)):
        first = acts.challenge(ARTIST, report, (1, *row), shield)
        made[row] = acts.challenge(STRANGER, report, (1, *row), true)
        quantity = true * UNIT
        chain.transact(
            ARBITER, "Disputes", "rule", made[row], quantity, chain.challenge(made[row]).digest
        )
        assert indexed.one(Challenge, first).state == "lapsed"
        assert indexed.one(Challenge, made[row]).state == "ruled"
    earned = [each for each in indexed.every(Earning) if each.platform_id == platform_id]
    assert [(e.source, e.tier, e.quantity_millionths, e.amount_units) for e in earned] == [
        ("ruling", int(Tier.ANALYSIS), 10 * UNIT, 0),
        ("ruling", int(Tier.GENERATIVE), 400 * UNIT, 400 * 2_400),
    ]
    again = recompute(chain, acts.protocol.store)
    assert again.differences == ()
    assert [again.ledger.challenges[made[row]].ruled_quantity for row in (free, GENERATED)] == [
        10 * UNIT,
        400 * UNIT,
    ]


def test_a_payee_turns_its_redirection_off(indexed: Indexed) -> None:
    indexed.acts.chain.transact(LABEL, "RoyaltyVault", "redirect", ZERO_ADDRESS)
    assert indexed.one(Account, LABEL.address).recipient is None


def test_a_pause_is_kept_with_its_end(indexed: Indexed) -> None:
    chain = indexed.acts.chain
    chain.transact(GUARDIAN, "UsageOracle", "pause")
    (pause,) = indexed.every(Pause)
    assert pause.until == chain.call("UsageOracle", "pausedUntil")
    assert pause.account == GUARDIAN.address


def test_a_row_names_the_block_that_changed_it_last(indexed: Indexed) -> None:
    before = indexed.one(Platform, POOR).changed_in
    indexed.acts.deposit(POOL_PLATFORM.admin, POOR, 5)
    after = indexed.one(Platform, POOR)
    assert after.changed_in == indexed.acts.chain.web3.eth.block_number > before
    assert after.block_number < before
