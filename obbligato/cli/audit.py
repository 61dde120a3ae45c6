"""`obbligato recompute`: everything again, from the chain and the documents alone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from obbligato.audit.compare import Kind, Outcome
from obbligato.audit.recompute import recompute
from obbligato.cli.output import ExitCode, Result, money, progress
from obbligato.cli.session import Session

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

    missing = sum(difference.kind is Kind.MISSING for difference in result.differences)
    text = [
        f"{'missing' if difference.kind is Kind.MISSING else 'differs'}: {difference}"
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
