"""The index bench: backfill of a real deployment's events, from a real node into SQLite.

Every event is emitted by the contracts on a node of the bench's own; nothing is generated in its place. The mix is
that of a young deployment: many licences with splits, some deposits and claims, and reports whose single events
carry hundreds of rows. Logs are fetched, decoded, applied to the read models and committed within the time.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak
from rich.table import Table
from sqlalchemy import func, select

from backend.db.index_db import Earning, IndexDatabase, RawEvent, ReportRow
from backend.indexer.sync import Index
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.protocol.constants import PPM, Metric, Pricing, Role, Tier
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport, sign
from scripts.bench.catalog import TERMS, mint
from scripts.bench.chain import BenchError
from scripts.bench.results import Outcome, Target, machine, spaced
from scripts.demo.cast import ATTESTERS, METERED_PLATFORM, RELAY, SOCIETY
from scripts.demo.steps import deploy, register_platform
from scripts.toolchain import anvil, rpc

LICENSES: Final = 6_000
SPLITS: Final = 600
REPORTS: Final = 20
ROWS: Final = 500
DEPOSITS: Final = 100
CLAIMS: Final = 200
RUNS: Final = 3
ESCROW: Final = 10**13
DAY: Final = 86_400
FAR: Final = 2**40 - 1


@dataclass(frozen=True)
class Measured:
    """One backfill: what was read, and the seconds that it took."""

    events: int
    rows: int
    earnings: int
    seconds: float


def run(step: Callable[[str], None]) -> Outcome:
    """Build the chain once, then backfill it several times; the run in the middle counts."""
    with tempfile.TemporaryDirectory(prefix="obbligato-bench-") as name, anvil() as node:
        folder = Path(name)
        step("deploying")
        chain = Chain.connect(node.url, read_deployment(deploy(node.url, folder / "deployments")))
        make_history(chain, node.url, step)
        runs = []
        for number in range(RUNS):
            step(f"backfill {number + 1} of {RUNS}")
            runs.append(backfill(chain, folder / f"{number}.db"))
    return outcome(sorted(runs, key=lambda each: each.seconds)[RUNS // 2])


def backfill(chain: Chain, path: Path) -> Measured:
    """Index everything into a new database. Raises BenchError where events are missing."""
    database = IndexDatabase(f"sqlite:///{path}")
    try:
        index = Index(database, chain, finality=0)
        began = time.perf_counter()
        synced = index.sync()
        seconds = time.perf_counter() - began
        with database.reading() as session:
            events, rows, earnings = (
                session.scalar(select(func.count()).select_from(table)) or 0
                for table in (RawEvent, ReportRow, Earning)
            )
    finally:
        database.close()
    if events != synced.events or rows != REPORTS * ROWS or earnings != rows:
        raise BenchError(f"{events} events, {rows} rows and {earnings} earnings were indexed")
    return Measured(events, rows, earnings, seconds)


def outcome(measured: Measured) -> Outcome:
    """The figure, and what it was measured with."""
    table = Table(title="Backfill into SQLite, one process", title_justify="left")
    for column in ("events", "report rows", "earnings", "seconds"):
        table.add_column(column, justify="right")
    counts = (measured.events, measured.rows, measured.earnings)
    table.add_row(*map(spaced, counts), f"{measured.seconds:.2f}")
    return Outcome(
        figures={"index_events_per_s": round(measured.events / measured.seconds)},
        peers={},
        environment=machine(),
        targets=(Target("index_events_per_s", "index backfill, events a second", ">=", 3_000),),
        tables=(table,),
    )


# ---- the history


def make_history(chain: Chain, url: str, step: Callable[[str], None]) -> None:
    """Licences, a platform, reports that are settled, deposits and claims."""
    splits = [_split(number) for number in range(SPLITS)]
    step(f"minting {spaced(LICENSES)} licences")
    mint(chain, splits, _items(splits))
    platform_id = register_platform(chain, METERED_PLATFORM, ESCROW, more=DEPOSITS)
    start = blocks.latest(chain).timestamp
    rpc(url, "evm_increaseTime", DAY)
    rpc(url, "evm_mine")
    settling = []
    for number in range(REPORTS):
        step(f"report {number + 1} of {REPORTS}")
        settling.append(_report(chain, platform_id, number, (start, start + DAY // 2)))
    rpc(url, "evm_increaseTime", DAY + chain.challenge_window())
    rpc(url, "evm_mine")
    for number, (report_id, paid) in enumerate(settling):
        step(f"settling {number + 1} of {REPORTS}")
        chain.transact(RELAY, "UsageOracle", "settle", report_id, paid)
    step("deposits and claims")
    for _ in range(DEPOSITS):
        chain.transact(METERED_PLATFORM.admin, "RoyaltyVault", "deposit", platform_id, 1)
    for split_id, split in enumerate(splits[:CLAIMS], start=1):
        payee = split.payees[0].account
        chain.transact(RELAY, "RoyaltyVault", "claim", payee, [split_id])


def _split(number: int) -> Split:
    """Three payees, of whom one is in every split."""
    return Split.of(
        Payee(account=account, share=share, role=role)
        for account, share, role in (
            (SOCIETY.address, 200_000, Role.PUBLISHER),
            (_account(f"performer {number}"), 500_000, Role.PERFORMER),
            (_account(f"composer {number}"), 300_000, Role.COMPOSER),
        )
    )


def _account(name: str) -> str:
    return "0x" + hashlib.sha256(name.encode()).hexdigest()[:40]


def _items(splits: Sequence[Split]) -> list[tuple[Any, ...]]:
    digests = [split.digest() for split in splits]
    return [
        (SOCIETY.address, TERMS.digest(), digests[number % SPLITS], content, content)
        for number, content in enumerate(_contents(LICENSES))
    ]


def _contents(count: int) -> Iterator[bytes]:
    return (hashlib.sha256(b"recording %d" % number).digest() for number in range(count))


def _report(
    chain: Chain, platform_id: int, number: int, period: tuple[int, int]
) -> tuple[bytes, bytes]:
    """Submit one report, each of a model of its own; its id and its credits."""
    step = LICENSES // ROWS
    rows = [
        Row(1 + step * at + number % step, Tier.GENERATIVE, Metric.GENERATION, PPM * (at + 1))
        for at in range(ROWS)
    ]
    packed, model = pack_rows(rows), keccak(b"bench model %d" % number)
    paid, total, _ = chain.call(
        "LicenseRegistry", "price", packed, *period, int(Pricing.METERED), 0
    )
    header = UsageReport(
        platform_id=platform_id,
        model_id=model,
        sequence=1,
        attempt=1,
        previous=bytes(32),
        period_start=period[0],
        period_end=period[1],
        pricing=Pricing.METERED,
        row_count=len(rows),
        rows_digest=keccak(packed),
        total=total,
        evidence=keccak(b"evidence"),
        deadline=FAR,
    )
    domain = chain.domain(Contract.USAGE_ORACLE)
    report_id = header.digest(domain)
    message = Attestation(report_id=report_id, config_version=1)
    reporter = METERED_PLATFORM.reporter
    attested = pack_signatures([(a.address, sign(message, domain, a)) for a in ATTESTERS[:3]])
    chain.transact(
        RELAY,
        "UsageOracle",
        "submit",
        tuple(header.model_dump().values()),
        packed,
        reporter.address,
        sign(header, domain, reporter),
        1,
        attested,
    )
    return report_id, bytes(paid)
