"""`obbligato deployment`: which contracts, and whether they are what the manifest says."""

from __future__ import annotations

from dataclasses import asdict

from obbligato.chain.inspection import Verdict, inspect
from obbligato.cli.commands import Commands
from obbligato.cli.output import ExitCode, Result, facts, table
from obbligato.cli.session import Session

app = Commands("Show and check the contracts themselves.")


@app.command("show")
def show_deployment(session: Session) -> Result:
    """Show the manifest. Needs no node.

    \b
    Examples:
      obbligato --deployment deployments/31337.json deployment show
      obbligato deployment show --json | jq -r .contracts.LicenseRegistry.address
    """
    deployment = session.deployment()
    roles = deployment.roles
    text = facts(
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
    return Result(deployment.model_dump(mode="json", by_alias=True), text)


@app.command("check")
def check_deployment(session: Session) -> Result:
    """Compare chain id, code, links, clocks, bonds and roles with the manifest.

    A role that governance has moved since is `changed`, which is allowed. Exit code 1 if anything
    is wrong.

    \b
    Examples:
      obbligato --rpc http://127.0.0.1:8545 --deployment deployments/31337.json deployment check
      obbligato deployment check --json
    """
    checks = [asdict(check) for check in inspect(session.chain())]
    wrong = [check for check in checks if check["verdict"] is Verdict.WRONG]
    rows = [{**check, **({"expected": ""} if check["verdict"] == "ok" else {})} for check in checks]
    summary = (
        f"deployment: WRONG in {len(wrong)} of {len(checks)} checks"
        if wrong
        else f"deployment: OK, {len(checks)} checks and the code of every contract"
    )
    data = {"ok": not wrong, "checks": checks}
    code = ExitCode.NO if wrong else ExitCode.OK
    return Result(data, table(rows, "verdict what found expected"), summary, code=code)
