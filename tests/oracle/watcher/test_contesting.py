"""The watcher's challenges: what is contested, with what, and never twice."""

from __future__ import annotations

from obbligato.chain.abis import DOLLAR
from obbligato.chain.events import read_events
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import aggregate
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from oracle.watcher.findings import ChallengeStatement, FindingKind
from oracle.watcher.watcher import WatchSettings
from scripts.demo.cast import RELAY
from tests.onchain import ARTIST, DAY, DOLLARS, DUO, UNIT
from tests.oracle.watcher.conftest import CHALLENGER, USES, Scene, changed
from tests.scenario import GENERATED, PLAYED


def test_a_contested_row_is_held_once_and_a_second_run_does_nothing_more(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +3 * UNIT), scene.evidence(events))
    before = scene.challenges()
    contestation = scene.watcher(contest=True).sweep().contestations[0]

    assert contestation.challenge_id == before + 1 == scene.challenges()
    assert scene.held(report, 0)
    assert not scene.held(report, 1)
    challenge = scene.acts.chain.call("Disputes", "challengeOf", contestation.challenge_id)
    assert challenge[2] == CHALLENGER.address
    assert challenge[6:8] == (1_003 * UNIT, 1_000 * UNIT)
    assert challenge[9] == contestation.bond_units

    block = scene.acts.chain.web3.eth.block_number
    for folder in ("place", "another place"):  # going on, and starting from nothing
        again = scene.watcher(contest=True, folder=folder).sweep()
        assert [each.challenge_id for each in again.contestations] == [None]
        assert scene.acts.chain.web3.eth.block_number == block


def test_the_challenge_rests_on_a_statement_that_anybody_can_read(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 2, -UNIT), scene.evidence(events))
    scene.watcher(contest=True).sweep()
    challenged = [
        event
        for event in read_events(scene.acts.chain, contracts=("Disputes",))
        if event.name == "Challenged" and event["reportId"] == report.report_id
    ]
    data = scene.store.get(cid_from_digest(challenged[0]["evidence"]))
    assert ChallengeStatement.from_bytes(data) == ChallengeStatement(
        report_id=report.report_id,
        license_id=2,
        tier=Tier.GENERATIVE,
        metric=Metric.GENERATION,
        reported=499 * UNIT,
        by_evidence=500 * UNIT,
        evidence=report.header.evidence,
    )


def test_rows_understated_omitted_and_invented_are_each_named_and_contested(scene: Scene) -> None:
    events = scene.events(USES)
    rows = changed(aggregate(events), 0, -UNIT)
    reported = [rows[0], rows[2], Row(2, *PLAYED, 9 * UNIT)]  # without (1, played)
    report = scene.report(reported, scene.evidence(events))
    before = scene.challenges()
    sweep = scene.watcher(contest=True).sweep()
    assert [(f.kind, f.row, f.reported, f.by_evidence) for f in sweep.findings] == [
        (FindingKind.UNDERSTATED, (1, *GENERATED), 999 * UNIT, 1_000 * UNIT),
        (FindingKind.OMITTED, (1, *PLAYED), 0, 70 * UNIT),
        (FindingKind.INVENTED, (2, *PLAYED), 9 * UNIT, 0),
    ]
    assert scene.challenges() == before + 3
    assert [scene.held(report, index) for index in range(3)] == [False, False, True]


def test_bonds_stop_at_the_limit_of_the_day_and_go_on_the_next(scene: Scene) -> None:
    events = scene.events(USES)
    rows = changed(changed(aggregate(events), 0, +UNIT), 2, +UNIT)
    report = scene.report(rows, scene.evidence(events))
    minimum = scene.acts.chain.call("Disputes", "minimumChallengeBond")
    limited = WatchSettings(depth=0, most_bonds_units=minimum)
    first, second = scene.watcher(contest=True, settings=limited).sweep().contestations
    assert first.challenge_id is not None
    assert second.words.startswith("waits:")
    assert [scene.held(report, index) for index in (0, 2)] == [True, False]
    # A restart does not forget what was put up.
    assert not scene.watcher(contest=True, settings=limited).sweep().contestations[1].challenge_id
    scene.acts.wait(1)
    assert scene.watcher(contest=True, settings=limited).sweep().contestations[1].challenge_id
    assert scene.held(report, 2)


def test_an_account_without_dollars_says_what_the_bond_is(scene: Scene) -> None:
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +UNIT), scene.evidence(events))
    chain = scene.acts.chain
    balance = chain.call(DOLLAR, "balanceOf", CHALLENGER.address)
    chain.transact(CHALLENGER, DOLLAR, "transfer", RELAY.address, balance)
    before = scene.challenges()
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    assert "holds 0 units and the bond is" in contestation.words
    assert scene.challenges() == before


def test_a_window_that_ended_closes_reductions_but_not_claims_of_more(scene: Scene) -> None:
    events = scene.events(USES)
    rows = changed(changed(aggregate(events), 0, +UNIT), 2, -UNIT)
    scene.report(rows, scene.evidence(events))
    scene.acts.wait(8)
    before = scene.challenges()
    over, under = scene.watcher(contest=True).sweep().contestations
    assert over.challenge_id is None
    assert "ended at" in over.words
    assert under.challenge_id == scene.challenges() == before + 1


def test_a_small_claim_of_the_platforms_own_gives_way(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, -100 * UNIT), scene.evidence(events))
    scene.acts.dollars(DUO, 20 * DOLLARS)
    scene.acts.challenge(DUO, report, (1, *GENERATED), 901)
    before = scene.challenges()
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    assert contestation.challenge_id == before + 1


def test_a_small_reduction_by_the_rows_own_payee_gives_way_after_the_window_too(
    scene: Scene,
) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +100 * UNIT), scene.evidence(events))
    scene.acts.dollars(ARTIST, 20 * DOLLARS)
    shield = scene.acts.challenge(ARTIST, report, (1, *GENERATED), 1_099)
    scene.acts.wait(8)
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    assert contestation.challenge_id == shield + 1
    challenge = scene.acts.chain.challenge(shield + 1)
    assert (challenge.reported, challenge.claimed) == (1_100 * UNIT, 1_000 * UNIT)


def test_a_reduction_as_low_or_whose_time_is_over_is_left_to_the_arbiter(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +100 * UNIT), scene.evidence(events))
    scene.acts.dollars(ARTIST, 20 * DOLLARS)
    scene.acts.challenge(ARTIST, report, (1, *GENERATED), 1_000)
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    assert contestation.words == "as much less is claimed already"
    scene.acts.wait(14)
    (contestation,) = scene.watcher(contest=True, folder="later").sweep().contestations
    assert contestation.challenge_id is None
    assert "ended at" in contestation.words


def test_a_true_claim_that_is_open_is_not_made_twice(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, -100 * UNIT), scene.evidence(events))
    scene.acts.dollars(DUO, 20 * DOLLARS)
    scene.acts.challenge(DUO, report, (1, *GENERATED), 1_000)
    before = scene.challenges()
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    assert contestation.words == "a claim of as much is open already"
    assert scene.challenges() == before


def test_a_challenge_that_nobody_ruled_on_is_not_made_again(scene: Scene) -> None:
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, -100 * UNIT), scene.evidence(events))
    (contestation,) = scene.watcher(contest=True).sweep().contestations
    arbitration = scene.acts.chain.call("Disputes", "arbitrationPeriod")
    scene.acts.wait(arbitration // DAY + 1)
    scene.acts.chain.transact(RELAY, "Disputes", "lapse", contestation.challenge_id)
    before = scene.challenges()
    (again,) = scene.watcher(contest=True, folder="from nothing").sweep().contestations
    assert again.words == "this account challenged it before"
    assert scene.challenges() == before
