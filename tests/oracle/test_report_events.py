"""What the keeper learns from events: against the ledger's own replay of the story."""

from __future__ import annotations

from obbligato.audit.recompute import read_ledger
from obbligato.protocol.rows import pack_credits
from oracle.reports.report_events import News
from tests.onchain import DeployedProtocol
from tests.scenario import Scenario


def test_the_credits_of_a_report_are_those_that_the_chain_froze(
    onchain: DeployedProtocol, scenario: Scenario
) -> None:
    news = News(onchain.chain)
    _, touched = news.look()
    assert touched is None
    reports = read_ledger(onchain.chain).ledger.reports
    assert len(reports) >= 5
    for report_id, report in reports.items():
        assert news.credits_of(report_id) == pack_credits(report.credits)
    assert news.credits_of(bytes(32)) is None


def test_nothing_new_touches_nothing(onchain: DeployedProtocol, scenario: Scenario) -> None:
    news = News(onchain.chain)
    news.look()
    assert news.look()[1] == frozenset()
