"""The relay's worker: follower and sender of one key."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend.relay.budget import Budget
from backend.relay.following import Follower
from backend.services import Services
from obbligato.errors import ChainError, InputError
from obbligato.keys import Signer, open_keystore
from obbligato.sending.alerts import Alerts
from obbligato.sending.lock import KeyLock
from obbligato.sending.sender import Sender
from obbligato.sending.settings import GIGAWEI, SendingSettings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayWorker:
    """Follows acts and sends transactions, in two threads."""

    services: Services
    sender: Sender
    follower: Follower
    alerts: Alerts

    def follow(self, stop: threading.Event) -> None:
        """Move acts on until `stop` is set."""
        while not stop.is_set():
            try:
                self.follower.step()
                self.alerts.clear("relay")
            except (ChainError, SQLAlchemyError) as error:
                self.alerts.stand(
                    "relay", f"acts do not move on: {type(error).__name__}: {error}"[:500]
                )
            stop.wait(self.services.settings.poll_seconds)

    def send(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        self.sender.run(stop)


def open_relay(services: Services, alerts: Alerts) -> RelayWorker:
    """The relay with the key of the settings. Raises InputError naming the setting."""
    settings = services.settings
    if settings.keystore is None:
        raise InputError(
            "name the keystore of the relay's key, which pays for gas: make one with `obbligato key create`, or "
            "leave `relay` out of OBBLIGATO_BACKEND_PARTS",
            field="OBBLIGATO_BACKEND_KEYSTORE",
        )
    signer: Signer = open_keystore(settings.keystore, settings.password_file)
    sender = Sender(
        services.records,
        services.chain,
        signer,
        settings=SendingSettings(
            max_fee_wei=int(settings.max_fee_gwei * GIGAWEI),
            priority_fee_wei=int(settings.priority_fee_gwei * GIGAWEI),
            bump_after_blocks=settings.bump_after_blocks,
            finality=settings.finality,
            poll_seconds=settings.poll_seconds,
        ),
        lock=KeyLock(signer.address, settings.keystore.absolute().parent, services.records),
        alerts=alerts,
    )
    return RelayWorker(services, sender, Follower(services, Budget(settings)), alerts)
