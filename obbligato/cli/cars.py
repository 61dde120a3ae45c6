"""`obbligato document export` and `import`: everything a deployment refers to, in one file for IPFS."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console

from obbligato.cli.output import AsJson, ExitCode, show, watching
from obbligato.cli.session import Session, session
from obbligato.errors import InputError
from obbligato.ledger.recompute import Watcher
from obbligato.ledger.records import Ledger
from obbligato.ledger.references import Unread, evidence_blocks, licences_and_texts
from obbligato.ledger.statements import find_report
from obbligato.store import Absent, ContentStore, WrittenCar, read_car, write_car


def export_documents(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="OUT.car", help="The file to write.")],
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="ID",
            help="Only what these reports need: their evidence, and their rows' licences; repeat it.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write every document the deployment refers to into one CAR file that any IPFS node imports.

    Documents of licences, legal texts, evidence and its chunks, each verified. What the store does
    not have is listed and left out: exit code 3.

    \b
    Examples:
      obbligato --store blocks document export everything.car
      ipfs dag import everything.car
      obbligato document export one.car --report 0x5f3a9c --json | jq '.missing[].what'
    """
    run = session(context)
    store = run.store()
    chain = run.chain()
    ledger = run.reading(chain).ledger
    with watching() as watch:
        references, missing = _collected(ledger, store, report, watch)
        step = _counter("writing blocks", len(references), watch)
        with _replacing(file) as out:
            written = write_car(references, store, out, step=step, scratch=file.parent)
    missing += [_missing(references[absent.cid], absent) for absent in written.absent]
    data = {"file": str(file), "blocks": written.blocks, "size": written.size, "missing": missing}
    show(data, as_json=as_json, render=lambda console: _render(console, file, written, missing))
    if missing:
        raise typer.Exit(ExitCode.MISSING)


def import_documents(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.car", help="A CAR of version 1.")],
    as_json: AsJson = False,
) -> None:
    """Put the blocks of a CAR file into the block folder, each verified.

    Sections that are no raw blocks (nodes of folders in an export of somebody's) are passed over. What
    came before an error stays.

    \b
    Examples:
      ipfs dag export bafkrei... > one.car
      obbligato --store blocks document import one.car
    """
    store = _block_folder(session(context))
    blocks = passed_over = size = 0
    try:
        with file.open("rb") as stream:
            for block in read_car(stream):
                if block.cid is None:
                    passed_over += 1
                else:
                    store.put(block.data)
                    blocks, size = blocks + 1, size + len(block.data)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{file}: {error}; {blocks} blocks before that were stored") from error
    data = {"file": str(file), "blocks": blocks, "size": size, "passed_over": passed_over}
    others = f", {passed_over} sections of other kinds passed over" if passed_over else ""
    show(
        data,
        as_json=as_json,
        render=lambda console: console.print(f"{file}: {blocks} blocks, {size} bytes{others}"),
    )


def _collected(
    ledger: Ledger, store: ContentStore, wanted: list[str] | None, watch: Watcher
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What to export, as its meaning by CID; and what cannot even be named."""
    asked = [find_report(ledger, text) for text in wanted or ()]
    chosen = list({each.report_id: each for each in asked}.values()) or None
    reports = chosen or list(ledger.reports.values())
    step = _counter("reading evidence", len(reports), watch)
    found: dict[str, str] = {}
    missing = []
    for reference in itertools.chain(
        licences_and_texts(ledger, reports=chosen), evidence_blocks(reports, store, step=step)
    ):
        if isinstance(reference, Unread):
            missing.append({"cid": None, "what": reference.what, "reason": reference.reason})
        else:
            found.setdefault(reference.cid, reference.what)
    return found, missing


def _counter(what: str, total: int, watch: Watcher) -> Callable[[], None]:
    """A step that counts itself and tells the watcher."""
    done = itertools.count(1)
    return lambda: watch(what, next(done), total)


@contextmanager
def _replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `file` once it is whole. Raises InputError."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as out:
            partial = Path(out.name)
            try:
                yield out.file
                out.flush()
                partial.chmod(0o644)
                partial.replace(file)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}") from error


def _missing(what: str, absent: Absent) -> dict[str, Any]:
    return {"cid": absent.cid, "what": what, "reason": absent.reason}


def _render(
    console: Console, file: Path, written: WrittenCar, missing: list[dict[str, Any]]
) -> None:
    for one in missing:
        console.print(f"missing: {one['what']}: {one['reason']}")
    console.print(f"{file}: {written.blocks} blocks, {written.size} bytes; {len(missing)} missing")


def _block_folder(run: Session) -> ContentStore:
    """The store, where it is one that takes blocks. Raises InputError."""
    if run.gateways:
        raise InputError(
            "gateways only serve: name a block folder, --store FOLDER, and no --gateway"
        )
    return run.store()
