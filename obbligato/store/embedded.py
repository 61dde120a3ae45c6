"""A verified folder of blocks: the default store, with nothing else to install or run."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from obbligato.documents.cid import check_block, cid_of, digest_from_cid
from obbligato.errors import DigestMismatch, NotFound
from obbligato.store.port import MAX_BLOCK_BYTES, BlockState, BlockStatus, StoreError, check_size

ABANDONED_AFTER_SECONDS: Final = 3_600
"""A half-written block older than this belongs to a process that died."""


class EmbeddedStore:
    """Blocks as files under `folder`, named by CID; everything in it stays (is pinned).

    Layout: `blocks/<two characters>/<cid>`, the two next to the last as in Kubo's flatfs
    (https://github.com/ipfs/go-ds-flatfs, `next-to-last/2`), and `partial/` for blocks on their
    way. A block appears whole or not at all: it is written aside, flushed to the disk and renamed.
    Every read hashes what it read.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open `folder`, creating it where needed. Raises StoreError where that is not possible."""
        self._blocks = Path(folder) / "blocks"
        self._partial = Path(folder) / "partial"
        try:
            self._blocks.mkdir(parents=True, exist_ok=True)
            self._partial.mkdir(exist_ok=True)
            self._sweep()
        except OSError as error:
            raise StoreError(f"cannot open the block folder {folder}: {error}") from error

    def put(self, data: bytes) -> str:
        """Store a block; a file that was tampered with is replaced by the true bytes."""
        cid = cid_of(check_size(data))
        path = self._path(cid)
        try:
            if self._read(cid) == data:
                return cid
        except (NotFound, DigestMismatch):
            pass
        try:
            path.parent.mkdir(exist_ok=True)
            self._write(path, data)
        except OSError as error:
            raise StoreError(f"cannot write block {cid}: {error}") from error
        return cid

    def get(self, cid: str) -> bytes:
        """The verified bytes of a block."""
        return self._read(cid)

    def pin(self, cid: str) -> None:
        """Nothing is ever dropped here: this only makes sure that the block is here and whole."""
        self._read(cid)

    def status(self, cid: str) -> BlockStatus:
        """PINNED or ABSENT."""
        try:
            data = self._read(cid)
        except NotFound:
            return BlockStatus(cid, BlockState.ABSENT, None)
        return BlockStatus(cid, BlockState.PINNED, len(data))

    def _path(self, cid: str) -> Path:
        digest_from_cid(cid)  # refuses everything that is not 59 characters of base32
        return self._blocks / cid[-3:-1] / cid

    def _read(self, cid: str) -> bytes:
        path = self._path(cid)
        try:
            # One byte over the limit is enough to know that a file is no block of ours; a link
            # is never followed, so nothing outside the folder is read.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(MAX_BLOCK_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"block {cid} is not in this store: ask another store") from None
        except OSError as error:
            raise StoreError(f"cannot read block {cid}: {error}") from error
        return check_block(cid, data)

    def _write(self, path: Path, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._partial, delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                partial.chmod(0o644)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _flush_folder(path.parent)
        _flush_folder(self._blocks)

    def _sweep(self) -> None:
        oldest = time.time() - ABANDONED_AFTER_SECONDS
        for partial in self._partial.iterdir():
            try:
                if partial.stat().st_mtime < oldest:
                    partial.unlink()
            except FileNotFoundError:
                pass  # another process swept it, or finished it, first


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut: it is an entry of the folder, flushed by itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
