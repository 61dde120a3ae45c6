"""Groups of commands: parameters that are groups of options, and results that print themselves."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, Final, TypeVar

import typer

from obbligato.cli.options import Session
from obbligato.cli.output import AsJson, Result

F = TypeVar("F", bound=Callable[..., Any])

_CONTEXT: Final = inspect.Parameter(
    "context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
)
_AS_JSON: Final = inspect.Parameter(
    "as_json", inspect.Parameter.KEYWORD_ONLY, annotation=AsJson, default=False
)


class Commands(typer.Typer):
    """A group of commands. A command's parameters may be, beside what typer knows:

    - a `Session`: this run, with what the global options name;
    - a dataclass: a group of options. Each of its fields is an option of the command, and the command
      is called with an instance; a group may hold a session and other groups.

    A command that returns a `Result` takes `--json` and ends with the result's exit code.
    """

    def __init__(self, help: str) -> None:  # noqa: A002 -- typer's own name
        super().__init__(rich_markup_mode=None, no_args_is_help=True, help=help)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Register a function as a command."""
        register = super().command(name, **settings)

        def decorate(function: F) -> F:
            register(expanded(function))
            return function

        return decorate


def expanded(function: Callable[..., Any]) -> Callable[..., None]:
    """The function as typer calls it: with every option of its groups a parameter of its own."""
    has_result = inspect.signature(function, eval_str=True).return_annotation is Result

    @functools.wraps(function)
    def command(context: typer.Context, **options: Any) -> None:
        as_json = options.pop("as_json") if has_result else False
        result = _call(function, options, context.obj)
        if isinstance(result, Result):
            result.print(as_json=as_json)
            if result.code:
                raise typer.Exit(result.code)

    parameters = [_CONTEXT, *_options(function), *([_AS_JSON] if has_result else ())]
    command.__dict__["__signature__"] = inspect.Signature(parameters)  # what typer reads
    return command


def _options(made: Callable[..., Any]) -> list[inspect.Parameter]:
    """Every option of a function or of a group, those of the groups inside it in their place."""
    options: list[inspect.Parameter] = []
    for parameter in inspect.signature(made, eval_str=True).parameters.values():
        if _is_group(parameter.annotation):
            options += _options(parameter.annotation)
        elif parameter.annotation is not Session:
            options.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    return options


def _call(made: Callable[..., Any], options: dict[str, Any], session: Session) -> Any:
    """Call a function, or make a group, with its own of the options."""
    values: dict[str, Any] = {}
    for name, parameter in inspect.signature(made, eval_str=True).parameters.items():
        if parameter.annotation is Session:
            values[name] = session
        elif _is_group(parameter.annotation):
            values[name] = _call(parameter.annotation, options, session)
        else:
            values[name] = options[name]
    return made(**values)


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation) and annotation is not Session
