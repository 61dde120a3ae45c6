"""Files that people write by hand or export: usage rows, payees and terms from CSV, JSONL and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from obbligato.errors import InputError
from obbligato.protocol.constants import NOT_OFFERED, Metric, Role, Tier
from obbligato.protocol.rows import Row, check_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import member_of

MAX_FILE_BYTES: Final = 16 * 1_048_576
ROW_COLUMNS: Final = ("license_id", "tier", "metric", "quantity")
PAYEE_COLUMNS: Final = ("account", "share", "role")

AnyEnum = TypeVar("AnyEnum", bound=IntEnum)
Made = TypeVar("Made")


def read_rows(path: Path) -> list[Row]:
    """The usage rows of a `.csv` (columns ROW_COLUMNS) or `.jsonl` file, in their order.

    Tiers and metrics by number or by name; quantities in millionths of a unit. Raises InputError
    naming the row (from 0) and field of the first that is wrong or out of order.
    """
    rows = [_row(values, number) for number, values in enumerate(_records(path, ROW_COLUMNS))]
    check_rows(rows)
    return rows


def read_split(path: Path) -> Split:
    """A split from `.csv` (columns PAYEE_COLUMNS) or `.json` (`{"payees": [...]}`), in any order.

    Shares in parts per million, roles by number or by name. Raises InputError.
    """
    if path.suffix.lower() == ".csv":
        records: Iterator[Mapping[str, object]] = iter(list(_records(path, PAYEE_COLUMNS)))
    else:
        records = iter(_payees_of(read_json(path)))
    return Split.of([_payee(values, number) for number, values in enumerate(records)])


def read_terms(path: Path) -> Terms:
    """Terms from JSON with the members of docs/rules.md. Raises InputError.

    A rate is a whole number, its decimal string (as wallets show large ones), or "not offered".
    """
    data = read_json(path)
    if isinstance(data, dict) and isinstance(data.get("rates"), list):
        data["rates"] = [
            {name: _rate(value) for name, value in card.items()} if isinstance(card, dict) else card
            for card in data["rates"]
        ]
    return Terms.read(data)


def _rate(value: object) -> object:
    if value == "not offered":
        return NOT_OFFERED
    decimal = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20
    return int(value) if decimal and isinstance(value, str) else value


def read_bytes(path: Path, *, most: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file. Raises InputError if it cannot be read or is larger than `most`."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if len(data) > most:
        raise InputError(f"{path}: more than {most} bytes")
    return data


def read_json(path: Path) -> Any:
    """The JSON of a file; no floats, no repeated keys. Raises InputError."""
    try:
        return _json(_text(path))
    except InputError as error:
        raise InputError(f"{path}: {error.reason}", field=error.field) from error


def named(kind: type[AnyEnum], value: object) -> AnyEnum:
    """A member by its number, the digits of it, or its name in any case. Raises InputError."""
    if isinstance(value, str):
        text = value.strip()
        by_name = kind.__members__.get(text.upper().replace(" ", "_").replace("-", "_"))
        if by_name is not None:
            return by_name
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text
    return member_of(kind)(value)


def _row(values: Mapping[str, object], number: int) -> Row:
    return _located(
        number,
        lambda: Row(
            license_id=_integer(values, "license_id"),
            tier=_member(Tier, values, "tier"),
            metric=_member(Metric, values, "metric"),
            quantity=_integer(values, "quantity"),
        ),
    )


def _payee(values: Mapping[str, object], number: int) -> Payee:
    return _located(
        number,
        lambda: Payee.read(
            {
                "account": values.get("account"),
                "share": _integer(values, "share"),
                "role": _member(Role, values, "role"),
            }
        ),
    )


def _located(number: int, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except InputError as error:
        raise InputError(error.reason, field=error.field, row=number) from error


def _member(kind: type[AnyEnum], values: Mapping[str, object], field: str) -> AnyEnum:
    try:
        return named(kind, values.get(field))
    except InputError as error:
        raise InputError(error.reason, field=field) from error


def _integer(values: Mapping[str, object], field: str) -> int:
    value = values.get(field)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        if len(value) > 30:
            raise InputError(f"{value[:30]}… is too large", field=field)
        return int(value)
    if type(value) is not int:
        raise InputError(f"{value!r} is not a whole number: give digits only", field=field)
    return value


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_records(path, columns)
    if suffix in (".jsonl", ".ndjson"):
        return _jsonl_records(path, columns)
    raise InputError(f"{path}: give a .csv or .jsonl file")


def _csv_records(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
    reader = csv.reader(_text(path).splitlines(), strict=True)
    try:
        header = tuple(name.strip() for name in next(reader, ()))
        if sorted(header) != sorted(columns):
            raise InputError(f"{path}: the columns are {','.join(columns)}, not {','.join(header)}")
        for number, values in enumerate(filter(None, reader)):
            if len(values) != len(header):
                raise InputError(f"{len(values)} values for {len(header)} columns", row=number)
            yield dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _jsonl_records(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(filter(str.strip, _text(path).split("\n"))):
        try:
            values = _json(line)
        except InputError as error:
            raise InputError(error.reason, row=number) from error
        yield _object(values, columns, number)


def _payees_of(data: object) -> list[Mapping[str, object]]:
    listed = data.get("payees") if isinstance(data, dict) else data
    if not isinstance(listed, list):
        raise InputError('give {"payees": [...]}', field="payees")
    return [_object(values, PAYEE_COLUMNS, number) for number, values in enumerate(listed)]


def _object(values: object, columns: tuple[str, ...], number: int) -> Mapping[str, object]:
    if not isinstance(values, dict) or set(values) != set(columns):
        raise InputError(f"give an object with {', '.join(columns)}", row=number)
    return values


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8") from error


def _json(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_json_integer,
            object_pairs_hook=_once,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from error


def _refuse_number(literal: str) -> NoReturn:
    raise InputError(f"{literal[:40]} is not a whole number")


def _json_integer(literal: str) -> int:
    return int(literal) if len(literal) <= 30 else _refuse_number(literal)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InputError("a key appears twice in one object")
    return made
