"""The throughput bench: a leader and four attesters take 100 reports of 1 000 rows to settled, one block a second."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak
from rich.table import Table

from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.client import Expected, OracleClient, State, Usage
from obbligato.documents import Recording, legal_text, license_document, terms_with_legal_text
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import PPM, Flag, Role, Tier
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard
from obbligato.store import EmbeddedStore
from scripts.bench.chain import BenchError
from scripts.bench.results import Outcome, machine
from scripts.demo.__main__ import deploy
from scripts.demo.cast import METERED_PLATFORM, SOCIETY
from scripts.stack import Stack, stack
from scripts.toolchain import anvil, rpc

REPORTS: Final = 100
ROWS: Final = 1_000
MINTED_AT_ONCE: Final = 125
DAY: Final = 86_400
ESCROW: Final = 10**14
CLIENTS: Final = 4
PATIENCE_SECONDS: Final = 1_800
_TERMS: Final = terms_with_legal_text(
    {Tier.GENERATIVE: RateCard(training_run=0, generation=2_400, playback=40, grant_fee=0)},
    term_days=365,
    flags=Flag.POOL,
)


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
        mint(chain, EmbeddedStore(folder / "blocks"))
        platform_id = register(chain)
        start = chain.web3.eth.get_block("latest")["timestamp"]
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


def mint(chain: Chain, store: EmbeddedStore) -> None:
    """As many licences as a report has rows, each with a document; one split of three payees."""
    store.put(legal_text(_TERMS))
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
    cards = [tuple(card.model_dump().values()) for card in _TERMS.rates]
    head = (_TERMS.tiers, _TERMS.term_days, _TERMS.flags, _TERMS.influence_cap_bps)
    chain.transact(SOCIETY, "LicenseRegistry", "internTerms", (*head, cards, _TERMS.text_digest))
    payees = [(payee.account, payee.share, int(payee.role)) for payee in split.payees]
    chain.transact(SOCIETY, "RoyaltyVault", "internSplit", payees)
    items = [_item(store, split, number) for number in range(ROWS)]
    for some in _batches(items):
        chain.transact(SOCIETY, "LicenseRegistry", "mintBatch", some)


def _batches(items: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    for first in range(0, len(items), MINTED_AT_ONCE):
        yield items[first : first + MINTED_AT_ONCE]


def _item(store: EmbeddedStore, split: Split, number: int) -> tuple[Any, ...]:
    content = hashlib.sha256(b"recording %d" % number).digest()
    recording = Recording(title=f"Recording {number}", artists=("Somebody",), content_hash=content)
    document = license_document(recording=recording, terms=_TERMS)
    store.put(document.to_bytes())
    return (SOCIETY.address, _TERMS.digest(), split.digest(), document.digest(), content)


def register(chain: Chain) -> int:
    """A platform with escrow for everything."""
    plan = METERED_PLATFORM
    bond = chain.call("RoyaltyVault", "minimumBond")
    chain.transact(SOCIETY, DOLLAR, "mint", plan.admin.address, bond + ESCROW)
    vault = chain.deployment.address("RoyaltyVault")
    chain.transact(plan.admin, DOLLAR, "approve", vault, bond + ESCROW)
    chain.transact(plan.admin, "RoyaltyVault", "registerPlatform", [plan.reporter.address], bond)
    platform_id = int(chain.call("RoyaltyVault", "platformCount"))
    chain.transact(plan.admin, "RoyaltyVault", "deposit", platform_id, ESCROW)
    return platform_id


def measure(
    chain: Chain,
    url: str,
    services: Stack,
    platform_id: int,
    start: int,
    folder: Path,
    step: Callable[[str], None],
) -> Measured:
    """Hand in every report as fast as it is taken, then let the windows pass."""
    files = [_events(folder, number, start) for number in range(REPORTS)]
    begun = time.monotonic()
    done: list[float] = []

    def report(number: int) -> str:
        with _client(chain, services, platform_id) as client:
            sent_at = time.monotonic()
            usage = Usage(
                _model(number), start, start + DAY // 2, files=(client.upload(files[number]),)
            )
            sent = client.submit(usage)
            metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE_SECONDS)
            client.sign(metered, Expected(platform_id, usage))
            taken = client.wait(sent.id, State.CHALLENGEABLE, timeout_seconds=PATIENCE_SECONDS)
            if taken.state is not State.CHALLENGEABLE:
                raise BenchError(f"a report is {taken.state}: {taken.waiting or taken.problem}")
            done.append(time.monotonic() - sent_at)
            step(f"{len(done)} of {REPORTS} reports on the chain")
            return sent.id

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(report, range(REPORTS)))
    on_chain = time.monotonic() - begun
    rpc(url, "evm_increaseTime", chain.call("UsageOracle", "challengeWindow"))
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


def _client(chain: Chain, services: Stack, platform_id: int) -> OracleClient:
    return OracleClient(
        services.leader.url,
        platform_id=platform_id,
        chain_id=chain.deployment.chain_id,
        oracle=chain.deployment.address("UsageOracle"),
        signer=LocalSigner(METERED_PLATFORM.reporter.key),
    )


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
