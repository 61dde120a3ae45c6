"""`make demo` from the outside: it succeeds, and what it says was paid is what the catalogue and the prices come to.

Everything expected here is worked out from the CSV file with integers alone; no rule of the library is used.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from scripts.toolchain import ROOT, environment

RECORDINGS = 64
POOL_TOTAL = 40_000_000_000
GRANT_FEE = 150_000_000
MINIMUM_BOND = 5_000_000

# What each offer asks for one use, in millionths of a dollar; a use that is not listed is not allowed.
TRAIN = {"soundcloud_streams": 3, "tiktok_posts": 2_400, "shazam_counts": 40}
EVERYTHING = {"soundcloud_streams": 3, "tiktok_posts": 6_500, "shazam_counts": 90}
ANALYSIS = {"soundcloud_streams": 3}
AGREED = {"tiktok_posts": 1_200, "shazam_counts": 20}
BY_FIVES = ("train", "everything", "train", "analysis", "agreement")

# Shares in parts per million, by the number of the recording modulo 8.
SHARES: tuple[dict[str, int], ...] = (
    {"performer": 1_000_000},
    {"performer": 650_000, "label": 350_000},
    {"performer": 333_334, "composer": 333_333, "producer": 333_333},
    {"performer": 400_000, "composer": 250_000, "publisher": 150_000, "label": 200_000},
    {
        "performer": 300_000,
        "composer": 200_000,
        "lyricist": 200_000,
        "producer": 100_000,
        "label": 200_000,
    },
    {
        "performer": 250_000,
        "composer": 200_000,
        "lyricist": 150_000,
        "session musician": 50_000,
        "producer": 150_000,
        "label": 200_000,
    },
    {
        "performer": 250_000,
        "composer": 150_000,
        "lyricist": 100_000,
        "arranger": 50_000,
        "session musician": 50_001,
        "producer": 149_999,
        "label": 250_000,
    },
    {
        "performer": 300_000,
        "composer": 120_000,
        "lyricist": 80_000,
        "arranger": 40_000,
        "session musician": 60_000,
        "producer": 100_000,
        "publisher": 100_000,
        "label": 200_000,
    },
)
SHARED_BY = {"label": 6, "publisher": 4, "producer": 10, "session musician": 8}
"""How many labels and so on there are; every other role is the artist's own."""


@dataclass(frozen=True)
class Expected:
    """What the demo must say."""

    rows: int
    payees: int
    paid_units: int


def offer_of(number: int) -> str:
    return "none" if number == RECORDINGS // 2 else BY_FIVES[number % 5]


def payees_of(number: int, artist: str) -> frozenset[tuple[str, int]]:
    """(who, share) of a recording."""
    found = set()
    for role, share in SHARES[number % 8].items():
        whose = number % SHARED_BY[role] if role in SHARED_BY else artist
        found.add((f"{role} {whose}", share))
    return frozenset(found)


def catalogue() -> list[dict[str, str]]:
    """The first recordings with an artist that six services counted something of."""
    with (ROOT / "data/catalogue/recordings.csv").open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    counted = (
        "spotify_streams",
        "youtube_views",
        "tiktok_posts",
        "soundcloud_streams",
        "pandora_streams",
        "shazam_counts",
    )
    complete = [row for row in facts if row["artist"] and all(int(row[c] or 0) for c in counted)]
    return complete[:RECORDINGS]


def expected() -> Expected:
    """The whole demo in plain arithmetic."""
    recordings = catalogue()
    prices = {"train": TRAIN, "everything": EVERYTHING, "analysis": ANALYSIS}
    granted = BY_FIVES.index("agreement")  # the first by agreement is the one that gets its grant
    earned: Counter[int] = Counter({granted: GRANT_FEE})
    rows = 0
    for number, facts in enumerate(recordings):
        offer = AGREED if number == granted else prices.get(offer_of(number), {})
        for service, rate in offer.items():
            earned[number] += int(facts[service]) * rate
            rows += 1

    # The first recording's generations are ruled half as many again.
    more = int(recordings[0]["tiktok_posts"]) * 2_400 // 2
    earned[0] += more
    bond = max(MINIMUM_BOND, more // 10) // 2  # the artist is a payee
    refunds = bond + bond // 2  # and gets half of the platform's equal stake

    # A pool shared by streams among those that join pools, prefix by prefix.
    joined = [n for n in range(RECORDINGS) if offer_of(n) in ("train", "everything")]
    streams = {n: int(recordings[n]["spotify_streams"]) for n in joined}
    whole, before = sum(streams.values()), 0
    for number in joined:
        reached = before + streams[number]
        earned[number] += POOL_TOTAL * reached // whole - POOL_TOTAL * before // whole
        before = reached
    rows += len(joined)

    # Equal splits are one split; every payee has its share of the sum, rounded down once.
    received: defaultdict[frozenset[tuple[str, int]], int] = defaultdict(int)
    for number, facts in enumerate(recordings):
        received[payees_of(number, facts["artist"])] += earned[number]
    paid = sum(
        amount * share // 1_000_000 for split, amount in received.items() for _, share in split
    )
    return Expected(rows, len({who for split in received for who, _ in split}), paid + refunds)


@cache
def printed() -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo", "--json"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """What the demo says in JSON."""
    code, lines, err = printed()
    assert code == 0, "\n".join([*lines, err])
    found: dict[str, Any] = json.loads(lines[0])
    return found


def test_the_demo_pays_what_the_catalogue_comes_to(summary: dict[str, Any]) -> None:
    want = expected()
    assert summary["recordings"] == RECORDINGS
    assert summary["reports"] == 2
    assert summary["rows"] == want.rows
    assert summary["payees"] == want.payees
    assert summary["paid_units"] == want.paid_units


def test_its_last_line_says_so_for_people(summary: dict[str, Any]) -> None:
    dollars, millionths = divmod(summary["paid_units"], 1_000_000)
    assert re.fullmatch(
        rf"demo: OK 64 recordings, {summary['rows']} rows in 2 reports, {summary['payees']} payees,"
        rf" \${dollars:,}\.{millionths:06d} paid, conserved to the unit,"
        rf" {summary['events']} events recomputed, \d+ s",
        printed()[1][-1],
    )
    assert len(printed()[1]) == 2  # results only: the story itself is printed on stderr


def test_the_story_says_who_contested_what(summary: dict[str, Any]) -> None:
    before = int(catalogue()[0]["tiktok_posts"]) * 2_400
    after = before * 3 // 2
    said = f"ruled up from ${before / 1e6:,.6f} to ${after / 1e6:,.6f}"
    assert said in printed()[2]
