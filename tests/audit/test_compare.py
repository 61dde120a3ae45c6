"""The replayed ledger against the chain's own figures, and against the documents."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from obbligato.audit.compare import (
    Difference,
    DifferenceKind,
    Outcome,
    check_documents,
    compare_with_chain,
    outcome,
)
from obbligato.audit.ledger import Ledger
from obbligato.audit.recompute import Recomputed, read_ledger
from obbligato.audit.replay import Replay
from obbligato.chain.events import Event
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import legal_text
from obbligato.store import EmbeddedStore
from scripts.demo.cast import POOL_PLATFORM
from tests.onchain import Acts
from tests.scenario import GRANTED, Scenario


@pytest.fixture
def ledger(recomputed: Recomputed) -> Ledger:
    """A ledger that the test may change."""
    return copy.deepcopy(recomputed.ledger)


@pytest.fixture
def blocks(scenario: Scenario, tmp_path: Path) -> Path:
    """A copy of the folder of documents."""
    return Path(shutil.copytree(scenario.protocol.folder, tmp_path / "blocks"))


def compared(scenario: Scenario, ledger: Ledger, block: int | None = None) -> list[str]:
    chain = scenario.protocol.chain
    at = chain.web3.eth.block_number if block is None else block
    return [str(difference) for difference in compare_with_chain(chain, ledger, block=at)]


def test_money_that_came_in_after_the_events_is_noticed(scenario: Scenario, ledger: Ledger) -> None:
    acts: Acts = scenario.acts
    with acts.undone():
        acts.deposit(POOL_PLATFORM.admin, scenario.poor, 5)
        assert compared(scenario, ledger) == [
            f"available, platform {scenario.poor} should be 0, is 5"
        ]
    assert compared(scenario, ledger) == []


def test_money_that_left_the_vault_is_noticed(scenario: Scenario, ledger: Ledger) -> None:
    chain = scenario.protocol.chain
    block = chain.web3.eth.block_number
    ledger.received[1] += 1  # owed, by these books, and not there
    held = chain.call("TestDollar", "balanceOf", chain.deployment.address("RoyaltyVault"))
    assert compared(scenario, ledger, block) == [
        "received by split 1 should be 1234140001, is 1234140000",
        f"balance of the vault should be at least {held + 1}, is {held}",
    ]


def test_a_payee_s_position_a_refund_and_a_reserve_are_compared(
    scenario: Scenario, ledger: Ledger
) -> None:
    payee = next(account for (split, account) in ledger.claimed if split == 1)
    ledger.claimed[1, payee] -= 1
    ledger.refunds[payee] += 1
    oracle = scenario.protocol.chain.deployment.address("UsageOracle")
    ledger.reserved[oracle, scenario.rich] = 7
    found = compared(scenario, ledger)
    assert any(line.startswith(f"claimed, split 1, payee {payee} should be") for line in found)
    assert f"refund of {payee} should be 1, is 0" in found
    assert f"reserved by UsageOracle, platform {scenario.rich} should be 7, is 0" in found


def test_a_report_s_state_and_credits_are_compared_by_its_id(
    scenario: Scenario, ledger: Ledger
) -> None:
    report_id = scenario.reports[0].report_id
    report = ledger.reports[report_id]
    report.credits = (*report.credits[:-1], replace(report.credits[-1], amount=1))
    report.held.clear()
    found = compared(scenario, ledger)
    assert f"report {report_id.hex()}: held rows should be 0, is 1" in found
    assert any(
        line.startswith(f"report {report_id.hex()}: credits digest should be") for line in found
    )


def test_a_licence_s_owner_and_split_are_compared(scenario: Scenario, ledger: Ledger) -> None:
    ledger.licenses[2].owner = ledger.licenses[1].owner
    ledger.licenses[2].split_id = 1
    found = compared(scenario, ledger)
    assert any(line.startswith("owner, licence 2 should be") for line in found)
    assert "split, licence 2 should be 1, is 2" in found


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("LicenseMinted", "licenseCount should be 3, is 4"),
        ("SplitInterned", "splitCount should be 3, is 4"),
        ("TermsInterned", "termsCount should be 3, is 4"),
    ],
)
def test_events_that_a_node_left_out_are_noticed(
    scenario: Scenario, events: list[Event], name: str, line: str
) -> None:
    last = [event for event in events if event.name == name][-1]
    replay = Replay(scenario.protocol.chain.deployment)
    for event in events:
        if event is not last:
            replay.apply(event)
    assert line in compared(scenario, replay.ledger)


def test_a_node_that_shows_no_events_at_all_is_noticed(scenario: Scenario) -> None:
    empty = Replay(scenario.protocol.chain.deployment).apply_all([])
    found = compared(scenario, empty.ledger)
    assert "licenseCount should be 0, is 4" in found
    assert "platformCount should be 0, is 2" in found


def test_a_ledger_is_read_as_of_the_block_it_names(scenario: Scenario) -> None:
    reading = read_ledger(scenario.protocol.chain)
    assert reading.block == scenario.protocol.chain.web3.eth.block_number
    assert reading.now == scenario.acts.now()


# ---- documents


def path_of(blocks: Path, digest: bytes) -> Path:
    (found,) = blocks.rglob(cid_from_digest(digest))
    return found


def checked(ledger: Ledger, blocks: Path) -> list[Difference]:
    return list(check_documents(ledger, EmbeddedStore(blocks)))


def test_evidence_that_nobody_has_is_missing_and_proves_nothing(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    path_of(blocks, scenario.reports[1].header.evidence).unlink()
    differences = checked(ledger, blocks)
    (difference,) = differences
    assert (difference.kind, difference.what) == (DifferenceKind.MISSING, "evidence")
    assert difference.report == scenario.reports[1].report_id.hex()
    assert "evidence is missing: block" in str(difference)
    assert outcome(differences) is Outcome.MISSING_EVIDENCE


def test_other_bytes_under_a_digest_are_wrong(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    path = path_of(blocks, scenario.reports[0].header.evidence)
    path.write_bytes(path.read_bytes().replace(b'"platform_id":1', b'"platform_id":2'))
    (difference,) = checked(ledger, blocks)
    assert (difference.kind, difference.what) == (DifferenceKind.WRONG, "evidence")
    assert difference.report == scenario.reports[0].report_id.hex()
    assert "do not use it" in difference.found


def test_one_wrong_document_outweighs_missing_ones(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    path_of(blocks, scenario.reports[1].header.evidence).unlink()
    path_of(blocks, ledger.licenses[2].document).write_bytes(b"{}")
    differences = checked(ledger, blocks)
    assert {difference.kind for difference in differences} == {
        DifferenceKind.MISSING,
        DifferenceKind.WRONG,
    }
    assert outcome(differences) is Outcome.DIFFERS


def test_a_missing_legal_text_names_its_terms(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    (granted,) = [id_ for id_, terms in ledger.terms.items() if terms == GRANTED]
    path_of(blocks, GRANTED.text_digest).unlink()
    (difference,) = checked(ledger, blocks)
    assert (difference.kind, difference.where) == (DifferenceKind.MISSING, f"terms {granted}")
    EmbeddedStore(blocks).put(legal_text(GRANTED))
    assert checked(ledger, blocks) == []


def test_a_document_with_other_terms_than_the_chain_s_is_wrong(
    ledger: Ledger, blocks: Path
) -> None:
    known = ledger.licenses[3]
    version = known.history.versions[0]
    other = version.terms.model_copy(update={"term_days": 366})
    known.history = replace(known.history, versions=(replace(version, terms=other),))
    (difference,) = checked(ledger, blocks)
    assert (difference.what, difference.where) == ("terms in the document", "licence 3")


def test_a_document_of_another_recording_is_wrong(ledger: Ledger, blocks: Path) -> None:
    ledger.licenses[2].content = bytes(32)
    (difference,) = checked(ledger, blocks)
    assert (difference.what, difference.where) == ("content hash in the document", "licence 2")


def test_rows_that_the_evidence_does_not_sum_to_are_named(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    report = ledger.reports[scenario.reports[0].report_id]
    third = report.rows[2]
    report.rows = (*report.rows[:2], replace(third, quantity=third.quantity + 1), report.rows[3])
    (difference,) = checked(ledger, blocks)
    assert (difference.report, difference.row) == (report.report_id.hex(), 2)
    assert (difference.expected, difference.found) == ("12345000000", "12345000001")


def test_a_row_that_a_report_leaves_out_of_its_evidence_is_named_by_its_key(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    report = ledger.reports[scenario.reports[0].report_id]
    report.rows = report.rows[1:]
    (difference,) = checked(ledger, blocks)
    assert (difference.row, difference.found) == (None, "0")
    assert difference.where == "licence 1, tier 3, metric 2"


def test_evidence_of_another_period_is_wrong(
    scenario: Scenario, ledger: Ledger, blocks: Path
) -> None:
    report = ledger.reports[scenario.reports[3].report_id]
    end = report.header.period_end - 1
    report.header = report.header.model_copy(update={"period_end": end})
    (difference,) = checked(ledger, blocks)
    assert difference.what == "platform, model and period"
