"""The gas bench: one node, one run, ourselves and the peers; then the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from scripts import toolchain
from scripts.bench import artefacts, gas, peers
from scripts.bench.chain import TRANSACTION_GAS_CAP, new_chain
from scripts.bench.protocol import DeployedProtocol
from scripts.bench.results import Outcome, Target, machine, spaced

PEER_NAMES: Final = {
    "obbligato": "Obbligato (priced, attested, challengeable)",
    "transfers": "plain ERC-20 transfers",
    "splitter": "OpenZeppelin 4.9 PaymentSplitter",
    "merkle": "Uniswap merkle distributor",
}


def run(step: gas.Step) -> Outcome:
    """Measure everything. Raises ToolchainError, or BenchError if an act of the bench fails."""
    step("compiling")
    ours, helpers = artefacts.built(), artefacts.helpers()
    with new_chain() as chain:
        step("the protocol on a new chain")
        protocol = DeployedProtocol(chain, ours, helpers["Batch"])
        version = chain.rpc("web3_clientVersion")
        figures = gas.measure(protocol, step)
        assert protocol.batch is not None
        peer_costs = peers.Peers(
            protocol, protocol.batch, helpers["PaymentSplitter"], artefacts.distributor()
        ).measure(step)
    compiler = ours.compiler()
    environment = {
        **machine(),
        "node": version,
        "hardfork": toolchain.HARDFORK,
        "solc": compiler["version"],
        "optimizer_runs": compiler["optimizer"]["runs"],
        "code_bytes": {name: ours.code_bytes(name) for name in artefacts.DEPLOYED},
    }
    return Outcome(
        figures=figures,
        peers=peer_costs,
        environment=environment,
        targets=targets(figures, peer_costs),
        tables=(rows_table(figures), peers_table(peer_costs)),
    )


def targets(
    figures: Mapping[str, int], costs: Mapping[str, Mapping[str, int]]
) -> tuple[Target, ...]:
    """The figures that have a number to reach."""
    work = f"transfers {spaced(costs['transfers']['r8_steady'])}, splitter {spaced(costs['splitter']['r8_steady'])}"
    claim = f"merkle claim of one work {spaced(costs['merkle']['claim_r8_steady'])}"
    # Independent of the number of payees: within 2 % of a row with eight.
    same = figures["row_gas_r8"] * 102 // 100
    return (
        Target("row_gas_r8", "one more row, 8 payees: submit + settle", "<=", 6_500, work),
        Target("row_gas_r1", "the same, 1 payee", "<=", same),
        Target("settle_1000_gas", "settle 1 000 rows, worst order", "<", TRANSACTION_GAS_CAP),
        Target("submit_1000_gas", "submit 1 000 rows, worst order", "<", TRANSACTION_GAS_CAP),
        Target("mint_gas", "mint", "<=", 125_000),
        Target("mint_batch_each_gas", "mintBatch, each further licence", "<=", 80_000),
        Target("claim_split_gas", "claim, each further split", "<=", 9_000, claim),
        Target("attestation_gas", "each further attestation", "<=", 7_500),
    )


def rows_table(figures: Mapping[str, int]) -> Table:
    """Gas a row of whole reports."""
    table = Table(title="Gas a row: submit + settle, whole transactions", title_justify="left")
    table.add_column("catalogue")
    for count in gas.ROWS:
        table.add_column(f"{spaced(count)} rows", justify="right")
    table.add_column("one more row", justify="right")
    labels = [f"r{payees}_{state}" for state in ("fresh", "steady") for payees in gas.PAYEES]
    for label in [*labels, "scattered_fresh", "scattered_steady"]:
        cells = []
        for count in gas.ROWS:
            parts = [
                figures[f"{act}_w{count}_{label}_gas"] // count for act in ("submit", "settle")
            ]
            cells.append(f"{spaced(sum(parts))} ({spaced(parts[0])} + {spaced(parts[1])})")
        table.add_row(label.replace("_", ", "), *cells, spaced(gas.each_row(dict(figures), label)))
    return table


def peers_table(costs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Steady gas (fresh in brackets) of 100 works."""
    title = f"{peers.WORKS} works, gas a work: steady (fresh)"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    labels = [*(f"r{payees}" for payees in peers.PAYEES), "shared"]
    for label in labels:
        heading = "the same 4 payees" if label == "shared" else f"R = {label[1:]}"
        table.add_column(heading, justify="right")
        table.add_column("with delivery", justify="right")
    table.add_column("one claim, R = 4", justify="right")
    for peer, costs_of_peer in costs.items():
        cells = []
        for label in labels:
            for prefix in ("", "delivered_"):
                steady, fresh = (
                    costs_of_peer[f"{prefix}{label}_{state}"] for state in ("steady", "fresh")
                )
                cells.append(f"{spaced(steady)} ({spaced(fresh)})")
        claim = costs_of_peer.get("claim_r4_steady")
        table.add_row(PEER_NAMES[peer], *cells, spaced(claim) if claim else "included")
    return table
