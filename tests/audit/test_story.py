"""Replaying a whole story: every figure that follows from its events is the one worked by hand."""

from __future__ import annotations

from obbligato.audit.compare import Outcome
from obbligato.audit.recompute import Recomputed, recompute
from obbligato.chain.events import Event
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument
from obbligato.protocol.constants import ReportState
from tests.onchain import ARTIST, BY_GRANT, COLD, DUO, LABEL, PRODUCER, STRANGER
from tests.scenario import RECEIVED, Scenario

DEAD = "0x000000000000000000000000000000000000dEaD"


def test_a_story_with_every_kind_of_act_is_recomputed_without_a_difference(
    recomputed: Recomputed,
) -> None:
    assert recomputed.differences == ()
    assert recomputed.outcome is Outcome.AGREES


def test_the_story_has_every_event_that_moves_money(events: list[Event]) -> None:
    scenario = {event.name for event in events}
    moving = {
        *("Deposited", "Reserved", "Released", "Seized", "HandedOver", "Credited", "Awarded"),
        *("BondPosted", "BondAwarded", "BondToSplit", "Claimed", "Redirected"),
        *("ThawStarted", "ThawCancelled", "Withdrawn", "PlatformClosing", "BondWithdrawn"),
        *("ReportSubmitted", "ReportUnfunded", "ReportFunded", "ReportSettled", "RowHeld"),
        *("Challenged", "Ruled", "Lapsed", "ArrearsPaid", "Granted", "LicenseVoided"),
        *("LicenseMinted", "LicenseAmended", "LicenseRevoked", "LicenseReinstated"),
    }
    assert moving - scenario == set()


def test_every_split_received_what_was_worked_out_by_hand(recomputed: Recomputed) -> None:
    assert {split: recomputed.ledger.received.get(split, 0) for split in RECEIVED} == RECEIVED


def test_every_payee_was_paid_what_was_worked_out_by_hand(recomputed: Recomputed) -> None:
    paid = recomputed.ledger.paid
    # 35 % of 4 413 843 and 333 333 millionths of 151 200 000, each rounded down.
    assert paid[LABEL.address] == 1_544_845 + 50_399_949
    assert paid[BY_GRANT.address] == 50_400_100  # 333 334 millionths of 151 200 000
    # All of split 1; bonds of 2.5 and 59.88 dollars back with half of the platform's equal stakes; less the bond that
    # was posted from it.
    assert paid[ARTIST.address] == 1_234_140_000 + 3_750_000 + 89_820_000 - 2_500_000
    # Bonds of 5 dollars: one won, with half a stake; one drawn; one lapsed, less a tenth; one of a rival claim that was
    # upheld.
    assert paid[STRANGER.address] == 7_500_000 + 5_000_000 + 4_500_000 + 5_000_000
    assert set(paid) == {LABEL.address, BY_GRANT.address, ARTIST.address, STRANGER.address}


def test_who_has_not_claimed_keeps_the_claim(recomputed: Recomputed) -> None:
    claimed = recomputed.ledger.claimed
    assert claimed.get((2, DUO.address), 0) == 0
    assert claimed.get((3, PRODUCER.address), 0) == 0


def test_halves_of_lost_stakes_are_out_of_reach(recomputed: Recomputed) -> None:
    # Of stakes of 5, 2.5 and 59.88 dollars and of one lost bond of 5; a tenth of one that lapsed.
    assert (
        recomputed.ledger.refunds[DEAD] == 2_500_000 + 1_250_000 + 29_940_000 + 2_500_000 + 500_000
    )


def test_a_platform_leaves_with_what_it_did_not_owe(
    recomputed: Recomputed, scenario: Scenario
) -> None:
    ledger = recomputed.ledger
    deposited, bond = 1_000_000_000, 1_000_000_000
    spent = (26_893_800 - 480_000) + 5_000_000 + 9_600_000 + 2_500_000 + 40 + 1_000_003
    assert ledger.platform_paid_out == deposited + bond - spent
    rich = ledger.platforms[scenario.rich]
    assert (rich.available, rich.thawing, rich.bond, rich.closing) == (0, 0, 0, True)


def test_arrears_took_the_bond_and_then_what_was_paid_in(
    recomputed: Recomputed, scenario: Scenario
) -> None:
    poor = recomputed.ledger.platforms[scenario.poor]
    assert (poor.available, poor.thawing, poor.bond, poor.obligations) == (0, 0, 0, 0)
    assert recomputed.ledger.challenges[5].arrears == (0, 0)


def test_an_open_challenge_holds_its_bond(recomputed: Recomputed) -> None:
    assert recomputed.ledger.challenge_bonds == 2_500_000
    challenge = recomputed.ledger.challenges[6]
    assert (challenge.open, challenge.challenger) == (True, ARTIST.address)


def test_reports_end_as_they_were_settled(recomputed: Recomputed, scenario: Scenario) -> None:
    metered, pool, paid, short, zero = (
        recomputed.ledger.reports[r.report_id] for r in scenario.reports
    )
    assert {r.state for r in recomputed.ledger.reports.values()} == {ReportState.SETTLED}
    assert (metered.settled, metered.ruled) == (
        24_000_000 + 493_800 + 1_200_000,
        720_000 + 9_600_000 + 40,
    )
    assert (pool.settled, pool.ruled) == (700_003, 300_000)
    assert (paid.settled, paid.ruled) == (2_400_000, 1_197_600_000)
    assert (short.settled, zero.settled, zero.rows) == (240_000, 0, ())
    assert zero.header.sequence == 2


def test_every_unit_in_the_vault_is_accounted_for(
    recomputed: Recomputed, scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    held = chain.call("TestDollar", "balanceOf", chain.deployment.address("RoyaltyVault"))
    assert held == recomputed.ledger.held_by_vault()
    # What payees took was paid in dollars: the label's and the artist's to one address.
    cold = chain.call("TestDollar", "balanceOf", COLD.address)
    paid = recomputed.ledger.paid
    assert cold == paid[LABEL.address] + paid[ARTIST.address]


def test_an_earlier_block_is_recomputed_as_it_was(scenario: Scenario, events: list[Event]) -> None:
    accepted = next(e.block for e in events if e.name == "ReportFunded")
    result = recompute(scenario.protocol.chain, scenario.protocol.store, until=accepted)
    assert result.outcome is Outcome.AGREES
    assert len(result.ledger.reports) == 1
    assert result.reading.now < recomputed_now(scenario)


def recomputed_now(scenario: Scenario) -> int:
    return scenario.acts.now()


def test_progress_is_told_from_the_first_to_the_last(scenario: Scenario) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def watch(what: str, done: int, total: int) -> None:
        seen.setdefault(what, []).append((done, total))

    recompute(scenario.protocol.chain, scenario.protocol.store, watch=watch)
    assert list(seen) == ["reading blocks", "comparing with the chain", "checking documents"]
    for steps in seen.values():
        done, total = steps[-1]
        assert done == total
    # Four licences, four terms (one of them of an amendment), five reports.
    assert len(seen["checking documents"]) == 4 + 4 + 5


def test_evidence_of_a_report_is_what_its_digest_names(scenario: Scenario) -> None:
    header = scenario.reports[0].header
    document = EvidenceDocument.from_bytes(
        scenario.protocol.store.get(cid_from_digest(header.evidence))
    )
    assert document.totals.rows == 4
