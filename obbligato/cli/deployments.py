"""`obbligato deployment`: which contracts, and whether they are what the manifest says."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console

from obbligato.chain.inspection import Verdict, inspect
from obbligato.cli.output import AsJson, ExitCode, facts, show, table
from obbligato.cli.session import session

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Show and check the contracts themselves."
)


@app.command("show")
def show_deployment(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what the manifest says; no node is asked.

    \b
    Examples:
      obbligato --deployment deployments/31337.json deployment show
      obbligato deployment show --json | jq -r .contracts.LicenseRegistry.address
    """
    deployment = session(context).deployment()

    def render(console: Console) -> None:
        roles = deployment.roles
        console.print(
            facts(
                [
                    ("chain", f"{deployment.chain_id} ({deployment.network})"),
                    ("first block", deployment.block),
                    ("token", deployment.token),
                    *((name, each.address) for name, each in deployment.contracts.items()),
                    ("governor", roles.governor),
                    ("guardian", roles.guardian),
                    ("arbiter", roles.arbiter),
                    *(("attester", account) for account in roles.attesters),
                    *((name, number) for name, number in deployment.parameters.items()),
                    ("compiler", deployment.compiler.version),
                ]
            )
        )

    show(deployment.model_dump(mode="json", by_alias=True), as_json=as_json, render=render)


@app.command("check")
def check_deployment(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare chain id, code, links, clocks, bonds and roles with the manifest.

    A role that governance has moved since is `changed`, which is allowed. Exit code 1 if anything
    is wrong.

    \b
    Examples:
      obbligato --rpc http://127.0.0.1:8545 --deployment deployments/31337.json deployment check
      obbligato deployment check --json
    """
    checks = list(inspect(session(context).chain()))
    wrong = [check for check in checks if check.verdict is Verdict.WRONG]

    def render(console: Console) -> None:
        rows = [
            (c.verdict, c.what, c.found, "" if c.verdict == "ok" else c.expected) for c in checks
        ]
        console.print(table(("", "what", "found", "expected"), rows))
        console.print(
            f"deployment: WRONG in {len(wrong)} of {len(checks)} checks"
            if wrong
            else f"deployment: OK, {len(checks)} checks and the code of every contract"
        )

    show(
        {"ok": not wrong, "checks": [asdict(check) for check in checks]},
        as_json=as_json,
        render=render,
    )
    if wrong:
        raise typer.Exit(ExitCode.NO)
