"""`obbligato license` and `obbligato consent`: what may be done with a recording."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.audit.statements import license_statement, license_summary
from obbligato.chain.client import Chain, answered
from obbligato.chain.quote import has_grant
from obbligato.cli.output import AsJson, ExitCode, facts, moment, show, table, watching
from obbligato.cli.session import Session, session
from obbligato.consent import LicenseBook
from obbligato.consent.checks import Answer, Asker, HasGrant, Question, read_questions
from obbligato.documents.file_inputs import named
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.protocol.types import checked_bytes32
from obbligato.times import parse_moment

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and show licences.")
consent_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Ask whether a use is allowed."
)

LicenseId = Annotated[
    int, typer.Argument(metavar="LICENSE", min=1, max=2**32 - 1, help="The licence's number.")
]


@app.command("list")
def list_licenses(context: typer.Context, as_json: AsJson = False) -> None:
    """List every licence with its state and the tiers it opts in to now.

    \b
    Examples:
      obbligato license list
      obbligato license list --json | jq '.licenses[] | select(.state == "in force").license_id'
    """
    run = session(context)
    reading = run.reading(run.chain())
    listed = [license_summary(reading.ledger, id_, reading.now) for id_ in reading.ledger.licenses]

    def render(console: Console) -> None:
        rows = [
            (
                s["license_id"],
                s["state"],
                s["owner"],
                ", ".join(s["tiers"]) or "none",
                s["document"],
            )
            for s in listed
        ]
        console.print(table(("licence ", "state", "owner", "tiers", "document"), rows))

    show(
        {"block": reading.block, "now": reading.now, "licenses": listed},
        as_json=as_json,
        render=render,
    )


@app.command("show")
def show_license(context: typer.Context, license_id: LicenseId, as_json: AsJson = False) -> None:
    """Show one licence: owner, terms in words, rates, split, history, document, state now.

    \b
    Examples:
      obbligato license show 1
      obbligato license show 1 --json | jq .terms.tiers
    """
    run = session(context)
    reading = run.reading(run.chain())
    data = license_statement(reading.ledger, license_id, reading.now)
    show(
        {"block": reading.block, "now": reading.now, **data},
        as_json=as_json,
        render=lambda console: _render_license(console, data),
    )


def _render_license(console: Console, data: dict[str, Any]) -> None:
    terms, pending = data["terms"], data["pending"]
    console.print(
        facts(
            [
                ("licence", data["license_id"]),
                ("state", data["state"]),
                ("owner", data["owner"]),
                ("content", data["content"]),
                ("document", data["document"]),
                ("minted", moment(data["minted_at"])),
                ("term ends", moment(data["term_ends_at"])),
                ("ends", moment(data["ends_at"])),
            ]
        )
    )
    if terms is not None:
        console.print(f"\nterms {data['terms_id']} ({terms['digest']}), text {terms['text_cid']}")
        for sentence in terms["in_words"]:
            console.print(f"  {sentence}")
    if pending is not None:
        console.print(f"\nfrom {moment(pending['from'])} on, terms {pending['terms_id']}")
        for sentence in pending["terms"]["in_words"]:
            console.print(f"  {sentence}")
    console.print(f"\nsplit {data['split_id']} ({data['split']['digest']})")
    payees = [(p["share_ppm"], p["role"], p["account"]) for p in data["split"]["payees"]]
    console.print(table(("parts per million ", "role", "account"), payees))
    console.print("\nhistory")
    versions = [
        (moment(v["from"]), v["terms_id"], ", ".join(v["tiers"]) or "none", v["document"])
        for v in data["history"]
    ]
    console.print(table(("from", "terms ", "tiers", "document"), versions))


@consent_app.command("at")
def consent_at(
    context: typer.Context,
    license_id: LicenseId,
    tier: Annotated[str, typer.Argument(metavar="TIER", help="1 to 6, or its name.")],
    time: Annotated[
        str | None,
        typer.Option(
            help="Seconds since 1970 or ISO 8601 with an offset; default: now, by the chain."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the registry for consent: exit code 0 for yes, 1 for no. Absence is not consent.

    Tiers: 1 ANALYSIS, 2 TRAINING, 3 GENERATIVE, 4 STYLE, 5 STEMS, 6 VOICE. An answer about the past
    never changes; one about the future may. A licence that does not exist consents to nothing.

    \b
    Examples:
      obbligato consent at 1 GENERATIVE && echo "train on it"
      obbligato consent at 1 3 --time 2026-01-31T12:00:00Z
    """
    wanted = _tier(tier)
    at = None if time is None else parse_moment(time)
    chain = session(context).chain()
    block = answered(lambda: chain.web3.eth.get_block("latest"))
    asked = block["timestamp"] if at is None else at
    number = block["number"]
    allowed = bool(
        chain.call("LicenseRegistry", "consentAt", license_id, int(wanted), asked, block=number)
    )
    terms_id = chain.call("LicenseRegistry", "termsAt", license_id, asked, block=number)
    final = asked < block["timestamp"]

    def render(console: Console) -> None:
        said = f"yes, by terms {terms_id}" if allowed else "no: absence is not consent"
        may_change = "" if final else " (as it stands now)"
        console.print(f"licence {license_id}, {wanted.name}, {moment(asked)}: {said}{may_change}")

    data = {
        "license_id": license_id,
        "tier": int(wanted),
        "name": wanted.name,
        "time": asked,
        "consent": allowed,
        "terms_id": terms_id,
        "past": final,
    }
    show(data, as_json=as_json, render=render)
    if not allowed:
        raise typer.Exit(ExitCode.NO)


def _tier(text: str) -> Tier:
    try:
        return named(Tier, text)
    except InputError as error:
        raise InputError(error.reason, field="TIER") from error


def check_consents(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .csv or .jsonl file of recordings.")
    ],
    tier: Annotated[
        str | None, typer.Option(help="For lines without a tier: 1 to 6, or its name.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="Seconds or ISO 8601; default: now.")
    ] = None,
    platform: Annotated[
        int | None, typer.Option(min=1, max=2**32 - 1, help="Count this platform's grants.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="For this model: 0x and 64 digits; with --platform.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for many recordings at once; exit code 1 if any answer is no. Absence is not consent.

    Each line has `license_id` or `isrc`, and may have a `tier`; other columns are left alone. To find
    the licence of an ISRC the licences' documents are read: say where they are (--store, --gateway).

    \b
    Examples:
      obbligato consent check training-set.csv --tier TRAINING
      obbligato consent check wanted.jsonl --at 2026-03-01 --platform 1 --model 0x5f…9c
    """
    if (platform is None) != (model is None):
        raise InputError("give --platform and --model together: a grant is of both")
    questions = read_questions(file, None if tier is None else named(Tier, tier))
    run = session(context)
    book, chain = _book(run, questions)
    moment_asked = book.time if at is None else parse_moment(at)
    holds: HasGrant | None = None
    if platform is not None and model is not None:
        holds = partial(_has_grant, chain, platform, checked_bytes32(model), moment_asked)
    asker = Asker(book, moment_asked, holds)
    answers = [asker.answer(question) for question in questions]
    refused = sum(not answer.allowed for answer in answers)
    data = {
        "at": moment_asked,
        "past": moment_asked < book.time,
        "yes": len(answers) - refused,
        "no": refused,
        "answers": [_plain(answer) for answer in answers],
    }
    show(data, as_json=as_json, render=lambda console: _render(console, data))
    if refused:
        raise typer.Exit(ExitCode.NO)


def _book(run: Session, questions: list[Question]) -> tuple[LicenseBook, Chain]:
    """The licences as they are now; with documents where an ISRC is asked for."""
    by_isrc = any(question.isrc is not None for question in questions)
    store = run.store() if by_isrc else None
    chain = run.chain()
    book = LicenseBook(chain, store)
    with watching() as watch:
        book.follow(watch=watch)
    return book, chain


def _has_grant(
    chain: Chain, platform: int, model: bytes, at: int, license_id: int, tier: Tier
) -> bool:
    row = Row(license_id, tier, Metric.GENERATION, 1)  # grants do not ask for metric or quantity
    return has_grant(chain, row, platform_id=platform, model_id=model, start=at, end=at + 1)


def _plain(answer: Answer) -> dict[str, Any]:
    asked = answer.question
    return {
        "line": asked.line,
        "license_id": answer.license_id,
        "isrc": asked.isrc,
        "tier": asked.tier.name,
        "consent": answer.allowed,
        "reason": answer.reason,
    }


def _render(console: Console, data: dict[str, Any]) -> None:
    rows = [
        (
            a["line"],
            a["license_id"] or "-",
            a["isrc"] or "-",
            a["tier"],
            "yes" if a["consent"] else "no",
            a["reason"],
        )
        for a in data["answers"]
    ]
    console.print(table(("line ", "licence ", "isrc", "tier", "", "reason"), rows))
    may_change = "" if data["past"] else " (as it stands now)"
    console.print(f"consent {moment(data['at'])}: {data['yes']} yes, {data['no']} no{may_change}")
