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
    paths = []
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
        paths.append(path)
    return paths


def measure(url: str, paths: Sequence[str], *, seconds: int, clients: int = CLIENTS) -> Load:
    """Ask in turn, for so long. Raises BenchError where any answer is no 200."""
    with tempfile.TemporaryDirectory(prefix="obbligato-load-") as name:
        script = Path(name) / "load.js"
        script.write_text(_SCRIPT)
        request_file = Path(name) / "asked.json"
        request_file.write_text(
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
            ["node", str(script), str(request_file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 120,
        )
    if done.returncode:
        raise BenchError(f"autocannon failed: {done.stderr.strip()[-500:]}")
    output: dict[str, Any] = json.loads(done.stdout)
    failed = output["non2xx"] + output["errors"] + output["timeouts"]
    if failed or not output["2xx"]:
        raise BenchError(f"{failed} of {output['requests']['total']} requests were not answered")
    latency = output["latency"]
    return Load(
        requests_per_s=output["2xx"] / output["duration"],
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
        most_ms=latency["max"],
        requests=output["2xx"],
    )


def distinct_urls(count: int) -> list[str]:
    """So many of the mix, no two alike: an unknown parameter tells apart what the mix repeats."""
    paths = urls(count, seed=api_data.SEED + 1)
    return [f"{path}{'&' if '?' in path else '?'}n={number}" for number, path in enumerate(paths)]


def measure_once(url: str, paths: Sequence[str], *, seconds: int, clients: int = CLIENTS) -> Load:
    """Ask for each path once: keep-alive clients that all take the next one from one list.

    Raises BenchError where an answer is no 200, or the list ends before the time.
    """
    with tempfile.TemporaryDirectory(prefix="obbligato-load-") as name:
        script, listed = Path(name) / "once.js", Path(name) / "paths.json"
        script.write_text(_ONCE)
        listed.write_text(json.dumps(paths))
        port = url.rpartition(":")[2]
        done = subprocess.run(
            ["node", str(script), str(listed), port, str(clients), str(seconds)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 120,
        )
    if done.returncode:
        raise BenchError(f"the clients failed: {done.stderr.strip()[-500:]}")
    result = json.loads(done.stdout)
    times = sorted(result["times"])
    return Load(
        requests_per_s=len(times) / result["seconds"],
        p50_ms=times[len(times) // 2],
        p99_ms=times[len(times) * 99 // 100],
        most_ms=times[-1],
        requests=len(times),
    )


_ONCE: Final = """\
// Plain sockets: a client library would cost more than the answers.
const { readFileSync } = require("node:fs");
const net = require("node:net");
const [, , file, port, clients, seconds] = process.argv;
const paths = JSON.parse(readFileSync(file));
const times = [];
let next = 0;
let open = Number(clients);
const began = process.hrtime.bigint();
const passed = (from) => Number(process.hrtime.bigint() - from) / 1e6;
const fail = (why) => { console.error(why); process.exit(1); };
for (let client = 0; client < Number(clients); client++) {
  const socket = net.connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
  let parts = [], size = 0, total = -1, asked;
  const ask = () => {
    if (passed(began) > Number(seconds) * 1000) {
      socket.end();
      if (--open === 0) process.stdout.write(JSON.stringify({ times, seconds: passed(began) / 1000 }));
      return;
    }
    if (next >= paths.length) fail("the list has ended: make it longer");
    parts = []; size = 0; total = -1;
    asked = process.hrtime.bigint();
    socket.write(`GET ${paths[next++]} HTTP/1.1\\r\\nhost: bench\\r\\n\\r\\n`);
  };
  socket.on("connect", ask);
  socket.on("error", (error) => fail(error.message));
  socket.on("data", (data) => {
    parts.push(data);
    size += data.length;
    if (total < 0) {
      const text = Buffer.concat(parts).toString("latin1");
      const end = text.indexOf("\\r\\n\\r\\n");
      if (end < 0) return;
      if (!text.startsWith("HTTP/1.1 200")) fail(text.slice(0, 500));
      total = end + 4 + Number(/content-length: (\\d+)/i.exec(text.slice(0, end))[1]);
    }
    if (size >= total) { times.push(passed(asked)); ask(); }
  });
}
"""

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
