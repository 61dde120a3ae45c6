"""Views against what the story of tests/scenario.py did, and the stream rule against the contract."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from obbligato.chain import views
from obbligato.chain.views import AttesterSet, Counts, EscrowView, PositionView, ReportView, RowView
from obbligato.errors import ContractRefused, RefusedError
from obbligato.protocol.constants import ChallengeState, Pricing, ReportState
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.streams import Stream
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport, sign
from obbligato.protocol.types import ZERO_ADDRESS
from scripts.demo.cast import ATTESTERS, METERED_PLATFORM, POOL_PLATFORM
from tests.onchain import DAY, DUO, FAR, LABEL, STRANGER, UNIT
from tests.scenario import GENERATED, MODEL, RECEIVED, Scenario

TYPES = (Path(__file__).parents[2] / "contracts" / "Types.sol").read_text()


def members_of(declaration: str) -> list[str]:
    """The members of a struct or enum of the contracts, in order."""
    body = TYPES[TYPES.index(declaration + " {") :].split("{", 1)[1].split("}")[0]
    return re.findall(r"(\w+)\s*[;,]?\s*$", body, re.MULTILINE)


@pytest.mark.parametrize(
    ("struct", "view"),
    [
        ("Report", views.ReportView),
        ("License", views.LicenseView),
        ("Platform", views.PlatformView),
        ("Escrow", views.EscrowView),
        ("Position", views.PositionView),
        ("Challenge", views.ChallengeView),
        ("RowRecord", views.RowView),
    ],
)
def test_a_view_has_a_field_for_each_member_of_its_struct(struct: str, view: type) -> None:
    assert len(fields(view)) == len(members_of(f"struct {struct}"))


@pytest.mark.parametrize("states", [ReportState, ChallengeState])
def test_states_are_numbered_as_the_contracts_number_them(
    states: type[ReportState] | type[ChallengeState],
) -> None:
    assert [state.name for state in states] == members_of(f"enum {states.__name__}")
    assert states.numbered(2) is list(states)[2]


def test_a_report_and_the_row_that_was_ruled_on(scenario: Scenario) -> None:
    chain, metered = scenario.protocol.chain, scenario.reports[0]
    view = chain.report(metered.report_id)
    assert view == ReportView(
        credits_digest=keccak(metered.credits),
        state=ReportState.SETTLED,
        platform_id=scenario.rich,
        total_units=metered.header.total,
        window_end=view.window_end,
        held_rows=1,
        config_version=1,
    )
    assert view.window_end > metered.header.period_end
    assert chain.report(bytes(32)) == ReportView(bytes(32), ReportState.NONE, 0, 0, 0, 0, 0)
    # 500 generations were reported and 300 ruled: 0.24 dollars of 0.40.
    ruled = chain.row(metered.report_id, (2, *map(int, GENERATED)))
    assert (ruled.quantity, ruled.ruled, ruled.open_claim) == (300 * UNIT, True, 0)
    assert chain.row(metered.report_id, (3, 1, 1)) == RowView(0, 0, 0, 0, 0, ruled=False)


def test_challenges_end_as_the_story_says(scenario: Scenario) -> None:
    first, fourth = map(scenario.protocol.chain.challenge, (1, 4))
    assert (first.state, fourth.state) == (ChallengeState.RULED, ChallengeState.LAPSED)
    assert first.report_id == scenario.reports[0].report_id
    assert (first.challenger, first.platform_id) == (STRANGER.address, scenario.rich)
    assert (first.reported, first.claimed) == (500 * UNIT, 300 * UNIT)


def test_licences_splits_platforms_and_counts(scenario: Scenario) -> None:
    chain = scenario.protocol.chain
    assert chain.license(1).split_id == 1
    assert [chain.received_units(split_id) for split_id in RECEIVED] == list(RECEIVED.values())
    position = chain.position(2, LABEL.address)
    assert (position.share_ppm, chain.position(2, DUO.address).share_ppm) == (350_000, 650_000)
    assert chain.position(1, LABEL.address) == PositionView(0, 0, 0)
    platform = chain.platform(scenario.poor)
    assert (platform.admin, platform.closes_at) == (POOL_PLATFORM.admin.address, 0)
    assert chain.platform(99).admin == ZERO_ADDRESS
    assert chain.escrow(99) == EscrowView(0, 0, 0, 0, 0)
    counts = chain.counts()
    assert (counts.licenses, counts.platforms) == (4, 2)
    assert isinstance(counts, Counts)
    attesters = chain.attesters()
    members = tuple(sorted((a.address for a in ATTESTERS), key=str.lower))
    assert attesters == AttesterSet(1, members, 3)


def test_a_view_at_an_earlier_block_answers_for_it(scenario: Scenario) -> None:
    acts, chain, cast = scenario.acts, scenario.protocol.chain, METERED_PLATFORM
    before = chain.web3.eth.block_number
    with acts.undone():
        platform_id = acts.platform(cast.admin, cast.reporter, 7)
        assert chain.counts().platforms == platform_id
        assert chain.counts(block=before).platforms == platform_id - 1
        assert chain.escrow(platform_id).available_units == 7
        assert chain.escrow(platform_id, block=before) == EscrowView(0, 0, 0, 0, 0)


CASES: list[tuple[int, bool, int, int, int, str | None]] = [
    # (numbers after the last, names the last, start and end in days from what is covered, rows, refusal)
    (1, True, 0, 1, 0, None),
    (1, True, 0, 1, 1, None),
    (1, True, -2, -1, 1, None),
    (1, True, -2, 0, 1, None),
    (2, True, 0, 1, 0, "SequenceInvalid"),
    (0, True, 0, 1, 0, "SequenceInvalid"),
    (1, False, 0, 1, 0, "PreviousInvalid"),
    (1, True, 1, 2, 0, "PeriodGap"),
    (1, True, -1, 1, 1, "PeriodGap"),
    (1, True, -2, -1, 0, "ZeroStatementRepeated"),
    (1, True, -31, 0, 1, None),
    (1, True, -32, 0, 1, "PeriodTooLong"),
    (1, True, -60, -59, 1, None),
    (1, True, -500, -499, 1, "PeriodTooOld"),
]


def test_the_stream_rule_refuses_what_the_contract_refuses(scenario: Scenario) -> None:
    """Whoever is taken by the stream and states rows that are not there fails at the rows, after it."""
    acts, chain, cast = scenario.acts, scenario.protocol.chain, METERED_PLATFORM
    domain = chain.domain(Contract.USAGE_ORACLE)
    with acts.undone():
        platform_id = acts.platform(cast.admin, cast.reporter, 0)
        assert chain.stream(platform_id, MODEL) == Stream()
        start, end = acts.now(), acts.wait(10)
        first = acts.report(platform_id, cast.reporter, MODEL, [], (start, end))
        acts.wait(10)
        stream = chain.stream(platform_id, MODEL)
        assert stream == Stream().after(first.header, first.report_id)
        assert stream == Stream(1, first.report_id, end)
        for ahead, names_last, begin, until, row_count, refusal in CASES:
            report = UsageReport(
                platform_id=platform_id,
                model_id=MODEL,
                sequence=stream.sequence + ahead,
                attempt=1,
                previous=stream.last if names_last else bytes(32),
                period_start=end + begin * DAY,
                period_end=end + until * DAY,
                pricing=Pricing.METERED,
                row_count=row_count,
                rows_digest=keccak(b""),
                total=0,
                evidence=bytes(32),
                deadline=FAR,
            )
            report_id = report.report_id(domain)
            message = Attestation(report_id=report_id, config_version=1)
            arguments = (
                tuple(report.model_dump().values()),
                b"",
                cast.reporter.address,
                sign(report, domain, cast.reporter),
                1,
                pack_signatures([(a.address, sign(message, domain, a)) for a in ATTESTERS[:3]]),
            )
            by_contract = None
            try:
                chain.call("UsageOracle", "submit", *arguments)
            except ContractRefused as refused:
                by_contract = refused.error
            assert by_contract == (refusal or ("RowCountMismatch" if row_count else None))
            if refusal is None:
                stream.check(report, now=acts.now())
            else:
                with pytest.raises(RefusedError):
                    stream.check(report, now=acts.now())
