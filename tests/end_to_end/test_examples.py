"""The programs under examples/, as somebody runs them against a running Obbligato."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from scripts.demo.cast import METERED_PLATFORM
from scripts.stack import keystore
from scripts.toolchain import ROOT, environment

PATIENCE_SECONDS = 300
MODEL = "ab" * 32


def run(name: str, running: dict[str, str], *arguments: object) -> str:
    """What an example prints; its whole length is what a reader has to read."""
    done = subprocess.run(
        [sys.executable, f"examples/{name}.py", *map(str, arguments)],
        cwd=ROOT,
        env={**environment(), **running},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_recording_is_licensed_used_and_audited(running: dict[str, str], tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"a recording, as far as its digest goes")
    printed = run("license_recording", running, song, "Morgenrot", "Nadia Vale")
    license_id = int(re.findall(r"^licence (\d+)$", printed, re.MULTILINE)[0])

    chain = Chain.connect(
        running["OBBLIGATO_RPC_URL"], read_deployment(Path(running["OBBLIGATO_DEPLOYMENT"]))
    )
    start = int(chain.web3.eth.get_block("latest")["timestamp"]) - 1
    event = {
        "event_id": "one",
        "occurred_at": start,
        "license_id": license_id,
        "tier": "GENERATIVE",
        "metric": "GENERATION",
        "units": 10,
        "influence_ppm": 1_000_000,
        "model_id": f"0x{MODEL}",
    }
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(event) + "\n")
    platform = keystore(tmp_path / "platform.json", METERED_PLATFORM.reporter)
    reporting = {**running, "OBBLIGATO_KEYSTORE": str(platform)}
    printed = run("report_usage", reporting, events, MODEL, start, start + 1)
    assert printed.splitlines()[-1] == "settled"

    assert run("audit", running).splitlines()[-1].endswith(": agrees")
