"""`obbligato consent check`: many recordings at once, before they are used."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.chain.client import Chain
from obbligato.chain.quote import has_grant
from obbligato.cli.output import AsJson, ExitCode, moment, show, table, watching
from obbligato.cli.session import Session, session
from obbligato.client.consent import Answer, Asker, HasGrant, Question, read_questions
from obbligato.errors import InputError
from obbligato.fields import checked_bytes32
from obbligato.licensing import LicenseBook
from obbligato.rules.rows import Row
from obbligato.tables import named
from obbligato.times import parse_moment
from obbligato.words import Metric, Tier


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
