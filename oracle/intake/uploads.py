"""Files of usage that platforms upload: streamed to disk, limited in size, complete or not there at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from pathlib import Path

from fastapi import Request
from sqlalchemy import func, select
from starlette.requests import ClientDisconnect

from obbligato.schemas.oracle import State
from obbligato.server.http import Problem
from oracle.db import OracleDatabase, Submission, Upload

RETENTION_SECONDS = 7 * 86_400
"""How long a file is stored after it came, unless a report still needs it."""


class Uploads:
    """`folder/<platform>/<sha256>`, each file complete and with the digest that it is named by."""

    def __init__(
        self, database: OracleDatabase, folder: Path, *, most_bytes: int, most_of_platform: int
    ) -> None:
        self._database = database
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_of_platform = most_of_platform
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, platform_id: int, sha256: str) -> Path:
        """Where the file is, or would be."""
        return self._folder / str(platform_id) / sha256

    def known(self, platform_id: int, sha256: str) -> Upload | None:
        """The upload, if all of it came and is still here."""
        with self._database.work() as session:
            upload = session.get(Upload, (platform_id, sha256))
        return upload if upload and self.path(platform_id, sha256).exists() else None

    async def receive(self, request: Request, platform_id: int, sha256: str) -> Upload:
        """Stream a body to disk. Raises Problem 413, 422 for other bytes, 400 for a cut-off one, 507."""
        self._check_room(request, platform_id)
        final = self.path(platform_id, sha256)
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = final.with_name(f"{sha256}.{secrets.token_hex(8)}.partial")
        try:
            size = await self._write(request, partial, sha256)
            partial.replace(final)
            _flush_folder(final.parent)
        except ClientDisconnect:
            raise Problem(400, "Cut off", "The upload was cut off: send it again.") from None
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise Problem(
                    507, "Disk full", "The oracle has no room: try again later."
                ) from None
            raise
        finally:
            partial.unlink(missing_ok=True)
        upload = Upload(
            platform_id=platform_id, sha256=sha256, size=size, created_at=int(time.time())
        )
        with self._database.work() as session:
            session.merge(upload)
        return upload

    def sweep(self, now: int) -> int:
        """Remove files that came long ago and that no report waits for; how many."""
        with self._database.work() as session:
            waiting = session.scalars(
                select(Submission).where(Submission.state == State.RECEIVED)
            ).all()
            needed = {
                (one.platform_id, file["sha256"])
                for one in waiting
                for file in one.request["files"]
            }
            old = session.scalars(
                select(Upload).where(Upload.created_at < now - RETENTION_SECONDS)
            ).all()
            gone = [one for one in old if (one.platform_id, one.sha256) not in needed]
            for upload in gone:
                self.path(upload.platform_id, upload.sha256).unlink(missing_ok=True)
                session.delete(upload)
        for partial in self._folder.glob("*/*.partial"):
            if partial.stat().st_mtime < now - RETENTION_SECONDS:
                partial.unlink(missing_ok=True)
        return len(gone)

    def _check_room(self, request: Request, platform_id: int) -> None:
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._most_bytes:
            raise self._too_large()
        with self._database.work() as session:
            total = func.coalesce(func.sum(Upload.size), 0)
            held = session.scalar(select(total).where(Upload.platform_id == platform_id)) or 0
        if held + int(announced if announced.isdigit() else 0) > self._most_of_platform:
            raise Problem(
                413, "Too much", "This platform's files take all the room it has: wait a few days."
            )

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "Too large",
            f"A file has at most {self._most_bytes} bytes: divide it, and name all files in one report.",
        )

    async def _write(self, request: Request, partial: Path, sha256: str) -> int:
        """Write and hash what comes; its size. Nothing is held in memory."""
        hashed = hashlib.sha256()
        size = 0
        with partial.open("wb") as file:
            async for part in request.stream():
                size += len(part)
                if size > self._most_bytes:
                    raise self._too_large()
                hashed.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if hashed.hexdigest() != sha256:
            raise Problem(
                422,
                "Other bytes",
                f"The body hashes to {hashed.hexdigest()}, not to {sha256}: send it again.",
                field="sha256",
            )
        return size


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
