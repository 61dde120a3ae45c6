"""What every table is made of. Times are whole seconds since 1970, UTC; money is in millionths of a dollar."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from obbligato.service.tables import ADDRESS, COLUMN_TYPES, Units

__all__ = ["ADDRESS", "LARGE", "Base", "Changing", "Happened", "Made", "Units"]


LARGE = "large"
"""What a table's `info` says where its rows are thousands of bytes each."""


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = COLUMN_TYPES


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
