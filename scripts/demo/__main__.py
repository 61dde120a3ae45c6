"""`make demo`: start a chain, deploy, opt in, report, contest, settle, claim, and recompute it all.

python -m scripts.demo [--json]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from obbligato.audit.ledger import Ledger
from obbligato.audit.recompute import Recomputed, recompute
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.cli.output import money
from obbligato.errors import ObbligatoError
from obbligato.store import EmbeddedStore
from scripts.demo.steps import DemoError, deploy
from scripts.demo.story import Story, play
from scripts.stack import stack
from scripts.toolchain import ToolchainError, anvil

PRINTED = 12


def check_conservation(story: Story, ledger: Ledger) -> None:
    """Every unit that went in is in the vault or was paid out."""
    vault = story.chain.deployment.address("RoyaltyVault")
    held = story.chain.call("TestDollar", "balanceOf", vault)
    out = sum(ledger.paid.values()) + ledger.platform_paid_out
    if held + out != story.deposited:
        raise DemoError(f"{story.deposited} units went in, but {held} are held and {out} went out")
    claimed = sum(story.paid.values()) + sum(
        amount
        for amount in (ledger.paid[a] - _from_splits(story, a) for a in ledger.paid)
        if amount > 0
    )
    if claimed != sum(ledger.paid.values()):
        raise DemoError(f"claims of {claimed} units, payments of {sum(ledger.paid.values())}")


def _from_splits(story: Story, account: str) -> int:
    return sum(amount for (_, payee), amount in story.paid.items() if payee == account)


def print_payments(console: Console, story: Story) -> None:
    """Print who was paid what for which recording."""
    table = Table(title="who was paid what (the first recordings)", show_lines=False)
    table.add_column("recording", max_width=38)
    table.add_column("offer", max_width=18)
    table.add_column("earned", justify="right")
    table.add_column("paid to")
    for license_id, entry in list(story.licenses.items())[:PRINTED]:
        split_id = story.split_ids[entry.split.digest()]
        parts = [
            f"{entry.names[p.account]} ({p.role.name.lower().replace('_', ' ')}) "
            f"{money(story.paid[split_id, p.account])}"
            for p in entry.split.payees
        ]
        earned = sum(story.paid[split_id, p.account] for p in entry.split.payees)
        table.add_row(
            f"{license_id} {entry.facts.title} - {entry.facts.artist}",
            entry.offer,
            money(earned),
            ", ".join(parts),
        )
    console.print(table)


def main(arguments: list[str]) -> int:
    """Run the demo; 0 only if everything agrees to the unit."""
    as_json = "--json" in arguments
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 140)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="obbligato-demo-") as folder, anvil() as node:
        console.print(f"chain: a real EVM node at {node.url}")
        manifest = deploy(node.url, Path(folder) / "deployments")
        chain = Chain.connect(node.url, read_deployment(manifest))
        console.print(
            f"deployed and checked: {', '.join(chain.deployment.contracts)}; governor: a timelock"
        )
        store = EmbeddedStore(Path(folder) / "blocks")
        oracle = stack(
            Path(folder) / "oracle", rpc=node.url, manifest=manifest, blocks=Path(folder) / "blocks"
        )
        with oracle as services:
            console.print("oracle: a leader and three of four attesters, each a process of its own")
            story = play(chain, store, services, console, claims=True)
        result = recompute(chain, store)
        for difference in result.differences:
            console.print(f"[red]differs[/red]: {difference}")
        if result.differences:
            print(f"demo: FAILED, {len(result.differences)} differences")
            return 1
        check_conservation(story, result.ledger)
        if not as_json:
            print_payments(console, story)
        print_reports(console, story, result)
        summary = {
            "recordings": len(story.licenses),
            "payees": len({account for _, account in story.paid}),
            "reports": len(story.reports),
            "rows": sum(len(r.rows) for r in story.reports),
            "events": result.reading.events,
            "paid_units": sum(result.ledger.paid.values()),
        }
        seconds = time.monotonic() - started
        if as_json:
            print(json.dumps(summary))
        print(
            f"demo: OK {summary['recordings']} recordings, {summary['rows']} rows in {summary['reports']} reports,"
            f" {summary['payees']} payees, {money(sum(result.ledger.paid.values()))} paid, conserved to the unit,"
            f" {summary['events']} events recomputed, {seconds:.0f} s"
        )
    return 0


def print_reports(console: Console, story: Story, result: Recomputed) -> None:
    """Print the reports, the contested row and what rounding leaves."""
    for submitted in story.reports:
        console.print(
            f"{submitted.platform}: {len(submitted.rows)} rows, {money(submitted.header.total)}"
            f" {submitted.header.pricing.name}; {submitted.unlicensed} uses declared as unlicensed;"
            f" attested by {submitted.attested_by}, settled by the keeper"
        )
    ruled = story.ruling
    title = story.licenses[ruled["license"]].facts.title
    console.print(
        f"contested: licence {ruled['license']} ({title}) ruled up from {money(ruled['before'])}"
        f" to {money(ruled['after'])}"
    )
    left = sum(result.ledger.received.values()) - sum(result.ledger.claimed.values())
    console.print(f"left in splits by rounding: {left} millionths of a dollar")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        sys.exit(main(sys.argv[1:]))
    except (ObbligatoError, ToolchainError) as error:
        print(f"demo: FAILED, {error}")
        sys.exit(1)
