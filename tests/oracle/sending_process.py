"""A process that does nothing but send, until it is killed: `python -m tests.oracle.sending_process FILE`."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.keys import LocalSigner
from obbligato.sending.alerts import Alerts
from obbligato.sending.lock import KeyLock
from obbligato.sending.sender import Sender
from obbligato.sending.settings import SendingSettings
from oracle.database import Database


def main(told: dict[str, str]) -> None:
    signer = LocalSigner(bytes.fromhex(told["key"]))
    database = Database(told["database"])
    Sender(
        database,
        Chain.connect(told["url"], read_deployment(Path(told["manifest"]))),
        signer,
        settings=SendingSettings(finality=2, poll_seconds=0.05),
        lock=KeyLock(signer.address, Path(told["folder"]), database),
        alerts=Alerts(),
    ).run(threading.Event())


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
