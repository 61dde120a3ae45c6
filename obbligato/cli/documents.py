"""`obbligato document export` and `import`: everything a deployment refers to, in one file for IPFS."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console

from obbligato.audit.ledger import Ledger
from obbligato.audit.recompute import Watcher
from obbligato.audit.references import Unread, evidence_blocks, licences_and_texts
from obbligato.audit.statements import find_report, split_statement, terms_statement
from obbligato.cli.output import AsJson, ExitCode, show, table, watching
from obbligato.cli.session import Session, session
from obbligato.documents import cid_of, ipfs_uri, parse_canonical, sha256
from obbligato.documents.file_inputs import read_bytes, read_split, read_terms
from obbligato.documents.schemas import read_document
from obbligato.errors import InputError
from obbligato.store import MAX_BLOCK_BYTES, Absent, ContentStore, WrittenCar, read_car, write_car

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="CIDs, and documents checked and fetched."
)
terms_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Digests of terms.")
split_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Digests of splits.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.")]


@app.command("cid")
def document_cid(file: File, as_json: AsJson = False) -> None:
    """Say the CID of a file as one raw block: what the chain's digest stands for.

    \b
    Examples:
      obbligato document cid license.json
      ipfs add --cid-version=1 --only-hash -Q license.json    # the same
    """
    data = read_bytes(file, most=MAX_BLOCK_BYTES)
    cid = cid_of(data)
    said = {
        "cid": cid,
        "uri": ipfs_uri(cid),
        "sha256": "0x" + sha256(data).hex(),
        "size": len(data),
    }
    show(said, as_json=as_json, render=lambda console: console.print(cid))


@app.command("check")
def document_check(file: File, as_json: AsJson = False) -> None:
    """Check a licence or evidence document: its form, its fields, and what ties them together.

    Exit code 2 names the field that is wrong.

    \b
    Examples:
      obbligato document check license.json
      obbligato document check evidence.json --json
    """
    data = read_bytes(file, most=MAX_BLOCK_BYTES)
    try:
        document = read_document(data)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    said = {
        "type": document.type,
        "cid": document.cid(),
        "sha256": "0x" + document.digest().hex(),
        "size": len(data),
    }
    show(
        said,
        as_json=as_json,
        render=lambda console: console.print(
            f"{file}: a canonical {document.type} document, {document.cid()}"
        ),
    )


@app.command("show")
def document_show(
    context: typer.Context,
    cid: Annotated[str, typer.Argument(metavar="CID", help="With or without ipfs://.")],
    raw: Annotated[bool, typer.Option("--raw", help="Its very bytes, whatever they are.")] = False,
) -> None:
    """Fetch a document from the store, check it against its CID, and print it as JSON.

    \b
    Examples:
      obbligato --store blocks document show bafkrei...
      obbligato --gateway https://ipfs.io document show ipfs://bafkrei... | jq .consent
      obbligato document show bafkrei... --raw > document.json
    """
    data = session(context).store().get(cid.removeprefix("ipfs://"))
    if raw:
        sys.stdout.buffer.write(data)
        return
    try:
        value = parse_canonical(data)
    except InputError as error:
        raise InputError(f"{cid} is no canonical JSON: print it with --raw ({error})") from error
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@terms_app.command("digest")
def terms_digest(file: File, as_json: AsJson = False) -> None:
    """Say the digest of terms in JSON, and what they say in words.

    Members: tiers, termDays, flags, influenceCapBps, rates (one card a tier: trainingRun,
    generation, playback, grantFee), textDigest. A rate is in millionths of a dollar for a whole unit,
    or "not offered".

    \b
    Examples:
      obbligato terms digest terms.json
      obbligato terms digest terms.json --json | jq -r .digest
    """
    said = terms_statement(read_terms(file))

    def render(console: Console) -> None:
        console.print(said["digest"])
        for sentence in said["in_words"]:
            console.print(f"  {sentence}")

    show(said, as_json=as_json, render=render)


@split_app.command("digest")
def split_digest(file: File, as_json: AsJson = False) -> None:
    """Say the digest of a split in JSON or CSV; payees may be in any order.

    CSV columns: account,share,role. Shares in parts per million, summing to 1000000; roles by
    number or name.

    \b
    Examples:
      obbligato split digest split.csv
      obbligato split digest split.json --json | jq .payees
    """
    said = split_statement(read_split(file))

    def render(console: Console) -> None:
        console.print(said["digest"])
        rows = [(p["account"], p["share_ppm"], p["role"]) for p in said["payees"]]
        console.print(table(("account", "parts per million ", "role"), rows))

    show(said, as_json=as_json, render=render)


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


app.command("export")(export_documents)
app.command("import")(import_documents)
