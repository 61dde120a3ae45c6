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
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from obbligato.errors import ObbligatoError

GROUP: Final = "obbligato.commands"
PROGRAMS: Final = "obbligato.programs"
_OF_A_PROGRAM: Final = ("params", "callback", "help", "short_help")


class NotLoaded(ObbligatoError):  # noqa: N818 -- says what happened
    """A command of another package is installed and cannot be loaded."""


def _reason(error: Exception) -> str:
    """Why a package's commands cannot be loaded, and what to do where only its parts are missing."""
    if isinstance(error, ModuleNotFoundError):
        return f"cannot be loaded without {error.name}: pip install 'obbligato[services]'"
    return f"cannot be loaded: {type(error).__name__}: {error}"


def mount(app: typer.Typer, found: Iterable[EntryPoint] | None = None) -> None:
    """Add the commands of every installed package to `app`; `found` as the metadata lists them."""
    listed = entry_points(group=GROUP) if found is None else found
    for entry_point in sorted(listed, key=lambda each: each.name):
        if find_spec(entry_point.module.split(".")[0]) is None:
            continue  # declared, and left out of this installation
        app.add_typer(
            typer.Typer(
                cls=_loaded_later(entry_point), no_args_is_help=True, rich_markup_mode=None
            ),
            name=entry_point.name,
        )


class Root(TyperGroup):
    """The group of everything: programs are among its commands, and are loaded once they are looked at."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for entry_point in entry_points(group=PROGRAMS):
            if find_spec(entry_point.module.split(".")[0]) is not None:
                self.commands[entry_point.name] = _program(entry_point)


def _program(entry_point: EntryPoint) -> TyperCommand:
    """A command that has its options and its help once somebody looks at them."""

    class Later(TyperCommand):
        def __init__(self) -> None:
            super().__init__(name=entry_point.name, rich_markup_mode=None)
            for name in _OF_A_PROGRAM:
                delattr(self, name)

        def __getattr__(self, name: str) -> Any:
            if name not in _OF_A_PROGRAM:
                raise AttributeError(name)
            try:
                loaded: Any = get_command(entry_point.load())
            except Exception as error:
                reason = _reason(error)
                if name in ("help", "short_help"):
                    return reason
                raise NotLoaded(f"`obbligato {entry_point.name}` {reason}") from error
            for each in _OF_A_PROGRAM:
                setattr(self, each, getattr(loaded, each))
            return getattr(self, name)

    return Later()


def _loaded_later(entry_point: EntryPoint) -> type[TyperGroup]:
    """A group of commands that has its commands and its help once somebody looks at them."""

    class Later(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            # What a group does not have is asked of `__getattr__`.
            del self.commands, self.help

        def __getattr__(self, name: str) -> Any:
            if name not in ("commands", "help"):
                raise AttributeError(name)
            try:
                loaded: Any = get_command(entry_point.load())
            except Exception as error:
                # Whatever it is: the list of all commands must still be shown.
                reason = _reason(error)
                if name == "help":
                    return reason
                raise NotLoaded(f"`obbligato {entry_point.name}` {reason}") from error
            self.commands, self.help = loaded.commands, loaded.help
            return getattr(self, name)

    return Later
