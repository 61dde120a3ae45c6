"""What is asked of the API, and autocannon, which asks it: 50 connections, each URL once in a while."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.bench import api_data
from scripts.bench.chain import BenchError
from scripts.toolchain import ROOT

AUTOCANNON: Final = ROOT / "node_modules" / "autocannon" / "autocannon.js"
CLIENTS: Final = 50
URLS: Final = 4_000
"""Different ones: hardly any is asked twice before the next block."""
MIX: Final = {
    "/v1/licenses/{license}": 35,
    "/v1/licenses?tier=GENERATIVE&limit=20&cursor={cursor}": 5,
    "/v1/licenses?isrc={isrc}": 5,
    "/v1/licenses?owner={owner}&limit=20": 5,
    "/v1/payees/{payee}/earnings?by=month": 20,
    "/v1/payees/{payee}/earnings?by=platform_id&by=month&from_month={month}": 10,
    "/v1/payees/{payee}/credits?limit=20": 10,
    "/v1/payees/{payee}": 10,
}
"""Of a hundred requests."""


@dataclass(frozen=True)
class Load:
    """One measurement. Latencies are milliseconds, as the client saw them."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    requests: int


def urls(count: int = URLS, seed: int = api_data.SEED) -> list[str]:
    """Paths of the mix, in any order."""
    choose = random.Random(seed)
    payees, months = list(api_data.payees()), api_data.months()
    found = []
    for template in choose.choices(list(MIX), weights=list(MIX.values()), k=count):
        number, month = choose.randint(1, api_data.LICENSES), choose.choice(months)
        path = template.format(
            license=number,
            isrc=api_data.isrc(number),
            cursor=api_data.license_cursor(number),
            owner=api_data.owner(number),
            payee=choose.choice(payees),
            month=f"{month // 100}-{month % 100:02}",
        )
        found.append(path)
    return found


def measure(url: str, paths: Sequence[str], *, seconds: int, clients: int = CLIENTS) -> Load:
    """Ask in turn, for so long. Raises BenchError where any answer is no 200."""
    with tempfile.TemporaryDirectory(prefix="obbligato-load-") as name:
        script = Path(name) / "load.js"
        script.write_text(_SCRIPT)
        asked = Path(name) / "asked.json"
        asked.write_text(
            json.dumps(
                {
                    "autocannon": str(AUTOCANNON),
                    "options": {
                        "url": url,
                        "connections": clients,
                        "duration": seconds,
                        "timeout": 30,
                    },
                    "paths": list(paths),
                }
            )
        )
        done = subprocess.run(
            ["node", str(script), str(asked)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 120,
        )
    if done.returncode:
        raise BenchError(f"autocannon failed: {done.stderr.strip()[-500:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    failed = said["non2xx"] + said["errors"] + said["timeouts"]
    if failed or not said["2xx"]:
        raise BenchError(f"{failed} of {said['requests']['total']} requests were not answered")
    latency = said["latency"]
    return Load(
        requests_per_s=said["2xx"] / said["duration"],
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
        most_ms=latency["max"],
        requests=said["2xx"],
    )


_SCRIPT: Final = """\
// Each connection begins elsewhere in the list, so that no two ask for the same at a time.
const { readFileSync } = require("node:fs");
const asked = JSON.parse(readFileSync(process.argv[2]));
const autocannon = require(asked.autocannon);
const requests = asked.paths.map((path) => ({ method: "GET", path }));
let started = 0;
const step = Math.max(1, Math.floor(requests.length / asked.options.connections));
const setupClient = (client) => {
  const first = (started++ * step) % requests.length;
  client.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
};
autocannon({ ...asked.options, setupClient }, (error, result) => {
  if (error) throw error;
  process.stdout.write(JSON.stringify(result));
});
"""
