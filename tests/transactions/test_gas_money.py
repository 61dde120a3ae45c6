"""What a sender holds for gas, on a real node."""

from __future__ import annotations

from eth_account import Account
from prometheus_client import REGISTRY

from obbligato.server.alerts import Alerts
from obbligato.transactions.gas_money import GasMoney
from tests.onchain import Acts, DeployedProtocol


def test_an_alert_stands_while_the_sender_holds_less_than_it_should(
    onchain: DeployedProtocol,
) -> None:
    sender, alerts, acts = Account.create().address, Alerts(), Acts(onchain)
    gas_money = GasMoney(onchain.chain, sender, 0.05, alerts)
    for wei, stands in ((0, True), (5 * 10**16 - 1, True), (5 * 10**16, False), (1, True)):
        acts.node("anvil_setBalance", sender, hex(wei))
        gas_money.tick()
        words = alerts.words("low gas money")
        assert (words is not None) == stands
        assert words is None or (sender in words and str(wei) in words)
        assert REGISTRY.get_sample_value("obbligato_sender_wei") == float(wei)
