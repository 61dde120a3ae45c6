"""docs/artist.md: its files are read by client and service alike, and it leaves no command out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.main import get_command

from obbligato.cli.app import app
from obbligato.documents.presets import PRESETS
from obbligato.documents.split_sheet import read_split_sheet
from obbligato.documents.terms_input import terms_from
from obbligato.protocol.constants import NOT_OFFERED, PPM, Tier
from obbligato.protocol.splits import Split
from obbligato.schemas.terms import TermsInput
from scripts.toolchain import ROOT

PAGE = Path(ROOT, "docs", "artist.md").read_text()
SEEN_ELSEWHERE = {"act", "withdraw"}
"""Look-ups beside `acts`, which docs/cli.md explains."""


def fence(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_file_of_terms_says_what_the_page_says_of_it() -> None:
    given = json.loads(fence("json"))
    terms = terms_from(given)
    assert terms == TermsInput.model_validate(given).terms()
    assert not terms.offers(Tier.TRAINING)
    assert terms.offers(Tier.ANALYSIS)
    card = terms.card(Tier.GENERATIVE)
    assert (card.training_run, card.generation, card.playback) == (8_000_000, 3_000, 50)
    assert NOT_OFFERED not in (card.generation, card.playback)


def test_the_split_sheet_is_one() -> None:
    split = Split.of(read_split_sheet(fence("csv")).payees())
    assert sorted(payee.share for payee in split.payees) == [350_000, 650_000]
    assert sum(payee.share for payee in split.payees) == PPM


def test_every_preset_is_explained_and_no_other() -> None:
    table = PAGE.split("| preset | |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == [each.name for each in PRESETS]


def test_every_command_for_artists_is_on_the_page() -> None:
    group = get_command(app).commands["artist"]  # type: ignore[attr-defined]
    shown = set(re.findall(r"^\$ obbligato artist ([a-z]+)", PAGE, re.MULTILINE))
    assert shown == set(group.commands) - SEEN_ELSEWHERE
