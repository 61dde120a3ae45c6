"""The watcher's findings: honest reports give none, every other is named for what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from obbligato.consent import LicenseBook
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import aggregate, write_chunks
from obbligato.documents.evidence import EvidenceDocument
from obbligato.documents.wording import terms_with_legal_text
from obbligato.errors import ChainError, InputError
from obbligato.metering.verification import Verified, verify
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.terms import RateCard
from obbligato.store import EmbeddedStore
from oracle.watcher import checks as checking
from oracle.watcher.findings import Finding, FindingKind
from oracle.watcher.watcher import Watcher, WatchSettings
from tests.onchain import ARTIST, UNIT, split
from tests.oracle.watcher.conftest import NOW, USES, Scene, changed, the_finding
from tests.scenario import GENERATED, OPEN, Scenario


def test_an_honest_history_gives_no_findings(scenario: Scenario, tmp_path: Path) -> None:
    chain, store = scenario.protocol.chain, scenario.protocol.store
    watcher = Watcher(chain, store, LicenseBook(chain, store), folder=tmp_path, settings=NOW)
    sweep = watcher.sweep()
    assert sweep.findings == ()
    assert sweep.contestations == ()
    assert sweep.reports == len(scenario.reports)
    assert sweep.block == chain.web3.eth.block_number


def test_a_row_overstated_by_a_millionth_is_named_and_nothing_is_sent(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    block = scene.acts.chain.web3.eth.block_number
    watcher = scene.watcher()
    sweep = watcher.sweep()
    assert the_finding(sweep) == Finding(
        report_id=report.report_id,
        kind=FindingKind.OVERSTATED,
        words="the report says 1000000001 millionths, its evidence 1000000000",
        row=(1, *GENERATED),
        reported=1_000_000_001,
        by_evidence=1_000_000_000,
    )
    minimum = scene.acts.chain.call("Disputes", "minimumChallengeBond")
    assert [(each.words, each.bond_units) for each in sweep.contestations] == [
        ("would be contested", minimum)
    ]
    assert sweep.fresh == sweep.findings
    assert watcher.sweep().fresh == ()
    assert scene.acts.chain.web3.eth.block_number == block


def test_totals_bent_to_the_report_do_not_hide_what_the_events_sum_to(scene: Scene) -> None:
    events = scene.events(USES)
    bent = changed(aggregate(events), 0, +UNIT)
    scene.report(bent, scene.evidence(events, stating=bent))
    sweep = scene.watcher().sweep()
    assert [finding.kind for finding in sweep.findings[1:]] == [FindingKind.OVERSTATED]
    assert sweep.findings[0].kind in (FindingKind.MALFORMED, FindingKind.REFUSED)
    assert sweep.findings[1].by_evidence == 1_000 * UNIT


def test_an_event_without_consent_is_named_and_its_quantity_contested(scene: Scene) -> None:
    # Minted in the middle of the period: the chain accepts the row, but not this event.
    young = scene.acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "young")
    minted = scene.acts.now()
    scene.acts.wait(1)
    scene.end = scene.acts.now()
    events = [
        *scene.events([(young, *GENERATED, 10)], at=scene.start),
        *scene.events([(young, *GENERATED, 25)], at=minted),
    ]
    scene.report(aggregate(events), scene.evidence(events))
    refused, overstated = scene.watcher().sweep().findings
    assert refused.kind in (FindingKind.REFUSED, FindingKind.MALFORMED)
    assert str(young) in refused.words
    assert overstated.kind is FindingKind.OVERSTATED
    assert (overstated.reported, overstated.by_evidence) == (35 * UNIT, 25 * UNIT)


def test_an_event_that_is_counted_twice_is_named_and_its_second_time_contested(
    scene: Scene,
) -> None:
    events = scene.events([(1, *GENERATED, 10), (2, *GENERATED, 7)])
    counted = changed(aggregate(events), 0, 10 * UNIT)
    scene.report(counted, scene.evidence([events[0], *events], stating=counted))
    refused, overstated = scene.watcher().sweep().findings
    assert refused.kind is FindingKind.REFUSED
    assert "counted more than once" in refused.words
    assert (overstated.row, overstated.by_evidence) == ((1, *GENERATED), 10 * UNIT)


def test_evidence_that_no_reader_can_read_is_named_and_others_are_checked(scene: Scene) -> None:
    events = scene.events(USES)
    scene.report(
        aggregate(events), scene.evidence(events, media_type="application/vnd.apache.parquet")
    )
    scene.start, scene.end = scene.end, scene.acts.wait(1)
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    sweep = scene.watcher().sweep()
    assert [finding.kind for finding in sweep.findings] == [
        FindingKind.MALFORMED,
        FindingKind.OVERSTATED,
    ]


def test_evidence_that_breaks_its_reader_does_not_keep_others_from_being_checked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = scene.events(USES)
    report = scene.report(aggregate(events), scene.evidence(events))
    first = scene.period
    scene.start, scene.end = scene.end, scene.acts.wait(1)
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))

    def breaking(document: EvidenceDocument, **options: Any) -> Verified:
        if document.period == first:
            raise duckdb.InternalException("a value that nobody thought of")
        return verify(document, **options)

    monkeypatch.setattr(checking, "verify", breaking)
    broken, overstated = scene.watcher().sweep().findings
    assert (broken.report_id, broken.kind) == (report.report_id, FindingKind.MALFORMED)
    assert overstated.kind is FindingKind.OVERSTATED


def test_missing_evidence_is_its_own_finding_until_somebody_has_it(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(aggregate(events), scene.evidence(events))
    cid = cid_from_digest(report.header.evidence)
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.protocol.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{cid}")
    file.unlink()
    watcher = scene.watcher(store=EmbeddedStore(elsewhere))
    sweep = watcher.sweep()
    assert the_finding(sweep).kind is FindingKind.MISSING
    assert cid in the_finding(sweep).words
    assert sweep.only_missing
    EmbeddedStore(elsewhere).put(scene.store.get(cid))
    assert watcher.sweep().findings == ()


def test_a_tampered_chunk_is_named(scene: Scene) -> None:
    events = scene.events(USES)
    (chunk,) = write_chunks(events)
    scene.report(aggregate(events), scene.evidence(events))
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.protocol.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{chunk.cid}")
    file.write_bytes(chunk.data.replace(b'"units":1000', b'"units":9000'))
    finding = the_finding(scene.watcher(store=EmbeddedStore(elsewhere)).sweep())
    assert finding.kind is FindingKind.TAMPERED
    assert chunk.cid in finding.words


def test_a_licence_above_its_influence_cap_is_told_and_never_contested(scene: Scene) -> None:
    card = RateCard(training_run=0, generation=100, playback=0, grant_fee=0)
    capped = terms_with_legal_text(
        {Tier.GENERATIVE: card}, term_days=365, flags=Flag(0), influence_cap_bps=2_500
    )
    first = scene.acts.mint(ARTIST, capped, split((ARTIST, 1_000_000)), "a quarter")
    second = scene.acts.mint(ARTIST, capped, split((ARTIST, 1_000_000)), "a little more")
    scene.start = scene.acts.now()
    scene.acts.wait(1)
    scene.end = scene.acts.now()
    # 1 000 of 4 000 is a quarter, 1 001 is above it.
    events = scene.events(
        [(1, *GENERATED, 1_999), (first, *GENERATED, 1_000), (second, *GENERATED, 1_001)]
    )
    scene.report(aggregate(events), scene.evidence(events))
    sweep = scene.watcher(contest=True).sweep()
    finding = the_finding(sweep)
    assert finding.kind is FindingKind.ABOVE_CAP
    assert finding.words.startswith(f"licence {second} has 1001000000 of 4000000000")
    assert sweep.contestations == ()


def test_a_restart_goes_on_and_a_restart_from_nothing_finds_the_same(scene: Scene) -> None:
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    first = scene.watcher().sweep()
    scene.acts.wait(1)
    later = scene.acts.now()
    scene.start, scene.end = scene.end, later
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 1, +1), scene.evidence(events))
    second = scene.watcher().sweep()
    assert second.fresh == second.findings[1:]
    assert second.findings[:1] == first.findings
    assert second.reports == 2
    whole = scene.watcher(folder="from nothing").sweep()
    assert (whole.findings, whole.reports, whole.block) == (
        second.findings,
        second.reports,
        second.block,
    )


def test_a_report_is_checked_once_enough_blocks_follow(scene: Scene) -> None:
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    watcher = scene.watcher(settings=WatchSettings(depth=3))
    for _ in range(3):
        assert watcher.sweep().findings == ()
        scene.acts.node("evm_mine")
    assert the_finding(watcher.sweep()).kind is FindingKind.OVERSTATED


def test_a_reorg_of_what_was_checked_is_checked_again(scene: Scene) -> None:
    events = scene.events(USES)
    watcher = scene.watcher()
    with scene.acts.undone():
        scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
        assert the_finding(watcher.sweep()).kind is FindingKind.OVERSTATED
    with pytest.raises(ChainError, match="does not hold block"):
        watcher.sweep()
    honest = scene.report(aggregate(events), scene.evidence(events))
    sweep = watcher.sweep()
    assert sweep.findings == ()
    assert sweep.reports == 1
    assert honest.rows == aggregate(events)


def test_a_folder_of_another_deployment_or_of_something_else_is_refused(scene: Scene) -> None:
    scene.watcher().sweep()
    file = scene.folder / "place" / "watching.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "deployment": "1/0x00"}))
    with pytest.raises(InputError, match="of another deployment"):
        scene.watcher()
    file.write_text("{")
    with pytest.raises(InputError, match="was not written by the watcher"):
        scene.watcher()
