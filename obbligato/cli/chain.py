"""`obbligato deployment|report|quote|payee|recompute`: what the chain says, and whether it follows the rules."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from obbligato.audit.compare import DifferenceKind, Outcome
from obbligato.audit.recompute import recompute
from obbligato.audit.statements import (
    credited_rows,
    find_report,
    payee_statement,
    report_statement,
    report_summary,
)
from obbligato.chain.inspection import Verdict, inspect
from obbligato.chain.quote import has_grant, quote
from obbligato.cli.commands import Commands
from obbligato.cli.options import (
    Account,
    End,
    Grantee,
    Price,
    Session,
    Start,
    parse_period,
    write_file,
)
from obbligato.cli.output import (
    ExitCode,
    Result,
    facts,
    facts_of,
    moment,
    money,
    progress,
    table,
    warn,
)
from obbligato.documents.clear_signing import descriptor
from obbligato.documents.file_inputs import read_rows
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import Pricing
from obbligato.protocol.eip712 import Contract
from obbligato.protocol.types import checked_address

deployment_app = Commands("Show and check the contracts themselves.")


@deployment_app.command("show")
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


@deployment_app.command("check")
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


@deployment_app.command("wallets")
def describe_for_wallets(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files are put.")],
) -> Result:
    """Write how wallets show what is signed: an ERC-7730 descriptor for each contract.

    A wallet that has them shows prices in dollars, shares in per cent, uses and roles by name. Needs
    no node. Hand the files to the makers of wallets, or load them into a wallet that takes its own.

    \b
    Examples:
      obbligato --deployment deployments/31337.json deployment wallets clear-signing
      obbligato deployment wallets clear-signing --json | jq -r '.[]'
    """
    deployment = session.deployment()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}", field="FOLDER") from error
    written = []
    for contract in Contract:
        name = contract.value.removeprefix("Obbligato ")
        address = deployment.address(name)
        described = descriptor(contract, deployment.chain_id, address, deployment.token)
        path = folder / f"{name}-{deployment.chain_id}.json"
        write_file(path, json.dumps(described, indent=2).encode() + b"\n", field="FOLDER")
        written.append(str(path))
    return Result(written, "\n".join(written))


report_app = Commands("List and show reports.")


@report_app.command("list")
def list_reports(session: Session) -> Result:
    """List every report the chain accepted, in order.

    \b
    Examples:
      obbligato report list
      obbligato report list --json | jq '.reports[] | select(.state == "pending")'
    """
    reading = session.reading(session.chain())
    reports = [report_summary(report) for report in reading.ledger.reports.values()]
    return Result(
        {"block": reading.block, "reports": reports},
        table(
            reports,
            "report_id state platform_id period_start period_end pricing row_count total_units",
        ),
    )


@report_app.command("show")
def show_report(
    session: Session,
    report_id: Annotated[
        str, typer.Argument(metavar="ID", help="The report's id, or how it begins.")
    ],
) -> Result:
    """Show one report: its header, every row with its credit, its challenges.

    \b
    Examples:
      obbligato report show 0x5f3a9c
      obbligato report show 0x5f3a9c --json | jq '.rows | map(.amount_units) | add'
    """
    reading = session.reading(session.chain())
    data = report_statement(reading.ledger, find_report(reading.ledger, report_id))
    header = facts(
        [
            ("report", data["report_id"]),
            ("state", data["state"]),
            ("platform", f"{data['platform_id']}, by {data['reporter']}"),
            ("model", data["model_id"]),
            ("number", data["sequence"]),
            ("period", f"{moment(data['period_start'])} to {moment(data['period_end'])}"),
            ("window ends", moment(data["window_end"])),
            ("evidence", data["evidence"]),
            ("total", f"{money(data['total_units'])} {data['pricing']}"),
            ("settled", money(data["settled_units"])),
            ("by rulings", money(data["ruled_units"])),
        ]
    )
    rows = [{**row, "note": "held" if row["held"] else ""} for row in data["rows"]]
    challenges = [_challenge_line(each) for each in data["challenges"]]
    data = {"block": reading.block, **data}
    return Result(
        data,
        header,
        "",
        table(rows, "row license_id tier metric quantity split_id amount_units note"),
        *challenges,
    )


def _challenge_line(challenge: dict[str, Any]) -> str:
    ruled = challenge["ruled_quantity"]
    return (
        f"challenge {challenge['challenge_id']} of licence {challenge['license_id']} "
        f"{challenge['tier']} {challenge['metric']}: {challenge['reported_quantity']} reported, "
        f"{challenge['claimed_quantity']} claimed, {'not ruled' if ruled is None else f'ruled {ruled}'}, "
        f"{'open' if challenge['open'] else 'closed'}"
    )


def quote_rows(
    session: Session,
    rows_file: Annotated[
        Path, typer.Argument(metavar="ROWS", help="A .csv or .jsonl file of usage rows.")
    ],
    start: Start,
    end: End,
    price: Price,
    grantee: Grantee,
) -> Result:
    """Price usage rows as the registry would; nothing is sent. A refusal names the first bad row.

    Columns: license_id,tier,metric,quantity. Tiers and metrics by number or name, quantities in
    millionths of a unit, rows in ascending order of licence, tier and metric, counted from 0.

    \b
    Examples:
      obbligato quote rows.csv --start 2026-01-01T00:00:00Z --end 2026-02-01T00:00:00Z
      obbligato quote rows.jsonl --pricing POOL --total 40000000000 --start 1767225600 --end 1769904000
    """
    kind, holder = price.kind(), grantee.parse()
    if (kind is Pricing.POOL) != (price.total is not None):
        raise InputError("--total is what a POOL shares: give it with POOL, and only then")
    first, last = parse_period(start, end)
    rows = read_rows(rows_file)
    chain = session.chain()
    quoted = quote(chain, rows, pricing=kind, total=price.total or 0, start=first, end=last)
    if holder is not None:
        platform, model_id = holder
        for number in quoted.grants_needed:
            row = rows[number]
            if not has_grant(
                chain, row, platform_id=platform, model_id=model_id, start=first, end=last
            ):
                raise RefusedError(
                    f"licence {row.license_id} asks for a grant for {row.tier.name}, and platform "
                    f"{platform} has none for this model and period: buy one",
                    row=number,
                )
    priced = [
        {**row, "grant_needed": row["row"] in quoted.grants_needed}
        for row in credited_rows(rows, quoted.credits)
    ]
    noted = [{**each, "note": "needs a grant" if each["grant_needed"] else ""} for each in priced]
    return Result(
        {"pricing": kind.name, "total_units": quoted.total, "rows": priced},
        table(noted, "row license_id tier metric quantity amount_units note"),
        f"quote: {money(quoted.total)} {kind.name} for {len(rows)} rows",
    )


payee_app = Commands("Show what payees may claim.")


@payee_app.command("claimable")
def claimable(session: Session, account: Account) -> Result:
    """Show an account's splits, what it may claim, its refunds, and what it was paid.

    Computed from the events by the rules, and compared with what the vault would pay.

    \b
    Examples:
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --json
    """
    checked_address(account)
    chain = session.chain()
    reading = session.reading(chain)
    statement = payee_statement(reading.ledger, account)
    payee, split_ids = statement["account"], [each["split_id"] for each in statement["splits"]]
    vault = chain.claimable_units(payee, split_ids, block=reading.block)
    if vault != statement["claimable_units"]:
        warn(f"the vault would pay {money(vault)}: see `obbligato recompute`")
    recipient = chain.recipient(payee, block=reading.block)
    data = {"block": reading.block, "recipient": recipient, **statement}
    return Result(
        data,
        facts_of(data, "account recipient claimable_units refunds_units paid_units"),
        "",
        table(
            data["splits"],
            "split_id share_ppm received_units entitled_units claimed_units claimable_units",
        ),
    )


_CODES = {
    Outcome.AGREES: ExitCode.OK,
    Outcome.DIFFERS: ExitCode.NO,
    Outcome.MISSING_EVIDENCE: ExitCode.MISSING,
}


def recompute_all(
    session: Session,
    until: Annotated[
        int | None, typer.Option(min=0, help="The last block to read; default: the latest.")
    ] = None,
) -> Result:
    """Read every event, replay it by the rules, and compare with the chain and every document.

    Every price, credit, ruling and claim is computed again; every balance is read from the chain;
    every licence document, legal text and evidence is fetched, hashed and compared. Differences are
    printed by report and row. Exit code 0 only if all agree; 3 if documents are missing and nothing
    else differs: then nothing is proven either way.

    \b
    Examples:
      obbligato --rpc http://127.0.0.1:8545 --deployment deployments/31337.json --store blocks recompute
      obbligato recompute --json | jq '.differences[] | {report, row, what, expected, found}'
    """
    store = session.store()
    chain = session.chain()
    with progress() as watch:
        result = recompute(chain, store, until=until, watch=watch)
    ledger, reading = result.ledger, result.reading
    data: dict[str, Any] = {
        "outcome": result.outcome,
        "block": reading.block,
        "now": reading.now,
        "events": reading.events,
        "licenses": len(ledger.licenses),
        "reports": len(ledger.reports),
        "rows": sum(len(report.rows) for report in ledger.reports.values()),
        "received_units": sum(ledger.received.values()),
        "paid_units": sum(ledger.paid.values()),
        "differences": [difference.as_json() for difference in result.differences],
    }

    missing = sum(difference.kind is DifferenceKind.MISSING for difference in result.differences)
    text = [
        f"{'missing' if difference.kind is DifferenceKind.MISSING else 'differs'}: {difference}"
        for difference in result.differences
    ]
    text.append(
        f"block {reading.block}: {reading.events} events, {data['licenses']} licences, "
        f"{data['rows']} rows in {data['reports']} reports, {money(data['paid_units'])} paid"
    )
    text.append(
        f"recompute: {result.outcome.upper()}, {len(result.differences) - missing} differences, "
        f"{missing} documents missing"
    )
    return Result(data, *text, code=_CODES[result.outcome])
