"""Canonical JSON: one value, one sequence of bytes, one digest.

The format is RFC 8785 (JSON Canonicalization Scheme) with two restrictions of our own: numbers are
whole and lie within ±(2^53 - 1). Larger integers travel as decimal strings (`DecimalUInt64`), so
that no reader in any language loses a digit.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Final, NoReturn

import rfc8785
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from obbligato.errors import InputError
from obbligato.protocol.types import whole_number

MAX_DOCUMENT_BYTES: Final = 262_144
"""A document is one block under every IPFS chunking profile up to this size."""

LARGEST_JSON_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64
"""Objects and lists nested deeper than this are refused; our documents need six."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,38}")
_LONGEST_INTEGER = len("-9007199254740991")


def canonical_bytes(value: object, *, most: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The RFC 8785 bytes of a JSON value (dicts with str keys, lists, str, int, bool, None).

    Raises InputError naming the place of a float, of an integer beyond 2^53 - 1 or of anything that
    JSON cannot carry, and for more than `most` bytes.
    """
    _check_value(value, "$", depth=0)
    try:
        data = rfc8785.dumps(value)  # type: ignore[arg-type]  # checked right above
    except rfc8785.CanonicalizationError as error:
        raise InputError(f"cannot be written as canonical JSON: {error}") from error
    _check_size(data, most)
    return data


def parse_canonical(data: bytes, *, most: int = MAX_DOCUMENT_BYTES) -> Any:
    """The value of canonical bytes; exactly one sequence of bytes is accepted for each value.

    Raises InputError for more than `most` bytes, anything that is not UTF-8 JSON, duplicate keys,
    floats, NaN, integers beyond 2^53 - 1, and bytes that differ from `canonical_bytes` of what they
    say (key order, spaces, escapes), naming the first byte that differs.
    """
    _check_size(data, most)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start} is not UTF-8: a document is UTF-8 JSON") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_float=_refuse_float,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels") from error
    canonical = canonical_bytes(value, most=most)
    if canonical != data:
        raise InputError(
            f"not in canonical form from byte {_first_difference(canonical, data)} on: "
            "write it with RFC 8785 (sorted keys, no spaces, shortest escapes)"
        )
    return value


def sha256(data: bytes) -> bytes:
    """The 32-byte digest that the chain keeps of a document."""
    return hashlib.sha256(data).digest()


def _check_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise InputError(f"{len(data)} bytes are more than the {most} allowed in one document")


def _check_value(value: object, path: str, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            pass
        case str():
            _check_text(value, path)
        case int():
            if abs(value) > LARGEST_JSON_INTEGER:
                raise InputError(
                    "an integer beyond 2^53 - 1: write it as a decimal string", field=path
                )
        case float():
            raise InputError(f"{value!r} is a float: only whole numbers are counted", field=path)
        case list() | tuple():
            for position, item in enumerate(value):
                _check_value(item, f"{path}[{position}]", depth=depth + 1)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InputError(f"the key {key!r} is not text", field=path)
                _check_text(key, path)
                _check_value(item, f"{path}.{key}", depth=depth + 1)
        case _:
            raise InputError(f"a {type(value).__name__} is not JSON", field=path)


def _check_text(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"character {error.start} is half of a surrogate pair, which UTF-8 cannot carry",
            field=path,
        ) from error


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InputError(f"the key {key!r} appears twice in one object", field=key)
        result[key] = value
    return result


def _refuse_float(literal: str) -> NoReturn:
    raise InputError(f"{literal[:40]} is a float: only whole numbers are counted")


def _refuse_constant(literal: str) -> NoReturn:
    raise InputError(f"{literal} is not JSON: only whole numbers are counted")


def _whole_number(literal: str) -> int:
    # Python refuses to convert very long literals with an error of its own: stay far below that.
    if len(literal) > _LONGEST_INTEGER:
        raise InputError(f"{literal[:40]} is beyond 2^53 - 1: write it as a decimal string")
    return int(literal)


def _first_difference(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _decimal(bits: int) -> Any:
    def convert(value: object) -> int:
        if isinstance(value, str):
            if not _DECIMAL.fullmatch(value):
                raise InputError(
                    f"{value[:40]!r} is not a decimal string: give digits, without leading zeros"
                )
            value = int(value)
        return whole_number(value, field="", most=2**bits - 1)

    return BeforeValidator(convert)


_written = PlainSerializer(str, return_type=str, when_used="json")
_schema = WithJsonSchema({"type": "string", "pattern": f"^({_DECIMAL.pattern})$"})

DecimalUInt64 = Annotated[int, _decimal(64), _written, _schema]
"""A uint64: an int in Python, a decimal string in JSON."""

DecimalUInt128 = Annotated[int, _decimal(128), _written, _schema]
"""The sum of many uint64: an int in Python, a decimal string in JSON."""
