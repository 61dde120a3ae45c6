"""Commands of other packages: each entry point of the group `obbligato.commands` is a typer app of several
commands, each of `obbligato.programs` one of a single command (`obbligato serve`).

The library knows no service by name. A service is loaded when one of its commands is asked for, or
the list of all: the others start without its database and its web server. One that is not installed
has no command; one that cannot be loaded says why, and every other command works.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from obbligato.errors import ObbligatoError

GROUP: Final = "obbligato.commands"
PROGRAMS: Final = "obbligato.programs"


class NotLoaded(ObbligatoError):  # noqa: N818 -- says what happened
    """A command of another package is installed and cannot be loaded."""


def _reason(error: Exception) -> str:
    """Why a package's commands cannot be loaded, and what to do where only its parts are missing."""
    if isinstance(error, ModuleNotFoundError):
        return f"cannot be loaded without {error.name}: pip install 'obbligato[services]'"
    return f"cannot be loaded: {type(error).__name__}: {error}"


def mount(app: typer.Typer, installed: Iterable[EntryPoint] | None = None) -> None:
    """Add the commands of every installed package to `app`; `installed` stands in for the metadata."""
    listed = entry_points(group=GROUP) if installed is None else installed
    for entry_point in sorted(listed, key=lambda each: each.name):
        if find_spec(entry_point.module.split(".")[0]) is None:
            continue  # declared, and left out of this installation
        app.add_typer(
            typer.Typer(cls=_group(entry_point), no_args_is_help=True, rich_markup_mode=None),
            name=entry_point.name,
        )


class Root(TyperGroup):
    """The group of everything: programs are among its commands, and are loaded once they are looked at."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for entry_point in entry_points(group=PROGRAMS):
            if find_spec(entry_point.module.split(".")[0]) is not None:
                self.commands[entry_point.name] = _program(entry_point)


class _LoadedLater:
    """Loads the command or group of an entry point once one of `names` is read, which it then has."""

    entry_point: ClassVar[EntryPoint]
    names: ClassVar[tuple[str, ...]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name in self.names:
            delattr(self, name)  # so that reading it calls `__getattr__`

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            raise AttributeError(name)
        try:
            loaded: Any = get_command(self.entry_point.load())
        except Exception as error:
            # Whatever it is: the list of all commands must still be printed.
            reason = _reason(error)
            if name in ("help", "short_help"):
                return reason
            raise NotLoaded(f"`obbligato {self.entry_point.name}` {reason}") from error
        for each in self.names:
            setattr(self, each, getattr(loaded, each))
        return getattr(self, name)


def _program(entry: EntryPoint) -> TyperCommand:
    """A command that is loaded later."""

    class Program(_LoadedLater, TyperCommand):
        entry_point = entry
        names = ("params", "callback", "help", "short_help")

    return Program(name=entry.name, rich_markup_mode=None)


def _group(entry: EntryPoint) -> type[TyperGroup]:
    """A group of commands that is loaded later."""

    class Group(_LoadedLater, TyperGroup):
        entry_point = entry
        names = ("commands", "help")

    return Group
