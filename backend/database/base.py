"""What every table is made of. Times are whole seconds since 1970, UTC; money is in millionths of a dollar."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Units(TypeDecorator[int]):
    """A whole number up to 2^64 - 1, beyond a database's signed integers, as its decimal digits."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: object) -> int | None:
        return None if value is None else int(value)


ADDRESS = String(42)
"""An account: 0x and 40 hexadecimal digits with their EIP-55 checksum."""


LARGE = "large"
"""What a table's `info` says where its rows are thousands of bytes each."""


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        bytes: LargeBinary,
        str: Text,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


class Made:
    """A row that an event made. Undoing a block begins with the rows that it made."""

    block_number: Mapped[int] = mapped_column(index=True)
    """The block of the event that made the row."""


class Changing(Made):
    """A row that later events change; what it was before is in the journal while that can be undone."""

    changed_in: Mapped[int]
    """The block of the last event that changed it: once that is final, so is all that the row says."""


class Happened:
    """A row that stands for one event, and never changes."""

    block_number: Mapped[int] = mapped_column(primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
