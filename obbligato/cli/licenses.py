"""`obbligato license` and `obbligato consent`: what may be done with a recording."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from obbligato.audit.statements import license_statement, license_summary
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.quote import has_grant
from obbligato.cli.commands import Commands
from obbligato.cli.options import Grantee, LicenseId, Session
from obbligato.cli.output import ExitCode, Result, facts_of, moment, progress, table
from obbligato.consent import LicenseBook
from obbligato.consent.checks import ConsentAnswer, ConsentChecker, read_questions
from obbligato.documents.file_inputs import named
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.times import parse_moment

app = Commands("List and show licences.")
consent_app = Commands("Ask whether a use is allowed.")


@app.command("list")
def list_licenses(session: Session) -> Result:
    """List every licence with its state and the tiers it opts in to now.

    \b
    Examples:
      obbligato license list
      obbligato license list --json | jq '.licenses[] | select(.state == "in force").license_id'
    """
    reading = session.reading(session.chain())
    licenses = [
        license_summary(reading.ledger, id_, reading.now) for id_ in reading.ledger.licenses
    ]
    data = {"block": reading.block, "now": reading.now, "licenses": licenses}
    return Result(data, table(licenses, "license_id state owner tiers document"))


@app.command("show")
def show_license(session: Session, license_id: LicenseId) -> Result:
    """Show one licence: owner, terms in words, rates, split, history, document, state now.

    \b
    Examples:
      obbligato license show 1
      obbligato license show 1 --json | jq .terms.tiers
    """
    reading = session.reading(session.chain())
    data = license_statement(reading.ledger, license_id, reading.now)
    return Result({"block": reading.block, "now": reading.now, **data}, *_license_text(data))


def _license_text(data: dict[str, Any]) -> list[str | Table]:
    terms, pending, split = data["terms"], data["pending"], data["split"]
    text: list[str | Table] = [
        facts_of(data, "license_id state owner content document minted_at term_ends_at ends_at")
    ]
    if terms is not None:
        text += [f"\nterms {data['terms_id']} ({terms['digest']}), text {terms['text_cid']}"]
        text += [f"  {sentence}" for sentence in terms["in_words"]]
    if pending is not None:
        text += [f"\nfrom {moment(pending['from'])} on, terms {pending['terms_id']}"]
        text += [f"  {sentence}" for sentence in pending["terms"]["in_words"]]
    return [
        *text,
        f"\nsplit {data['split_id']} ({split['digest']})",
        table(split["payees"], "share_ppm role account"),
        "\nhistory",
        table(data["history"], "from terms_id tiers document"),
    ]


@consent_app.command("at")
def consent_at(
    session: Session,
    license_id: LicenseId,
    tier: Annotated[str, typer.Argument(metavar="TIER", help="1 to 6, or its name.")],
    time: Annotated[
        str | None,
        typer.Option(
            help="Seconds since 1970 or ISO 8601 with an offset; default: now, by the chain."
        ),
    ] = None,
) -> Result:
    """Ask the registry for consent: exit code 0 for yes, 1 for no. Absence is not consent.

    Tiers: 1 ANALYSIS, 2 TRAINING, 3 GENERATIVE, 4 STYLE, 5 STEMS, 6 VOICE. An answer about the past
    never changes; one about the future may. A licence that does not exist consents to nothing.

    \b
    Examples:
      obbligato consent at 1 GENERATIVE && echo "train on it"
      obbligato consent at 1 3 --time 2026-01-31T12:00:00Z
    """
    try:
        member = named(Tier, tier)
    except InputError as error:
        raise InputError(error.reason, field="TIER") from error
    at = None if time is None else parse_moment(time)
    chain = session.chain()
    head = blocks.latest(chain)
    number, now = head.number, head.timestamp
    at = now if at is None else at
    allowed = bool(
        chain.call("LicenseRegistry", "consentAt", license_id, int(member), at, block=number)
    )
    terms_id = chain.call("LicenseRegistry", "termsAt", license_id, at, block=number)
    data = {
        "license_id": license_id,
        "tier": int(member),
        "name": member.name,
        "time": at,
        "consent": allowed,
        "terms_id": terms_id,
        "past": at < now,
    }
    answer = f"yes, by terms {terms_id}" if allowed else "no: absence is not consent"
    return Result(
        data,
        f"licence {license_id}, {member.name}, {moment(at)}: {answer}{_may_change(data['past'])}",
        code=ExitCode.OK if allowed else ExitCode.NO,
    )


@consent_app.command("check")
def check_consents(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .csv or .jsonl file of recordings.")
    ],
    grantee: Grantee,
    tier: Annotated[
        str | None, typer.Option(help="For lines without a tier: 1 to 6, or its name.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="Seconds or ISO 8601; default: now.")
    ] = None,
) -> Result:
    """Ask for many recordings at once; exit code 1 if any answer is no. Absence is not consent.

    Each line has `license_id` or `isrc`, and may have a `tier`; other columns are left alone. To find
    the licence of an ISRC the licences' documents are read: say where they are (--store, --gateway).

    \b
    Examples:
      obbligato consent check training-set.csv --tier TRAINING
      obbligato consent check wanted.jsonl --at 2026-03-01 --platform 1 --model 0x5f…9c
    """
    holder = grantee.parse()
    questions = read_questions(file, None if tier is None else named(Tier, tier))
    by_isrc = any(question.isrc is not None for question in questions)
    store = session.store() if by_isrc else None
    chain = session.chain()
    book = LicenseBook(chain, store)
    with progress() as watch:
        book.follow(watch=watch)
    time = book.time if at is None else parse_moment(at)
    holds = None if holder is None else partial(_has_grant, chain, *holder, time)
    checker = ConsentChecker(book, time, holds)
    answers = [_answer_json(checker.answer(question)) for question in questions]
    refused = sum(not answer["consent"] for answer in answers)
    data = {
        "at": time,
        "past": time < book.time,
        "yes": len(answers) - refused,
        "no": refused,
        "answers": answers,
    }
    counts = f"{data['yes']} yes, {refused} no{_may_change(time < book.time)}"
    return Result(
        data,
        table(answers, "line license_id isrc tier consent reason"),
        f"consent {moment(time)}: {counts}",
        code=ExitCode.NO if refused else ExitCode.OK,
    )


def _may_change(past: object) -> str:
    return "" if past else " (as it stands now)"


def _has_grant(
    chain: Chain, platform: int, model: bytes, at: int, license_id: int, tier: Tier
) -> bool:
    row = Row(license_id, tier, Metric.GENERATION, 1)  # a grant covers every metric and quantity
    return has_grant(chain, row, platform_id=platform, model_id=model, start=at, end=at + 1)


def _answer_json(answer: ConsentAnswer) -> dict[str, Any]:
    question = answer.question
    return {
        "line": question.line,
        "license_id": answer.license_id,
        "isrc": question.isrc,
        "tier": question.tier.name,
        "consent": answer.allowed,
        "reason": answer.reason,
    }
