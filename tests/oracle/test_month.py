"""A month of the repository's own extract, by ISRC, from a platform's file to the settled rows on the chain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from obbligato.protocol.rows import unpack_credits, unpack_rows
from scripts.demo.cast import METERED_PLATFORM
from scripts.stack import PASSWORD, keystore
from scripts.toolchain import environment
from tests.onchain import DAY
from tests.oracle.environment import OracleEnv, write
from tests.oracle.recordings import NARROW_LICENSES, WIDE_LICENSES, Licensed, extract

RECORDINGS = WIDE_LICENSES + NARROW_LICENSES + 6
"""The last six of them nobody licensed."""

USES = (
    # column, tier, metric, counts for one unit, parts per million of influence
    ("spotify_streams", 3, 3, 1_000, 1_000_000),
    ("airplay_spins", 3, 3, 1, 250_000),
    ("youtube_views", 2, 2, 100_000, 123_457),
    ("shazam_counts", 6, 3, 1_000, 333_333),
)
WIDE_PRICES = {(3, 3): 5, (2, 2): 2_622, (6, 3): 8}
NARROW_PRICES = {(3, 3): 40}
"""Millionths of a dollar for a unit. Training sells no generations there, and a voice is not for machines."""
NARROW_REASONS = {(2, 2): "not offered", (6, 3): "no consent"}
TIERS = {"TRAINING": 2, "GENERATIVE": 3, "VOICE": 6}
METRICS = {"GENERATION": 2, "PLAYBACK": 3}


def used() -> Iterator[tuple[int, str, int, int, int, int]]:
    """(position, ISRC, tier, metric, units, influence) of every use that the extract's counts make."""
    for position, facts in enumerate(extract()[:RECORDINGS]):
        for column, tier, metric, divisor, influence in USES:
            units = int(facts[column] or 0) // divisor
            if units:
                yield position, facts["isrc"], tier, metric, units, influence


def expected(licensed: Licensed) -> tuple[dict[tuple[int, int, int], list[int]], set[Any]]:
    """[quantity, amount] of every row, and what is used without a licence, added up one by one."""
    licenses = {**licensed.wide, **licensed.narrow}
    rows: dict[tuple[int, int, int], list[int]] = {}
    unlicensed: dict[tuple[str, int, int, str], int] = {}
    for position, isrc, tier, metric, units, influence in used():
        reason, price = None, WIDE_PRICES[tier, metric]
        if isrc not in licenses:
            reason = "no licence"
        elif position >= WIDE_LICENSES:
            reason = NARROW_REASONS.get((tier, metric))
            price = NARROW_PRICES.get((tier, metric), 0)
        if reason is not None:
            key = isrc, tier, metric, reason
            unlicensed[key] = unlicensed.get(key, 0) + units * influence
            continue
        row = rows.setdefault((licenses[isrc], tier, metric), [0, 0])
        row[0] += units * influence
        row[1] = row[0] * price // 1_000_000
    return rows, {(*key, quantity) for key, quantity in unlicensed.items()}


def events(model: bytes, period: tuple[int, int]) -> list[dict[str, Any]]:
    """The month as a platform writes it: all over the month, ISRCs with and without hyphens."""
    tiers = {number: name for name, number in TIERS.items()}
    metrics = {number: name for name, number in METRICS.items()}
    return [
        {
            "event_id": f"{isrc} {number}",
            "occurred_at": period[0] + number * 7_919 % (period[1] - period[0]),
            "isrc": f"{isrc[:2]}-{isrc[2:5]}-{isrc[5:7]}-{isrc[7:]}" if number % 3 else isrc,
            "tier": tiers[tier],
            "metric": metrics[metric],
            "units": units,
            "influence_ppm": influence,
            "model_id": "0x" + model.hex(),
        }
        for number, (_, isrc, tier, metric, units, influence) in enumerate(used())
    ]


def submitted(
    oracle_env: OracleEnv, model: bytes, folder: Path, *arguments: object
) -> dict[str, Any]:
    """`obbligato platform submit … --wait settled` as a process, while blocks come; what it printed."""
    (folder / "password").touch(0o600)
    (folder / "password").write_text(PASSWORD)
    settings = {
        "OBBLIGATO_RPC_URL": oracle_env.protocol.url,
        "OBBLIGATO_DEPLOYMENT": str(oracle_env.protocol.manifest),
        "OBBLIGATO_ORACLE_URL": oracle_env.leader.url,
        "OBBLIGATO_KEYSTORE": str(keystore(folder / "key.json", METERED_PLATFORM.reporter)),
        "OBBLIGATO_PASSWORD_FILE": str(folder / "password"),
    }
    command = [sys.executable, "-m", "obbligato", "platform", "submit", *map(str, arguments)]
    command += ["--platform", str(oracle_env.platform_id), "--model", "0x" + model.hex()]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [*command, "--wait", "settled", "--yes", "--json"],
            env={**environment(), **settings},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )

        def has_ended() -> bool:
            oracle_env.acts.node("evm_mine")
            return process.poll() is not None

        try:
            oracle_env.until(lambda: bool(oracle_env.happened(model)) or has_ended())
            oracle_env.pass_window()
            oracle_env.until(has_ended)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, (folder / "err").read_text()
    done: dict[str, Any] = json.loads((folder / "out").read_text())
    return done


def test_a_month_by_isrc_is_settled_as_whole_numbers_alone_compute_it(
    oracle_env: OracleEnv, licensed: Licensed, tmp_path: Path
) -> None:
    model, start = oracle_env.model(), licensed.period[0]
    period = (start, start + 30 * DAY)
    oracle_env.acts.wait(max(0, period[1] - oracle_env.acts.now()) // DAY + 1)
    path = write(tmp_path / "month.jsonl", events(model, period))
    done = submitted(oracle_env, model, tmp_path, path, "--start", period[0], "--end", period[1])
    assert done["state"] == "settled"

    rows, unlicensed = expected(licensed)
    (report,) = oracle_env.happened(model)
    found = zip(unpack_rows(report["rows"]), unpack_credits(report["credits"]), strict=True)
    assert {
        (row.license_id, int(row.tier), int(row.metric)): [row.quantity, credit.amount]
        for row, credit in found
    } == rows
    total = sum(amount for _, amount in rows.values())
    assert report["report"]["total"] == total
    assert oracle_env.settled(report["reportId"]) == [total]

    summary = done["summary"]
    isrc_of = {number: isrc for isrc, number in licensed.narrow.items()}
    assert summary["events"] == len(list(used()))
    assert summary["unlicensed_count"] == len(unlicensed)
    assert {
        (
            use["isrc"] or isrc_of[use["license_id"]],
            TIERS[use["tier"]],
            METRICS[use["metric"]],
            use["reason"],
            int(use["quantity"]),
        )
        for use in summary["unlicensed"]
    } == unlicensed
    assert {reason for _, _, _, reason, _ in unlicensed} == {
        "no licence",
        "no consent",
        "not offered",
    }
