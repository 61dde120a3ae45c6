"""The watcher against real reports: honest ones, and ones that say something else than their evidence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from eth_hash.auto import keccak
from typer.testing import CliRunner

from obbligato.chain.abis import DOLLAR
from obbligato.cli.session import Session
from obbligato.documents import (
    EventChunk,
    EvidenceDocument,
    Period,
    PublicUsageEvent,
    UsageEvent,
    aggregate,
    cid_from_digest,
    evidence_document,
    public_form,
    terms_with_legal_text,
    write_chunks,
)
from obbligato.documents.evidence import MediaType
from obbligato.errors import ChainError, InputError
from obbligato.keys import LocalSigner, create_keystore
from obbligato.ledger.events import read_events
from obbligato.licensing import LicenseBook
from obbligato.metering.verification import Verified, verify
from obbligato.rules.quorum import pack_signatures
from obbligato.rules.rows import Row, pack_rows
from obbligato.rules.terms import RateCard
from obbligato.store import ContentStore, EmbeddedStore
from obbligato.typed_data import Attestation, Contract, UsageReport, sign
from obbligato.words import Flag, Metric, Pricing, Tier
from oracle.watching import ChallengeStatement, Finding, Kind, Watcher, WatchSettings, checking
from oracle.watching.cli import watch
from oracle.watching.watcher import Sweep
from scripts.demo.cast import ATTESTERS, METERED_PLATFORM, RELAY
from tests.onchain import ARTIST, DAY, DOLLARS, DUO, FAR, LABEL, UNIT, Acts, Report, split
from tests.story import GENERATED, MODEL, OPEN, PLAYED, Told

CHALLENGER = LABEL
NOW = WatchSettings(depth=0)
SALT = keccak(b"a salt of the watcher's tests")
USES = [(1, *GENERATED, 1_000), (1, *PLAYED, 70), (2, *GENERATED, 500)]
"""Licences of the story: (licence, tier, metric, whole units)."""


@dataclass
class Scene:
    """A platform that reports what it likes, with everybody's signature."""

    acts: Acts
    platform_id: int
    start: int
    end: int
    folder: Path
    first_block: int

    @property
    def period(self) -> Period:
        return Period(start=self.start, end=self.end)

    @property
    def store(self) -> EmbeddedStore:
        return self.acts.house.store

    def watcher(
        self,
        *,
        contest: bool = False,
        store: ContentStore | None = None,
        settings: WatchSettings = NOW,
        folder: str = "place",
    ) -> Watcher:
        """A watcher of the reports of this scene alone, with a book of its own."""
        chain, kept = self.acts.chain, store or self.store
        signer = LocalSigner(bytes(CHALLENGER.key)) if contest else None
        begins = settings.from_block or self.first_block
        return Watcher(
            chain,
            kept,
            LicenseBook(chain, kept),
            folder=self.folder / folder,
            contest=signer,
            settings=replace(settings, from_block=begins),
        )

    def events(
        self, uses: Sequence[tuple[int, Tier, Metric, int]], at: int | None = None
    ) -> list[PublicUsageEvent]:
        """One event a use, all at one moment (the start of the period)."""
        moment = self.start if at is None else at
        return [
            public_form(
                UsageEvent(
                    event_id=f"event {number} at {moment}",
                    occurred_at=moment,
                    license_id=license_id,
                    tier=tier,
                    metric=metric,
                    units=units,
                    influence_ppm=1_000_000,
                    model_id=MODEL,
                ),
                salt=SALT,
                boundaries=[moment],
            )
            for number, (license_id, tier, metric, units) in enumerate(uses)
        ]

    def evidence(
        self,
        events: Sequence[PublicUsageEvent],
        *,
        stating: Sequence[Row] | None = None,
        media_type: MediaType = "application/x-ndjson",
    ) -> bytes:
        """Store the evidence of these events; its digest.

        `stating`: totals of other rows; `media_type`: what the chunks, which are lines, are said to be.
        """
        chunks = list(write_chunks(events))
        document = evidence_document(
            platform_id=self.platform_id,
            model_id=MODEL,
            period=self.period,
            salt=SALT,
            chunks=[
                EventChunk.of(chunk).model_copy(update={"media_type": media_type})
                for chunk in chunks
            ],
            rows=aggregate(events) if stating is None else stating,
        )
        for block in [*(chunk.data for chunk in chunks), document.to_bytes()]:
            self.store.put(block)
        return document.digest()

    def report(self, rows: Sequence[Row], evidence: bytes) -> Report:
        """Submit these rows with this evidence, whether they belong together or not."""
        chain, packed = self.acts.chain, pack_rows(rows)
        credits_, total, _ = chain.call(
            "LicenseRegistry", "price", packed, self.start, self.end, int(Pricing.METERED), 0
        )
        last, sequence, _ = chain.call("UsageOracle", "streamOf", self.platform_id, MODEL)
        header = UsageReport(
            platform_id=self.platform_id,
            model_id=MODEL,
            sequence=sequence + 1,
            attempt=1,
            previous=bytes(last),
            period_start=self.start,
            period_end=self.end,
            pricing=Pricing.METERED,
            row_count=len(rows),
            rows_digest=keccak(packed),
            total=total,
            evidence=evidence,
            deadline=FAR,
        )
        domain = chain.domain(Contract.USAGE_ORACLE)
        message = Attestation(report_id=header.digest(domain), config_version=1)
        reporter = METERED_PLATFORM.reporter
        chain.transact(
            RELAY,
            "UsageOracle",
            "submit",
            tuple(header.model_dump().values()),
            packed,
            reporter.address,
            sign(header, domain, reporter),
            1,
            pack_signatures([(a.address, sign(message, domain, a)) for a in ATTESTERS[:3]]),
        )
        return Report(header, message.report_id, list(rows), bytes(credits_))

    def held(self, report: Report, index: int) -> bool:
        return bool(self.acts.chain.call("UsageOracle", "isHeld", report.report_id, index))

    def challenges(self) -> int:
        return int(self.acts.chain.call("Disputes", "challengeCount"))


@pytest.fixture
def scene(told: Told, tmp_path: Path) -> Iterator[Scene]:
    acts = Acts(told.house)
    with acts.undone():
        first_block = acts.chain.web3.eth.block_number + 1
        platform = METERED_PLATFORM
        platform_id = acts.platform(platform.admin, platform.reporter, 100 * DOLLARS)
        start = acts.now()
        acts.wait(1)
        acts.dollars(CHALLENGER, 50 * DOLLARS)
        yield Scene(acts, platform_id, start, acts.now(), tmp_path, first_block)


def changed(rows: Sequence[Row], position: int, by: int) -> list[Row]:
    """The rows with one quantity another."""
    row = rows[position]
    return [*rows[:position], replace(row, quantity=row.quantity + by), *rows[position + 1 :]]


def the_finding(sweep: Sweep) -> Finding:
    assert len(sweep.findings) == 1, [str(finding) for finding in sweep.findings]
    return sweep.findings[0]


def test_an_honest_history_gives_no_findings(told: Told, tmp_path: Path) -> None:
    chain, store = told.house.chain, told.house.store
    watcher = Watcher(chain, store, LicenseBook(chain, store), folder=tmp_path, settings=NOW)
    sweep = watcher.sweep()
    assert sweep.findings == ()
    assert sweep.contestations == ()
    assert sweep.reports == len(told.reports)
    assert sweep.block == chain.web3.eth.block_number


def test_a_row_overstated_by_a_millionth_is_named_and_nothing_is_sent(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    block = scene.acts.chain.web3.eth.block_number
    watcher = scene.watcher()
    sweep = watcher.sweep()
    assert the_finding(sweep) == Finding(
        report_id=report.report_id,
        kind=Kind.OVERSTATED,
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
        (Kind.UNDERSTATED, (1, *GENERATED), 999 * UNIT, 1_000 * UNIT),
        (Kind.OMITTED, (1, *PLAYED), 0, 70 * UNIT),
        (Kind.INVENTED, (2, *PLAYED), 9 * UNIT, 0),
    ]
    assert scene.challenges() == before + 3
    assert [scene.held(report, index) for index in range(3)] == [False, False, True]


def test_totals_bent_to_the_report_do_not_hide_what_the_events_sum_to(scene: Scene) -> None:
    events = scene.events(USES)
    bent = changed(aggregate(events), 0, +UNIT)
    scene.report(bent, scene.evidence(events, stating=bent))
    sweep = scene.watcher().sweep()
    assert [finding.kind for finding in sweep.findings[1:]] == [Kind.OVERSTATED]
    assert sweep.findings[0].kind in (Kind.MALFORMED, Kind.REFUSED)
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
    assert refused.kind in (Kind.REFUSED, Kind.MALFORMED)
    assert str(young) in refused.words
    assert overstated.kind is Kind.OVERSTATED
    assert (overstated.reported, overstated.by_evidence) == (35 * UNIT, 25 * UNIT)


def test_an_event_that_is_counted_twice_is_named_and_its_second_time_contested(
    scene: Scene,
) -> None:
    events = scene.events([(1, *GENERATED, 10), (2, *GENERATED, 7)])
    counted = changed(aggregate(events), 0, 10 * UNIT)
    scene.report(counted, scene.evidence([events[0], *events], stating=counted))
    refused, overstated = scene.watcher().sweep().findings
    assert refused.kind is Kind.REFUSED
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
    assert [finding.kind for finding in sweep.findings] == [Kind.MALFORMED, Kind.OVERSTATED]


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
    assert (broken.report_id, broken.kind) == (report.report_id, Kind.MALFORMED)
    assert overstated.kind is Kind.OVERSTATED


def test_missing_evidence_is_its_own_finding_until_somebody_has_it(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(aggregate(events), scene.evidence(events))
    cid = cid_from_digest(report.header.evidence)
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.house.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{cid}")
    file.unlink()
    watcher = scene.watcher(store=EmbeddedStore(elsewhere))
    sweep = watcher.sweep()
    assert the_finding(sweep).kind is Kind.MISSING
    assert cid in the_finding(sweep).words
    assert sweep.only_missing
    EmbeddedStore(elsewhere).put(scene.store.get(cid))
    assert watcher.sweep().findings == ()


def test_a_tampered_chunk_is_named(scene: Scene) -> None:
    events = scene.events(USES)
    (chunk,) = write_chunks(events)
    scene.report(aggregate(events), scene.evidence(events))
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.house.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{chunk.cid}")
    file.write_bytes(chunk.data.replace(b'"units":1000', b'"units":9000'))
    finding = the_finding(scene.watcher(store=EmbeddedStore(elsewhere)).sweep())
    assert finding.kind is Kind.TAMPERED
    assert chunk.cid in finding.words


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
    assert finding.kind is Kind.ABOVE_CAP
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
    assert the_finding(watcher.sweep()).kind is Kind.OVERSTATED


def test_a_reorg_of_what_was_checked_is_checked_again(scene: Scene) -> None:
    events = scene.events(USES)
    watcher = scene.watcher()
    with scene.acts.undone():
        scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
        assert the_finding(watcher.sweep()).kind is Kind.OVERSTATED
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


# ---- the command


def run(scene: Scene, *arguments: str, store: Path | None = None) -> tuple[int, str]:
    """The command's exit code and output."""
    app = typer.Typer()
    app.command()(watch)
    house = scene.acts.house
    begins = str(scene.first_block)
    fixed = ["--once", "--depth", "0", "--from-block", begins, "--folder", str(scene.folder / "c")]
    result = CliRunner().invoke(
        app,
        [*fixed, *arguments],
        obj=Session(house.url, house.manifest, store or house.folder, ()),
        catch_exceptions=False,
    )
    return result.exit_code, result.stdout


def test_the_command_tells_by_its_exit_code_what_it_found(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(aggregate(events), scene.evidence(events))
    assert run(scene)[0] == 0
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.house.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{cid_from_digest(report.header.evidence)}")
    file.unlink()
    assert run(scene, "--folder", str(scene.folder / "d"), store=elsewhere)[0] == 3
    scene.start, scene.end = scene.end, scene.acts.wait(1)
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    code, output = run(scene, "--json")
    assert code == 1
    (finding,) = json.loads(output)["findings"]
    assert finding["kind"] == "overstated"
    assert finding["row"] == [1, 3, 2]
    assert finding["contest"]["words"] == "would be contested"


def test_the_command_contests_with_a_keystore_and_not_without(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    with pytest.raises(InputError, match="--keystore"):
        run(scene, "--contest")
    keystore, password = scene.folder / "key.json", scene.folder / "password"
    password.write_text("of the tests alone\n")
    password.chmod(0o600)
    address = create_keystore(keystore, "of the tests alone")
    chain = scene.acts.chain
    chain.transact(RELAY, DOLLAR, "mint", address, 20 * DOLLARS)
    scene.acts.node("anvil_setBalance", address, hex(10**18))
    signing = ("--contest", "--keystore", str(keystore), "--password-file", str(password))
    code, output = run(scene, *signing, "--most-bonds", "10")
    assert code == 1
    assert "challenge " in output
    assert scene.held(report, 0)
