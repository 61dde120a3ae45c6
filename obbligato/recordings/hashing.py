"""The content hash of a recording: the sha-256 of its file, read piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from obbligato.errors import InputError

PIECE_BYTES: Final = 1 << 20

OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes of it are done, and of how many."""


def content_hash(path: Path, watch: OnProgress = lambda what, done, total: None) -> bytes:
    """The 32 bytes. Raises InputError for a file that is empty or cannot be read."""
    digest, done, what = hashlib.sha256(), 0, f"hashing {path.name}"
    try:
        with path.open("rb") as file:
            total = path.stat().st_size
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                done += len(piece)
                watch(what, done, max(done, total))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", field="file") from error
    if not done:
        raise InputError(
            f"{path} is empty: its hash would be that of every empty file", field="file"
        )
    return digest.digest()
