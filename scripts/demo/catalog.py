"""Catalogues: published facts about recordings from CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obbligato.documents.identifiers import checked_release_date, compact_isrc
from obbligato.errors import InputError

SERVICES: Final = (
    "spotify_streams",
    "youtube_views",
    "tiktok_posts",
    "soundcloud_streams",
    "pandora_streams",
    "shazam_counts",
    "airplay_spins",
)
"""Columns with cumulative counts, one a service."""

COLUMNS: Final = ("isrc", "title", "artist", "album", "release_date", *SERVICES)


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """Published facts about one recording.

    Text is as published, dirt included; `artist` is None where the source names none. `counts` has
    one entry for each of SERVICES: a cumulative count, or None where the service published none.
    """

    isrc: str
    title: str
    artist: str | None
    album: str
    release_date: str
    counts: Mapping[str, int | None]


def read_catalogue(path: Path | str) -> list[RecordingFacts]:
    """The recordings of a CSV file with the columns COLUMNS, in UTF-8.

    Raises InputError naming the line (counted from 1, the header's) and the column of the first
    value that is wrong: a missing or unknown column, a bad or repeated ISRC, an empty title, a
    date that is none, a count that is not a whole number.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = tuple(next(reader, ()))
            if header != COLUMNS:
                raise InputError(f"the columns are {','.join(COLUMNS)}, not {','.join(header)}")
            return list(_recordings(reader))
        except csv.Error as error:
            raise InputError(f"line {reader.line_num}: not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"after line {reader.line_num}: not UTF-8: {error}") from error


def _recordings(reader: Iterator[list[str]]) -> Iterator[RecordingFacts]:
    line_of: dict[str, int] = {}
    # The position of a row is that of its last line: a quoted title may hold line breaks.
    for values in reader:
        line: int = reader.line_num  # type: ignore[attr-defined]  # csv.reader has no public type
        if len(values) != len(COLUMNS):
            raise InputError(f"line {line}: {len(values)} values for {len(COLUMNS)} columns")
        named = dict(zip(COLUMNS, values, strict=True))
        facts = _facts(named, line)
        first = line_of.setdefault(facts.isrc, line)
        if first != line:
            raise InputError(f"line {line}: {facts.isrc} is on line {first} too", field="isrc")
        yield facts


def _facts(named: Mapping[str, str], line: int) -> RecordingFacts:
    column = "isrc"
    try:
        isrc = compact_isrc(named[column])
        column = "title"
        if not named[column].strip():
            raise InputError("is blank: every recording has a title")
        column = "release_date"
        release_date = checked_release_date(named[column])
        counts: dict[str, int | None] = {}
        for column in SERVICES:
            counts[column] = _count(named[column])
    except InputError as error:
        raise InputError(f"line {line}: {error.reason}", field=column) from error
    return RecordingFacts(
        isrc=isrc,
        title=named["title"],
        artist=named["artist"] or None,
        album=named["album"],
        release_date=release_date,
        counts=counts,
    )


def _count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError(f"{text[:40]!r} is not a count: give digits only, or nothing if unknown")
    return int(text)
