"""One line as platforms spell it, read slowly and exactly: the authority on what a line means.

The SQL of `decoding` takes the usual spellings by the million; every line that it does not
recognise comes here, to be read or to be told what is wrong with it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from obbligato.documents.events import UsageEvent
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.times import parse_moment

FIELDS: Final = (
    "event_id",
    "occurred_at",
    "license_id",
    "isrc",
    "tier",
    "metric",
    "units",
    "influence_ppm",
    "model_id",
    "output_id",
    "attribution_provider",
)
"""The fields of a line, as `UsageEvent` has them."""

REQUIRED: Final = (
    "event_id",
    "occurred_at",
    "tier",
    "metric",
    "units",
    "influence_ppm",
    "model_id",
)
WHOLE_NUMBERS: Final = ("occurred_at", "license_id", "tier", "metric", "units", "influence_ppm")
MAX_LINE_BYTES: Final = 65_536

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\+00:00)")
_DIGITS = re.compile(r"-?[0-9]+")
_LONGEST_NUMBER: Final = 20
_NAMES: Final[dict[str, type[Tier] | type[Metric]]] = {"tier": Tier, "metric": Metric}


def event_of_json(line: str) -> UsageEvent:
    """The event of a line of JSON. Raises InputError naming the field."""
    try:
        value = json.loads(
            line,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error}") from error
    except RecursionError as error:
        raise InputError("is nested too deeply: a line is one flat object") from error
    if not isinstance(value, dict):
        raise InputError('is not an object: a line is {"event_id": ...}')
    return _event(value)


def event_of_texts(texts: Mapping[str, str | None]) -> UsageEvent:
    """The event of named values as text; None for no value. Raises InputError naming the field."""
    return _event({name: _plain(name, text) for name, text in texts.items()})


def event_of_csv(line: str, columns: Sequence[str]) -> UsageEvent:
    """The event of a line of CSV under these columns. Raises InputError naming the field."""
    try:
        rows = list(csv.reader([line.rstrip("\r")], strict=True))
    except csv.Error as error:
        raise InputError(f"is not CSV: {error} (values hold no line breaks)") from error
    values = rows[0] if rows else []
    if len(values) != len(columns):
        raise InputError(f"has {len(values)} values where the header has {len(columns)}")
    return event_of_texts(
        {name: value or None for name, value in zip(columns, values, strict=True)}
    )


def _event(value: Mapping[str, Any]) -> UsageEvent:
    known = {name: each for name, each in value.items() if each is not None}
    for name, kind in _NAMES.items():
        if isinstance(known.get(name), str):
            known[name] = kind.__members__.get(known[name].upper(), known[name])
    if isinstance(known.get("occurred_at"), str):
        known["occurred_at"] = _seconds(known["occurred_at"])
    return UsageEvent.read(known)


def _plain(name: str, text: str | None) -> str | int | None:
    if text is None or name not in WHOLE_NUMBERS or not _DIGITS.fullmatch(text):
        return text
    return int(text) if len(text) <= _LONGEST_NUMBER else text


def _seconds(text: str) -> int:
    if not _MOMENT.fullmatch(text):
        raise InputError(
            f"{text[:40]!r} is no moment: give whole seconds since 1970 or 2026-01-31T12:00:00Z",
            field="occurred_at",
        )
    try:
        return parse_moment(text)
    except InputError as error:
        raise InputError(error.reason, field="occurred_at") from error


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InputError("appears twice in one line: keep one", field=key)
        result[key] = value
    return result


def _refuse_constant(literal: str) -> NoReturn:
    raise InputError(f"{literal} is not JSON: only whole numbers are counted")


def _whole_number(literal: str) -> int:
    if len(literal) > _LONGEST_NUMBER:
        raise InputError(f"{literal[:40]} is beyond 2^64: no count is as large")
    return int(literal)
