"""What tables are made of. Times are whole seconds since 1970, UTC; money is in millionths of a dollar."""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, String, Text, TypeDecorator


class Units(TypeDecorator[int]):
    """A whole number up to 2^64 - 1, beyond a database's signed integers, as its decimal digits."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: object) -> int | None:
        return None if value is None else int(value)


ADDRESS: Final = String(42)
"""An account: 0x and 40 hexadecimal digits with their EIP-55 checksum."""

Serial: Final = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts itself: SQLite does that for INTEGER alone."""

COLUMN_TYPES: Final[dict[Any, Any]] = {
    int: BigInteger,
    bytes: LargeBinary,
    str: Text,
    dict[str, Any]: JSON,
    list[Any]: JSON,
}
"""The `type_annotation_map` of every declarative base."""


def now() -> int:
    """The time, in whole seconds."""
    return int(time.time())
