"""A process that does nothing but send, until it is killed: `python -m tests.transactions.sending_process FILE`."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.keys import LocalSigner
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Supervisor
from obbligato.transactions.fees import SendingSettings
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.sender import Sender
from oracle.db import OracleDatabase


def main(scenario: dict[str, str]) -> None:
    signer = LocalSigner(bytes.fromhex(scenario["key"]))
    database = OracleDatabase(scenario["database"])
    stop, alerts = threading.Event(), Alerts()
    sender = Sender(
        database,
        Chain.connect(scenario["url"], read_deployment(Path(scenario["manifest"]))),
        signer,
        settings=SendingSettings(finality=2, poll_seconds=0.05),
        lock=KeyLock(signer.address, Path(scenario["folder"]), database),
        alerts=alerts,
    )
    supervisor = Supervisor(alerts, stop, [sender.worker()])
    supervisor.start()
    supervisor.join()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
