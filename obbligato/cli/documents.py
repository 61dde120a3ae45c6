"""`obbligato document`, `terms` and `split`: CIDs and digests; documents checked, fetched, exported and imported."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from obbligato.audit.ledger import Ledger
from obbligato.audit.recompute import OnProgress
from obbligato.audit.references import Unread, evidence_blocks, licences_and_texts
from obbligato.audit.statements import find_report, split_statement, terms_statement
from obbligato.cli.commands import Commands
from obbligato.cli.options import Session
from obbligato.cli.output import ExitCode, Result, progress, table
from obbligato.documents.canonical import parse_canonical, sha256
from obbligato.documents.cid import cid_of, ipfs_uri
from obbligato.documents.file_inputs import read_bytes, read_split, read_terms
from obbligato.documents.schemas import read_document
from obbligato.errors import InputError
from obbligato.store import MAX_BLOCK_BYTES, ContentStore, read_car, write_car

app = Commands("CIDs, and documents checked and fetched.")
terms_app = Commands("Digests of terms.")
split_app = Commands("Digests of splits.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.")]


@app.command("cid")
def document_cid(file: File) -> Result:
    """Print the CID of a file as one raw block: the CID that the chain's digest stands for.

    \b
    Examples:
      obbligato document cid license.json
      ipfs add --cid-version=1 --only-hash -Q license.json    # the same
    """
    data = read_bytes(file, most=MAX_BLOCK_BYTES)
    cid = cid_of(data)
    digest = "0x" + sha256(data).hex()
    return Result({"cid": cid, "uri": ipfs_uri(cid), "sha256": digest, "size": len(data)}, cid)


@app.command("check")
def document_check(file: File) -> Result:
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
    result = {
        "type": document.type,
        "cid": document.cid(),
        "sha256": "0x" + document.digest().hex(),
        "size": len(data),
    }
    return Result(result, f"{file}: a canonical {document.type} document, {document.cid()}")


@app.command("show")
def document_show(
    session: Session,
    cid: Annotated[str, typer.Argument(metavar="CID", help="With or without ipfs://.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print its bytes as they are.")] = False,
) -> None:
    """Fetch a document from the store, check it against its CID, and print it as JSON.

    \b
    Examples:
      obbligato --store blocks document show bafkrei...
      obbligato --gateway https://ipfs.io document show ipfs://bafkrei... | jq .consent
      obbligato document show bafkrei... --raw > document.json
    """
    data = session.store().get(cid.removeprefix("ipfs://"))
    if raw:
        sys.stdout.buffer.write(data)
        return
    try:
        value = parse_canonical(data)
    except InputError as error:
        raise InputError(f"{cid} is no canonical JSON: print it with --raw ({error})") from error
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@terms_app.command("digest")
def terms_digest(file: File) -> Result:
    """Print the digest of terms in JSON, and the terms in words.

    Members: tiers, termDays, flags, influenceCapBps, rates (one card a tier: trainingRun,
    generation, playback, grantFee), textDigest. A rate is in millionths of a dollar for a whole unit,
    or "not offered".

    \b
    Examples:
      obbligato terms digest terms.json
      obbligato terms digest terms.json --json | jq -r .digest
    """
    terms = terms_statement(read_terms(file))
    return Result(terms, terms["digest"], *(f"  {sentence}" for sentence in terms["in_words"]))


@split_app.command("digest")
def split_digest(file: File) -> Result:
    """Print the digest of a split in JSON or CSV; payees may be in any order.

    CSV columns: account,share,role. Shares in parts per million, summing to 1000000; roles by
    number or name.

    \b
    Examples:
      obbligato split digest split.csv
      obbligato split digest split.json --json | jq .payees
    """
    split = split_statement(read_split(file))
    return Result(split, split["digest"], table(split["payees"], "account share_ppm role"))


@app.command("export")
def export_documents(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="OUT.car", help="The file to write.")],
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="ID",
            help="Only what these reports need: their evidence, and their rows' licences; repeat it.",
        ),
    ] = None,
) -> Result:
    """Write every document the deployment refers to into one CAR file that any IPFS node imports.

    Documents of licences, legal texts, evidence and its chunks, each verified. What the store does
    not have is listed and left out: exit code 3.

    \b
    Examples:
      obbligato --store blocks document export everything.car
      ipfs dag import everything.car
      obbligato document export one.car --report 0x5f3a9c --json | jq '.missing[].what'
    """
    store = session.store()
    ledger = session.reading(session.chain()).ledger
    with progress() as watch:
        references, missing = _references(ledger, store, report or (), watch)
        step = _counter("writing blocks", len(references), watch)
        with _replacing(file) as out:
            written = write_car(references, store, out, step=step, scratch=file.parent)
    missing += [
        {"cid": absent.cid, "what": references[absent.cid], "reason": absent.reason}
        for absent in written.absent
    ]
    data = {"file": str(file), "blocks": written.blocks, "size": written.size, "missing": missing}
    text = [f"missing: {each['what']}: {each['reason']}" for each in missing]
    text += [f"{file}: {written.blocks} blocks, {written.size} bytes; {len(missing)} missing"]
    return Result(data, *text, code=ExitCode.MISSING if missing else ExitCode.OK)


@app.command("import")
def import_documents(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE.car", help="A CAR of version 1.")],
) -> Result:
    """Put the blocks of a CAR file into the block folder, each verified.

    Sections that are no raw blocks (such as the nodes of folders) are passed over. Blocks before an error
    stay stored.

    \b
    Examples:
      ipfs dag export bafkrei... > one.car
      obbligato --store blocks document import one.car
    """
    if session.gateways:
        raise InputError(
            "gateways only serve: name a block folder, --store FOLDER, and no --gateway"
        )
    store = session.store()
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
    return Result(data, f"{file}: {blocks} blocks, {size} bytes{others}")


def _references(
    ledger: Ledger, store: ContentStore, ids: Sequence[str], watch: OnProgress
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What to export, as its meaning by CID, of the reports named or of all; and what cannot even be named."""
    named = [find_report(ledger, text) for text in ids]
    chosen = list({each.report_id: each for each in named}.values()) or None
    reports = chosen or list(ledger.reports.values())
    step = _counter("reading evidence", len(reports), watch)
    references: dict[str, str] = {}
    missing = []
    for reference in itertools.chain(
        licences_and_texts(ledger, reports=chosen), evidence_blocks(reports, store, step=step)
    ):
        if isinstance(reference, Unread):
            missing.append({"cid": None, "what": reference.what, "reason": reference.reason})
        else:
            references.setdefault(reference.cid, reference.what)
    return references, missing


def _counter(what: str, total: int, watch: OnProgress) -> Callable[[], None]:
    """A function that reports one more step done each time it is called."""
    done = itertools.count(1)
    return lambda: watch(what, next(done), total)


@contextmanager
def _replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that replaces `file` once it is complete. Raises InputError."""
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
