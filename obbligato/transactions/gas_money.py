"""What a sender holds for gas, and the alert where that is little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eth_utils.address import to_checksum_address
from prometheus_client import Gauge

from obbligato.chain.client import Chain, answered
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Worker

EVERY_SECONDS: Final = 60.0
WEI: Final = 10**18
KEY: Final = "low gas money"

_balance = Gauge(
    "obbligato_sender_wei",
    "What the sender holds for gas, in wei.",
    multiprocess_mode="livemostrecent",
)


@dataclass(frozen=True)
class GasMoney:
    """Watches one account. `least_ether` or more is enough."""

    chain: Chain
    address: str
    least_ether: float
    alerts: Alerts

    def worker(self) -> Worker:
        """It as a supervisor runs it."""
        return Worker("gas money", self.tick, EVERY_SECONDS)

    def tick(self) -> None:
        """Look once. Raises ChainError."""
        account = to_checksum_address(self.address)
        balance = answered(lambda: self.chain.web3.eth.get_balance(account))
        _balance.set(balance)
        if balance < int(self.least_ether * WEI):
            self.alerts.stand(KEY, f"{self.address} holds {balance} wei: send it more")
        else:
            self.alerts.clear(KEY)
