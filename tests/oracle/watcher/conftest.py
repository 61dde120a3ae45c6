"""A platform that reports what it likes, whatever its evidence says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from obbligato.consent import LicenseBook
from obbligato.documents.events import (
    PublicUsageEvent,
    UsageEvent,
    aggregate,
    public_form,
    write_chunks,
)
from obbligato.documents.evidence import EventChunk, MediaType, Period, evidence_document
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport, sign
from obbligato.store import ContentStore, EmbeddedStore
from oracle.watcher.findings import Finding
from oracle.watcher.watcher import Sweep, Watcher, WatchSettings
from scripts.demo.cast import ATTESTERS, METERED_PLATFORM, RELAY
from tests.onchain import DOLLARS, FAR, LABEL, Acts, Report
from tests.scenario import GENERATED, MODEL, PLAYED, Scenario

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
        return self.acts.protocol.store

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
        stream = chain.stream(self.platform_id, MODEL)
        header = UsageReport(
            platform_id=self.platform_id,
            model_id=MODEL,
            sequence=stream.sequence + 1,
            attempt=1,
            previous=stream.last,
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
def scene(scenario: Scenario, tmp_path: Path) -> Iterator[Scene]:
    acts = Acts(scenario.protocol)
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
