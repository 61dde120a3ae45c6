"""`obbligato oracle watch`: recompute what is on the chain, and contest what is wrong."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from fastapi import FastAPI

from obbligato.cli.options import Session
from obbligato.cli.output import AsJson, ExitCode, Result, money
from obbligato.consent import LicenseBook
from obbligato.errors import InputError
from obbligato.keys import Signer, open_keystore
from obbligato.server.alerts import open_alerts
from obbligato.server.http import add_health, stopped_by
from obbligato.server.process import serve, start_log, stop_on_signals
from obbligato.server.supervisor import Supervisor, Worker
from oracle.watcher.watcher import DEFAULT_DEPTH, Sweep, Watcher, WatchSettings

DOLLAR_UNITS: Final = 1_000_000


def watch(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the watcher keeps its place.")
    ] = Path("watching"),
    from_block: Annotated[
        int | None, typer.Option(min=0, help="Where to begin; default: the deployment's first.")
    ] = None,
    depth: Annotated[
        int, typer.Option(min=0, help="Blocks that must follow before a report is checked.")
    ] = DEFAULT_DEPTH,
    contest: Annotated[
        bool, typer.Option("--contest", help="Challenge wrong rows; default: only tell.")
    ] = False,
    keystore: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Whose dollars are the bonds.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The keystore's password, in one line.")
    ] = None,
    most_bonds: Annotated[
        int, typer.Option(min=0, metavar="DOLLARS", help="The most to put up as bonds in a day.")
    ] = 100,
    every: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="How long to wait between two looks.")
    ] = 30,
    port: Annotated[
        int | None,
        typer.Option(min=0, help="Where /readyz and /metrics are to be had; default: nowhere."),
    ] = None,
    alert_url: Annotated[
        str | None,
        typer.Option(
            envvar="OBBLIGATO_ORACLE_ALERT_URL",
            metavar="URL",
            help="Where alerts are posted, as JSON: the watcher cannot look, or fell over.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every report on the chain against its evidence, and contest the rows that are wrong.

    Anybody may do this: it needs a node and a store, and trusts neither. Without --contest nothing is
    sent: it says which rows it would challenge and the bond that takes. Evidence that is missing is
    looked for again each time.

    \b
    Exit codes with --once:
      0  every report is what its evidence sums to
      1  something is wrong
      3  evidence is missing and nothing else is wrong
      4  the chain or the store could not be asked

    \b
    Examples:
      obbligato oracle watch --once
      obbligato oracle watch --contest --keystore challenger.json --most-bonds 50
      obbligato oracle watch --port 8463 --alert-url https://alerts.example/obbligato
    """
    run: Session = context.obj
    settings = WatchSettings(from_block, depth, most_bonds * DOLLAR_UNITS)
    signer = _signer(contest, keystore, password_file)
    store, chain = run.store(), run.chain()
    watcher = Watcher(
        chain, store, LicenseBook(chain, store), folder=folder, contest=signer, settings=settings
    )
    if once:
        sweep = watcher.sweep()
        _tell(sweep, as_json=as_json)
        raise typer.Exit(_code(sweep))
    watching = Watching(watcher, every, alert_url, as_json=as_json)
    watching.run(port)


def _signer(contest: bool, keystore: Path | None, password_file: Path | None) -> Signer | None:
    if not contest:
        return None
    if keystore is None:
        raise InputError("name whose dollars are the bonds: --keystore PATH")
    return open_keystore(keystore, password_file)


class Watching:
    """The watcher as a worker under supervision: it looks again and again, and says what is new."""

    def __init__(
        self, watcher: Watcher, every_seconds: float, alert_url: str | None, *, as_json: bool
    ) -> None:
        self._watcher = watcher
        self._as_json = as_json
        self._said: tuple[object, ...] = ()
        self.stop = threading.Event()
        worker = Worker("watcher", self.look, every_seconds)
        self.supervisor = Supervisor(open_alerts(alert_url, "watcher"), self.stop, [worker])

    def look(self) -> None:
        """Look once. Raises ChainError or StoreError where that cannot be done now."""
        sweep = self._watcher.sweep()
        news = (sweep.findings, sweep.contestations)
        if news != self._said:
            self._said = news
            _tell(sweep, as_json=self._as_json)

    def run(self, port: int | None) -> None:
        """Until SIGTERM or SIGINT; a look in hand is finished."""
        start_log(as_json=self._as_json)
        if port is not None:
            app = FastAPI(title="Obbligato watcher", docs_url=None, redoc_url=None)
            add_health(app, {"process": stopped_by(self.stop), "workers": self.supervisor.ready})
            serve(app, host="127.0.0.1", port=port, stop=self.stop, supervisor=self.supervisor)
            return
        stop_on_signals(self.stop)
        self.supervisor.start()
        self.stop.wait()
        self.supervisor.join()


def _code(sweep: Sweep) -> ExitCode:
    if not sweep.findings:
        return ExitCode.OK
    return ExitCode.MISSING if sweep.only_missing else ExitCode.NO


def _tell(sweep: Sweep, *, as_json: bool) -> None:
    done = {each.finding: each for each in sweep.contestations}
    data: dict[str, Any] = {
        "block": sweep.block,
        "reports": sweep.reports,
        "findings": [
            {
                **finding.as_json(),
                "contest": None
                if finding not in done
                else {
                    "words": done[finding].words,
                    "bond_units": done[finding].bond_units,
                    "challenge_id": done[finding].challenge_id,
                },
            }
            for finding in sweep.findings
        ],
    }

    text = []
    for finding in sweep.findings:
        text.append(str(finding))
        if finding in done:
            each = done[finding]
            bond = "" if each.bond_units is None else f", bond {money(each.bond_units)}"
            text.append(f"  {each.words}{bond}")
    text.append(
        f"block {sweep.block}: {sweep.reports} reports checked, {len(sweep.findings)} findings"
    )
    Result(data, *text).print(as_json=as_json)
