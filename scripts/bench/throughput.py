"""The throughput bench: a leader and four attesters take 100 reports of 1 000 rows to settled, one block a second."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak
from rich.table import Table

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.client import Usage
from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.protocol.constants import PPM, Role
from obbligato.protocol.splits import Payee, Split
from obbligato.store import EmbeddedStore
from scripts.bench.catalog import TERMS, mint
from scripts.bench.chain import BenchError
from scripts.bench.results import Outcome, machine
from scripts.demo.cast import METERED_PLATFORM, SOCIETY
from scripts.demo.steps import deploy, oracle_client, register_platform, report_usage
from scripts.stack import Stack, stack
from scripts.toolchain import anvil, rpc

REPORTS: Final = 100
ROWS: Final = 1_000
DAY: Final = 86_400
ESCROW: Final = 10**14
CLIENTS: Final = 4
PATIENCE_SECONDS: Final = 1_800


@dataclass(frozen=True)
class Measured:
    """Seconds from the first upload until the last report was on the chain, and then until settled."""

    on_chain: float
    settling: float
    slowest: float
    """The longest that one report took, from its submission to the chain."""
    metering: float
    """Of one report, in the leader: events to priced rows with evidence."""
    attesting: float
    """Of one report, in one attester."""
    gathering: float
    """Of one report: until a quorum of the four had answered."""


def run(step: Callable[[str], None]) -> Outcome:
    """Measure. Raises ToolchainError, BenchError."""
    with tempfile.TemporaryDirectory(prefix="obbligato-bench-") as name, anvil() as node:
        folder = Path(name)
        step("deploying")
        manifest = deploy(node.url, folder / "deployments")
        chain = Chain.connect(node.url, read_deployment(manifest))
        step(f"minting {ROWS} licences")
        mint_licenses(chain, EmbeddedStore(folder / "blocks"))
        platform_id = register_platform(chain, METERED_PLATFORM, ESCROW)
        start = blocks.latest(chain).timestamp
        rpc(node.url, "evm_increaseTime", DAY)
        rpc(node.url, "evm_setIntervalMining", 1)
        rpc(node.url, "evm_mine")
        oracle = stack(
            folder / "oracle", rpc=node.url, manifest=manifest, running=4, blocks=folder / "blocks"
        )
        with oracle as services:
            step(f"{REPORTS} reports of {ROWS} rows")
            measured = measure(chain, node.url, services, platform_id, start, folder, step)
    return outcome(measured)


def mint_licenses(chain: Chain, store: EmbeddedStore) -> None:
    """As many licences as a report has rows, each with a document; one split of three payees."""
    store.put(legal_text(TERMS))
    split = Split.of(
        Payee(
            account="0x" + hashlib.sha256(role.encode()).hexdigest()[:40], share=share, role=member
        )
        for role, share, member in (
            ("performer", 500_000, Role.PERFORMER),
            ("label", 300_000, Role.LABEL),
            ("composer", 200_000, Role.COMPOSER),
        )
    )
    mint(chain, [split], [_item(store, split, number) for number in range(ROWS)])


def _item(store: EmbeddedStore, split: Split, number: int) -> tuple[Any, ...]:
    content = hashlib.sha256(b"recording %d" % number).digest()
    recording = Recording(title=f"Recording {number}", artists=("Somebody",), content_hash=content)
    document = license_document(recording=recording, terms=TERMS)
    store.put(document.to_bytes())
    return (SOCIETY.address, TERMS.digest(), split.digest(), document.digest(), content)


def measure(
    chain: Chain,
    url: str,
    services: Stack,
    platform_id: int,
    start: int,
    folder: Path,
    step: Callable[[str], None],
) -> Measured:
    """Submit every report as fast as the leader accepts it, then let the windows pass."""
    files = [_events(folder, number, start) for number in range(REPORTS)]
    begun = time.monotonic()
    done: list[float] = []

    def report(number: int) -> str:
        url = services.leader.url
        with oracle_client(chain, url, METERED_PLATFORM, platform_id) as client:
            started = time.monotonic()
            usage = Usage(
                _model(number), start, start + DAY // 2, files=(client.upload(files[number]),)
            )
            submission = report_usage(client, platform_id, usage, patience_seconds=PATIENCE_SECONDS)
            done.append(time.monotonic() - started)
            step(f"{len(done)} of {REPORTS} reports on the chain")
            return submission.id

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(report, range(REPORTS)))
    on_chain = time.monotonic() - begun
    rpc(url, "evm_increaseTime", chain.challenge_window())
    begun = time.monotonic()
    _until_settled(chain, services, step)
    settling = time.monotonic() - begun
    return Measured(
        on_chain,
        settling,
        max(done),
        services.leader.metric("obbligato_metering_seconds_sum") / REPORTS,
        sum(each.metric("obbligato_attestation_seconds_sum") for each in services.attesters)
        / sum(each.metric("obbligato_attestation_seconds_count") for each in services.attesters),
        services.leader.metric("obbligato_gathering_seconds_sum") / REPORTS,
    )


def _until_settled(chain: Chain, services: Stack, step: Callable[[str], None]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        settled = services.leader.metric("obbligato_reports_settled_total")
        step(f"{settled:.0f} of {REPORTS} reports settled")
        if settled >= REPORTS:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"not settled:\n{services.leader.tail()}")
        time.sleep(0.2)


def _model(number: int) -> bytes:
    return keccak(b"bench model %d" % number)


def _events(folder: Path, number: int, start: int) -> Path:
    path = folder / f"events-{number}.jsonl"
    with path.open("w") as file:
        for license_id in range(1, ROWS + 1):
            event = {
                "event_id": f"{number}/{license_id}",
                "occurred_at": start + 60,
                "license_id": license_id,
                "tier": 3,
                "metric": 2,
                "units": 1 + (license_id * 7_919 + number) % 50,
                "influence_ppm": PPM,
                "model_id": "0x" + _model(number).hex(),
            }
            file.write(json.dumps(event) + "\n")
    return path


def outcome(measured: Measured) -> Outcome:
    """The figures; what it means to keep up has no number in the design."""
    figures: dict[str, int | float] = {
        "oracle_100_reports_s": round(measured.on_chain, 1),
        "oracle_100_settled_s": round(measured.settling, 1),
        "oracle_slowest_report_s": round(measured.slowest, 1),
        "oracle_metering_s": round(measured.metering, 3),
        "oracle_attesting_s": round(measured.attesting, 3),
        "oracle_gathering_s": round(measured.gathering, 3),
    }
    table = Table(title="100 reports of 1 000 rows, leader and four attesters on this machine")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    for what, seconds in (
        ("until the last is on the chain", measured.on_chain),
        ("the slowest of them", measured.slowest),
        ("once windows are over: until the last is settled", measured.settling),
        ("of one report: metering and pricing, in the leader", measured.metering),
        ("of one report: recomputing, in one attester", measured.attesting),
        ("of one report: gathering a quorum of four", measured.gathering),
    ):
        table.add_row(what, f"{seconds:.2f}")
    return Outcome(figures, {}, machine(), (), (table,))
