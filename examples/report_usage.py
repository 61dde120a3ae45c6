"""Report usage: upload events, sign what they come to, wait until the report is settled.

    python examples/report_usage.py EVENTS MODEL START END

EVENTS is a JSONL, CSV or Parquet file (docs/platform.md), MODEL a model's 32-byte id in hexadecimal digits, START and
END are seconds since 1970. The environment names the oracle, the deployment and the reporter's key.
"""

import os
import sys
from pathlib import Path

from obbligato.chain.deployment import read_deployment
from obbligato.client import Expected, OracleClient, State, Usage
from obbligato.keys import open_keystore

PLATFORM_ID = 1

events, model, start, end = sys.argv[1:]
contracts = read_deployment(Path(os.environ["OBBLIGATO_DEPLOYMENT"]))

with OracleClient(
    os.environ["OBBLIGATO_ORACLE_URL"],
    platform_id=PLATFORM_ID,
    chain_id=contracts.chain_id,
    oracle=contracts.address("UsageOracle"),
    signer=open_keystore(
        Path(os.environ["OBBLIGATO_KEYSTORE"]), Path(os.environ["OBBLIGATO_PASSWORD_FILE"])
    ),
) as client:
    usage = Usage(bytes.fromhex(model), int(start), int(end), files=(client.upload(Path(events)),))
    submission = client.submit(usage)
    metered = client.wait(submission.id, State.VALIDATED)
    client.sign(metered, Expected(PLATFORM_ID, usage))  # refuses headers that do not say the same
    print(client.wait(submission.id, State.SETTLED).state)
