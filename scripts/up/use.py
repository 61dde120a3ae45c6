"""The demo's platform uses a licence and reports it, over a running `make up`: metered, attested, settled.

python -m scripts.up.use --license ID [--units 1000]
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from eth_hash.auto import keccak

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.client import State, Usage
from obbligato.errors import ObbligatoError
from obbligato.protocol.constants import PPM
from scripts.demo.cast import METERED_PLATFORM
from scripts.demo.steps import oracle_client, report_usage
from scripts.demo.usage import write_events

PLATFORM_ID = 1
PATIENCE_SECONDS = 240
AGO_SECONDS = 5
"""The period ends so long before now."""


def main(arguments: list[str]) -> int:
    """Report and wait until it is settled."""
    parser = argparse.ArgumentParser(prog="python -m scripts.up.use", description=__doc__)
    parser.add_argument("--license", type=int, required=True)
    parser.add_argument("--units", type=int, default=1_000, help="generations")
    options = parser.parse_args(arguments)
    chain = Chain.connect(
        os.environ["OBBLIGATO_RPC_URL"], read_deployment(Path(os.environ["OBBLIGATO_DEPLOYMENT"]))
    )
    # A model of its own each time: streams report every moment once.
    model = keccak(b"a model of the demo " + secrets.token_bytes(8))
    minted_at = chain.license(options.license).start
    now = blocks.latest(chain).timestamp
    start, end = minted_at, max(now - AGO_SECONDS, minted_at + 1)
    url = os.environ["OBBLIGATO_ORACLE_URL"]
    with (
        tempfile.TemporaryDirectory() as folder,
        oracle_client(chain, url, METERED_PLATFORM, PLATFORM_ID) as client,
    ):
        event = {
            "event_id": "one",
            "occurred_at": start,
            "license_id": options.license,
            "tier": "GENERATIVE",
            "metric": "GENERATION",
            "units": options.units,
            "influence_ppm": PPM,
            "model_id": "0x" + model.hex(),
        }
        path = write_events(Path(folder) / "events.jsonl", [event])
        usage = Usage(model, start, end, files=(client.upload(path),))
        report = report_usage(client, PLATFORM_ID, usage, patience_seconds=PATIENCE_SECONDS)
        report_id = (report.reports[0].report_id or b"").hex()
        print(f"report 0x{report_id} is on the chain; its window runs for a minute")
        settled = client.wait(report.id, State.SETTLED, timeout_seconds=PATIENCE_SECONDS)
        print(f"settled: {settled.state}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ObbligatoError as error:
        print(f"not reported: {error}", file=sys.stderr)
        sys.exit(1)
