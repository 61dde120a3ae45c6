"""Catalogues: strict reading of published facts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from obbligato.documents.license import Recording
from obbligato.errors import InputError
from scripts.demo.catalog import COLUMNS, SERVICES, read_catalogue

EXTRACT = Path(__file__).parents[2] / "data" / "catalogue" / "recordings.csv"
GOOD = "USUG12400910,Not Like Us,Kendrick Lamar,Not Like Us,2024-05-04,1,2,3,4,5,6,7"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str) -> Path:
        path = tmp_path / "catalogue.csv"
        path.write_bytes("\r\n".join([",".join(COLUMNS), *lines, ""]).encode())
        return path

    return write


def test_the_extract_holds_at_most_300_recordings_and_every_kind_of_dirt() -> None:
    facts = read_catalogue(EXTRACT)
    assert len(facts) == 280
    assert len({each.isrc for each in facts}) == 280
    for service in SERVICES:
        assert any(each.counts[service] is None for each in facts)
        assert any(each.counts[service] is not None for each in facts)
    assert max(len(each.title) for each in facts) == 114
    assert any('"' in each.title for each in facts)
    assert any("," in each.title for each in facts)
    assert any(not each.title.isascii() for each in facts)
    assert any(each.artist is None for each in facts)


def test_known_facts_of_the_extract_are_read_whole() -> None:
    by_isrc = {each.isrc: each for each in read_catalogue(EXTRACT)}
    facts = by_isrc["USUG12400910"]
    assert (facts.title, facts.artist, facts.release_date) == (
        "Not Like Us",
        "Kendrick Lamar",
        "2024-05-04",
    )
    assert facts.counts == {
        "spotify_streams": 323703884,
        "youtube_views": 116347040,
        "tiktok_posts": 674700,
        "soundcloud_streams": 6623075,
        "pandora_streams": 7780028,
        "shazam_counts": 1118279,
        "airplay_spins": 40778,
    }


def test_reading_changes_no_text() -> None:
    with EXTRACT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    facts = read_catalogue(EXTRACT)
    assert [[each.title, each.artist or "", each.album] for each in facts] == [
        row[1:4] for row in rows
    ]


def test_every_recording_of_the_extract_fits_a_document() -> None:
    for facts in read_catalogue(EXTRACT):
        recording = Recording(
            isrc=facts.isrc,
            title=facts.title,
            artists=(facts.artist or "unknown",),
            release_date=facts.release_date,
            content_hash=bytes(32),
        )
        assert recording.title == facts.title
        assert Recording.from_bytes(recording.to_bytes()) == recording


@pytest.mark.parametrize(
    "title",
    [
        "<script>alert(1)</script>",
        '"=HYPERLINK(""https://example.org"",""x"")"',
        "שלום עולם",
        "🎷" * 200,
        '"two\r\nlines"',
        " spaces kept ",
    ],
)
def test_hostile_and_foreign_titles_are_kept_whole(write: Callable[..., Path], title: str) -> None:
    (facts,) = read_catalogue(write(GOOD.replace("Not Like Us,K", f"{title},K")))
    assert facts.title == title.removeprefix('"').removesuffix('"').replace('""', '"')


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (GOOD.replace("USUG12400910", "USUG1240091"), "isrc", "is not an ISRC"),
        (GOOD.replace("Not Like Us,K", " ,K"), "title", "blank"),
        (GOOD.replace("2024-05-04", "2024-02-30"), "release_date", "calendar"),
        (GOOD.replace("2024-05-04", "4.5.2024"), "release_date", "not a release date"),
        (GOOD.replace(",7", ",7.0"), "airplay_spins", "is not a count"),
        (GOOD.replace(",1,", ",-1,"), "spotify_streams", "is not a count"),
        (GOOD.replace(",3,", ",1e9,"), "tiktok_posts", "is not a count"),
        (GOOD.replace(",3,", ",٣,"), "tiktok_posts", "is not a count"),
        (GOOD.replace("UG", "ZZ"), "isrc", "is on line 2 too"),
        (GOOD + ",8", None, "13 values for 12 columns"),
        (GOOD.replace("Not Like Us,K", '"Not" Like Us,K'), None, "not CSV"),
    ],
)
def test_a_wrong_value_is_named_by_line_and_column(
    write: Callable[..., Path], line: str, field: str | None, reason: str
) -> None:
    path = write(GOOD.replace("UG", "ZZ"), line)
    with pytest.raises(InputError, match=reason) as refused:
        read_catalogue(path)
    assert "line 3" in str(refused.value)
    assert refused.value.field == field


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    for header in ("isrc,title\n", "", "\ufeff" + ",".join(COLUMNS) + "\n"):
        path.write_text(header, encoding="utf-8")
        with pytest.raises(InputError, match="the columns are isrc,title,artist"):
            read_catalogue(path)


def test_bytes_that_are_not_utf_8_are_refused(write: Callable[..., Path]) -> None:
    path = write(GOOD)
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        read_catalogue(path)
