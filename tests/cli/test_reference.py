"""The commands document themselves, and docs/cli.md is what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obbligato.cli.reference import commands, reference
from scripts.toolchain import ROOT
from tests.cli.conftest import Command

PAGE = Path(ROOT, "docs", "cli.md")
COMMANDS = commands()
WITHOUT_JSON = {"document show", "oracle serve", "oracle attest", "serve"}
"""A document is JSON already; a service has logs, not results."""


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == reference(), "run: python -m obbligato.cli.reference docs/cli.md"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_documented(words: str) -> None:
    assert f"\n## obbligato {words}\n" in PAGE.read_text()


@pytest.mark.parametrize(("words", "command"), COMMANDS.items())
def test_every_command_teaches_with_a_line_that_names_it(words: str, command: Any) -> None:
    text = command.help
    assert "Examples:" in text
    examples = text.split("Examples:")[1]
    assert f"{words} " in examples or f"{words}\n" in f"{examples}\n"


@pytest.mark.parametrize(("words", "command"), COMMANDS.items())
def test_every_command_that_prints_results_prints_json(words: str, command: Any) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert "--json" in options or words in WITHOUT_JSON


@pytest.mark.parametrize(("words", "command"), COMMANDS.items())
def test_every_option_and_argument_is_explained(words: str, command: Any) -> None:
    for parameter in command.params:
        assert parameter.help, f"{words}: {parameter.name}"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_shows_its_help(words: str, bare: Command) -> None:
    ran = bare(*words.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: obbligato ")
