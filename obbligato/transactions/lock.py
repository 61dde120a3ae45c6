"""One process a sender key: a file lock, and on PostgreSQL a lock that machines share. Both die with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Protocol, TextIO

from eth_hash.auto import keccak
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from obbligato.server.database import Database


class KeyLock:
    """The right to send with one key. Only who holds it may sign or send."""

    def __init__(self, address: str, folder: Path, database: Database | None = None) -> None:
        """`folder` is the same for every process on this machine that may have the key."""
        self._file = _FileLock(folder / f"{address.lower()}.lock")
        shared = database is not None and not database.is_sqlite
        self._parts: list[_Part] = [self._file]
        if shared and database is not None:
            self._parts.append(_AdvisoryLock(database, address))

    def try_acquire(self) -> bool:
        """Whether this process holds the lock now. Cheap where it does: ask before every step."""
        if all(part.try_acquire() for part in self._parts):
            return True
        self.release()
        return False

    def holder(self) -> str:
        """Who holds it, in words; of use only where `try_acquire` said no."""
        return next((name for part in self._parts if (name := part.holder())), "another process")

    def release(self) -> None:
        """Let others have it."""
        for part in reversed(self._parts):
            part.release()


class _Part(Protocol):
    def try_acquire(self) -> bool: ...
    def holder(self) -> str: ...
    def release(self) -> None: ...


class _FileLock:
    """An flock: the kernel drops it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: TextIO | None = None

    def try_acquire(self) -> bool:
        if self._held is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{_myself()}\n")
        file.flush()
        self._held = file
        return True

    def holder(self) -> str:
        """What the holder wrote; nothing while this process itself is the holder."""
        if self._held is not None:
            return ""
        with contextlib.suppress(OSError):
            return self._path.read_text().strip()
        return ""

    def release(self) -> None:
        if self._held is not None:
            # The file stays: whoever removed it would let two processes lock two files of one name.
            self._held.truncate(0)
            self._held.close()
            self._held = None


class _AdvisoryLock:
    """PostgreSQL's lock of a session: the server drops it when the connection ends."""

    def __init__(self, database: Database, address: str) -> None:
        self._database = database
        self._number = int.from_bytes(keccak(address.lower().encode())[:8], "big", signed=True)
        self._connection: Connection | None = None

    def try_acquire(self) -> bool:
        if self._connection is not None and self._is_alive(self._connection):
            return True
        self.release()
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(
            text("SELECT set_config('application_name', :me, false)"), {"me": _myself()[:63]}
        )
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": self._number})
        if not taken:
            connection.close()
            return False
        self._connection = connection
        return True

    def holder(self) -> str:
        with self._database.engine.connect() as connection:
            holder_name = connection.scalar(
                text(
                    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
                    "WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
                    "AND ((classid::bigint << 32) | objid::bigint) = :n"
                ),
                {"n": self._number},
            )
        return str(holder_name or "")

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            with contextlib.suppress(SQLAlchemyError):
                # Not back to the pool: if it was cut, the lock goes with the connection.
                connection.invalidate()
                connection.close()

    @staticmethod
    def _is_alive(connection: Connection) -> bool:
        try:
            return bool(connection.scalar(text("SELECT 1")))
        except SQLAlchemyError:
            return False


def _myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
