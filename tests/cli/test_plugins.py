"""Commands of other packages, as the metadata of an installation names them."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from obbligato.cli import plugins

WORKING = """
import typer
app = typer.Typer(help="A service for tests.")
@app.command("run")
def run(): ...
@app.command("stop")
def stop(): ...
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a package that a test fills."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "a_service_of_the_tests.py"
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def mounted(module: str) -> Any:
    """The commands of an app with a command of its own and those of a service."""
    app = typer.Typer(rich_markup_mode=None)
    app.command("own")(lambda: typer.echo("done"))
    app.command("other")(lambda: typer.echo("done"))
    plugins.mount(app, [EntryPoint("service", f"{module}:app", plugins.GROUP)])
    return get_command(app)


def test_the_commands_of_an_installed_service_are_there(package: Path) -> None:
    package.write_text(WORKING)
    found = mounted(package.stem)
    assert set(found.commands) == {"own", "other", "service"}
    assert set(found.commands["service"].commands) == {"run", "stop"}
    found(["service", "run"], standalone_mode=False)


def test_a_service_is_loaded_only_when_it_is_asked_for(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write_text(WORKING)
    found = mounted(package.stem)
    found(["own"], standalone_mode=False)
    assert package.stem not in sys.modules
    found(["--help"], standalone_mode=False)
    assert package.stem in sys.modules
    assert "A service for tests." in capsys.readouterr().out


def test_a_service_that_is_not_installed_has_no_command() -> None:
    assert set(mounted("nowhere_to_be_found.cli").commands) == {"own", "other"}


@pytest.mark.parametrize("text", ["import nothing_like_it", "1 / 0", "", "app = ("])
def test_a_service_that_cannot_be_loaded_says_why_and_breaks_no_other_command(
    package: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write_text(text)
    found = mounted(package.stem)
    found(["own"], standalone_mode=False)
    found(["--help"], standalone_mode=False)
    assert "cannot be loaded" in capsys.readouterr().out
    with pytest.raises(plugins.NotLoaded, match="`obbligato service` cannot be loaded"):
        found(["service", "run", "--anything"], standalone_mode=False)
