"""How far the chain was followed, its events as they are, and what undoes a block."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base


class Following(Base):
    """The one row that says which chain this is and how far it was followed."""

    __tablename__ = "following"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chain_id: Mapped[int]
    contracts: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The addresses of the five contracts, by name."""
    head_number: Mapped[int]
    """The last block that was read; one below the deployment's first before any was."""
    head_hash: Mapped[bytes]
    """Empty before any block was read."""
    final_number: Mapped[int]
    """Blocks up to this one are final: they are never undone."""


class Block(Base):
    """A block that has events, or can still be undone, or is the last final one.

    Its parent is not kept: it was compared when the block was read.
    """

    __tablename__ = "blocks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes]
    timestamp: Mapped[int]


class RawEvent(Base):
    """One log of one of the five contracts."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_name", "name", "block_number"),)

    block_number: Mapped[int] = mapped_column(primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
    contract: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(40))
    arguments: Mapped[dict[str, Any]]
    """By name; bytes are 0x hexadecimal, whole numbers stay numbers whatever their size."""
    transaction: Mapped[bytes]


class JournalEntry(Base):
    """What a row was before a block, that is not final, changed it or took it away."""

    __tablename__ = "journal"

    block_number: Mapped[int] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    """The primary key in words: with the block and the table it names the entry."""
    image: Mapped[dict[str, Any]]
    """Every column, bytes as hexadecimal."""
