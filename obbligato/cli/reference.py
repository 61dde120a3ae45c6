"""The reference of the command line, made from the commands' own help: docs/cli.md.

python -m obbligato.cli.reference [FILE]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from typer.main import get_command

from obbligato.cli.app import app

WIDTH: Final = 100
HEAD: Final = """\
# The `obbligato` command

Read and check a deployment: licences and consent, what payees may take, reports, dry-run quotes, documents, and the
recomputation of everything; for artists, license and get paid; for AI platforms, register, deposit and report use. Only
`artist`, `platform` and the services sign and send anything. This page is made from the commands' own help by
`python -m obbligato.cli.reference docs/cli.md`; a test compares them.

Global options come before the command. Every command that prints results takes `--json`; results go to stdout, errors
(one line), warnings and progress to stderr.
"""


def commands() -> dict[str, Any]:
    """Every command that does something, by its words (`license show`)."""
    return dict(_leaves(get_command(app), ()))


def reference() -> str:
    """The whole page."""
    root = get_command(app)
    sections = [HEAD, _section("obbligato", root)]
    sections += [_section(f"obbligato {words}", command) for words, command in commands().items()]
    return "\n".join(sections)


def help_of(words: str, command: Any) -> str:
    """The help of a command as a wide terminal shows it."""
    context = typer.Context(
        command,
        info_name=words,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(words), command
        return
    for name in sorted(children):
        yield from _leaves(children[name], (*words, name))


def _section(words: str, command: Any) -> str:
    return f"## {words}\n\n```text\n{help_of(words, command)}\n```\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(reference())
    else:
        os.write(1, reference().encode())
