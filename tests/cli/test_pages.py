"""The pages for readers: their commands parse, their targets exist, their links and paths lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from typer.main import get_command

from backend.settings import BackendSettings
from obbligato.cli.app import app
from oracle.settings import AttesterSettings, LeaderSettings
from scripts.toolchain import ROOT

PAGES = [*sorted(Path(ROOT).glob("*.md")), *sorted(Path(ROOT, "docs").glob("*.md"))]
COMMAND = re.compile(r"^\s*\$ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
FENCE = re.compile(r"```.*?```", re.DOTALL)
PATH = re.compile(
    r"(?:`|^)((?:backend|oracle|obbligato|scripts|contracts|tests)/[^\s`,]*)(?:`|[ ,])",
    re.MULTILINE,
)
"""A file, folder or glob of this repository: in backticks, or at the start of a line, as lists of folders have them."""


def typed_lines(program: str) -> list[tuple[str, str]]:
    """(page, command line) of every line that a page tells its reader to type."""
    return [
        (page.name, line)
        for page in PAGES
        for line in COMMAND.findall(page.read_text())
        if line.split()[0] == program
    ]


@pytest.mark.parametrize(("page", "line"), typed_lines("obbligato"))
def test_every_obbligato_line_of_a_page_is_one_the_command_understands(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("licence_id,tier,metric,quantity\n")
    command, words = get_command(app), shlex.split(line)[1:]
    context = None
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"{page}: no command {words[0]} in `{line}`"
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context("obbligato", words)  # raises for an unknown option or argument
    assert context.command is command
    assert not hasattr(command, "commands"), f"{page}: `{line}` names a group, not a command"


@pytest.mark.parametrize(("page", "line"), typed_lines("make"))
def test_every_make_line_of_a_page_names_a_target(page: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", Path(ROOT, "Makefile").read_text(), re.MULTILINE))
    assert line.split()[1] in targets, f"{page}: `{line}`"


SERVICES = (LeaderSettings, AttesterSettings, BackendSettings)


def shown(default: object) -> str:
    return " ".join(default) if isinstance(default, tuple) else str(default)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it names what there was
        return
    missing = [path for path in PATH.findall(page.read_text()) if not any(Path(ROOT).glob(path))]
    assert not missing, f"{page.name}: {missing}"


def settings_of(kind: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The fields of a service's settings, by the variable that sets them."""
    prefix = kind.model_config["env_prefix"]
    return {
        field.validation_alias.choices[0]
        if field.validation_alias
        else f"{prefix}{name.upper()}": field
        for name, field in kind.model_fields.items()
    }


def test_the_operators_page_names_every_setting_and_no_other() -> None:
    deploying = set(
        re.findall(r"OBBLIGATO_[A-Z_]+", Path(ROOT, "scripts", "deploy.py").read_text())
    )
    wrapper = {"OBBLIGATO_RPC_URL", "OBBLIGATO_ACCOUNTS"}  # read by scripts/brownie
    services = {name for kind in SERVICES for name in settings_of(kind)}
    named = set(re.findall(r"OBBLIGATO_[A-Z_]+", Path(ROOT, "docs", "operator.md").read_text()))
    assert named - wrapper == (deploying | services) - wrapper - {"OBBLIGATO_"}


@pytest.mark.parametrize("kind", SERVICES)
def test_the_operators_page_gives_the_defaults_that_hold(kind: type[BaseSettings]) -> None:
    page = Path(ROOT, "docs", "operator.md").read_text()
    for variable, field in settings_of(kind).items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{variable}`"))
        default = row.split("|")[-3].strip()
        if variable.endswith("_PORT"):
            assert str(field.default) in default
        elif field.is_required():
            assert default == "needed"
        else:
            held = "" if field.default in (None, ()) else shown(field.default)
            assert default == (held.lower() if isinstance(field.default, bool) else held), variable
