"""`obbligato document`, `terms` and `split`: files, their digests and their CIDs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from obbligato.cli.cars import export_documents, import_documents
from obbligato.cli.output import AsJson, show, table
from obbligato.cli.session import session
from obbligato.documents import cid_of, ipfs_uri, parse_canonical, sha256
from obbligato.documents.inspection import read_document
from obbligato.errors import InputError
from obbligato.ledger.statements import split_statement, terms_statement
from obbligato.store import MAX_BLOCK_BYTES
from obbligato.tables import read_bytes, read_split, read_terms

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


app.command("export")(export_documents)
app.command("import")(import_documents)


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
