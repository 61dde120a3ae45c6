"""Audit a deployment: replay every event, refetch every document, compare every amount.

    python examples/audit.py

The environment names a node (OBBLIGATO_RPC_URL), the deployment and a folder of blocks. Nothing of ours is asked.
"""

import os
import sys
from pathlib import Path

from obbligato.audit.compare import Outcome
from obbligato.audit.recompute import recompute
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.store import EmbeddedStore

chain = Chain.connect(
    os.environ["OBBLIGATO_RPC_URL"], read_deployment(Path(os.environ["OBBLIGATO_DEPLOYMENT"]))
)
audit = recompute(chain, EmbeddedStore(Path(os.environ["OBBLIGATO_STORE"])))
for difference in audit.differences:
    print(difference)
print(f"{audit.reading.events} events up to block {audit.reading.block}: {audit.outcome}")
sys.exit(0 if audit.outcome is Outcome.AGREES else 1)
