"""A sender at work on a real chain: its own key, database and proxy; what it sends mints dollars for a payee."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obbligato.chain.client import Chain
from obbligato.keys import LocalSigner
from obbligato.server.alerts import Alerts
from obbligato.transactions.fees import GIGAWEI, SendingSettings
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.outbox import want
from obbligato.transactions.sender import Sender
from obbligato.transactions.tables import Transaction
from oracle.db import OracleDatabase
from tests.onchain import Acts, DeployedProtocol
from tests.oracle.proxy import PATIENCE_SECONDS, Proxy, proxy
from tests.waiting import wait_until

ETHER = 10**18


@dataclass
class SenderEnv:
    """`proxy` is the sender's node; `acts` go to the chain behind it."""

    acts: Acts
    proxy: Proxy
    folder: Path
    database: OracleDatabase
    signer: LocalSigner
    payee: str
    alerts: Alerts = field(default_factory=Alerts)
    held: list[Sender] = field(default_factory=list)
    mines: bool = True
    """Whether the node makes a block of each transaction."""

    @property
    def protocol(self) -> DeployedProtocol:
        return self.acts.protocol

    def sender(self, *, second: str | None = None, **settings: Any) -> Sender:
        """A new sender, as after a start of its process: whoever held the key before is gone."""
        self.release()
        deployment = self.protocol.chain.deployment
        made = Sender(
            self.database,
            Chain.connect(self.proxy.url, deployment),
            self.signer,
            settings=SendingSettings(**{"finality": 2, **settings}),
            second=None if second is None else Chain.connect(second, deployment),
            lock=KeyLock(self.signer.address, self.folder, self.database),
            alerts=self.alerts,
        )
        self.held.append(made)
        return made

    def release(self) -> None:
        for sender in self.held:
            sender._lock.release()
        self.held.clear()

    def wants(self, subject: str = "a", amount: int = 5, **changes: Any) -> int:
        """Queue a mint of `amount` for the payee; the transaction's id."""
        dollar = self.protocol.chain.deployment.token
        data = self.protocol.chain.encode("TestDollar", "mint", self.payee, amount)
        call = {"purpose": "claim", "subject": subject, "to": dollar, "data": data, **changes}
        with self.database.work() as session:
            return want(session, **call).id

    def read(self, number: int) -> Transaction:
        """A transaction as it is written down, with its broadcasts."""
        with self.database.work() as session:
            found = session.get_one(Transaction, number)
            assert found.broadcasts is not None
            return found

    def states(self, *numbers: int) -> list[str]:
        return [str(self.read(number).state) for number in numbers]

    def paid(self) -> int:
        """What the payee has, in units: how often what was sent was done."""
        return int(self.protocol.chain.call("TestDollar", "balanceOf", self.payee))

    def count(self) -> int:
        """How many transactions of the key the chain has."""
        return int(self.protocol.chain.web3.eth.get_transaction_count(self.signer.address))  # type: ignore[arg-type]

    def alerted(self) -> set[str]:
        return {alert.key for alert in self.alerts.standing()}

    def tick(self, sender: Sender) -> bool:
        """One tick, and the block that the node then makes of its own."""
        well = sender.tick()
        self.settle()
        return well

    # ---- the chain

    def settle(self) -> None:
        """Wait until the node has mined what it was sent, if it mines of its own."""
        wait_until(
            lambda: not self.mines or not int(self.acts.node("txpool_status")["pending"], 16),
            PATIENCE_SECONDS,
            lambda: f"the node mined nothing for {PATIENCE_SECONDS} s",
        )

    def mine(self, blocks: int = 1) -> None:
        self.acts.node("anvil_mine", hex(blocks))

    def fill(self, wei: int) -> None:
        self.acts.node("anvil_setBalance", self.signer.address, hex(wei))

    @contextlib.contextmanager
    def pending(self) -> Iterator[None]:
        """Transactions wait until `mine`."""
        self.acts.node("evm_setAutomine", False)
        self.mines = False
        try:
            yield
        finally:
            self.acts.node("evm_setAutomine", True)
            self.mines = True

    def base_fee(self, wei: int) -> None:
        """The base fee of the next block."""
        self.acts.node("anvil_setNextBlockBaseFeePerGas", hex(wei))


@contextlib.contextmanager
def new_sender_env(
    protocol: DeployedProtocol, folder: Path, database: str | None = None
) -> Iterator[SenderEnv]:
    """A desk with a new key that has an ether; the chain is put back after it."""
    acts = Acts(protocol)
    opened = OracleDatabase(database or f"sqlite:///{folder / 'oracle.db'}")
    payee = LocalSigner(secrets.token_bytes(32)).address
    with acts.undone(), proxy(protocol.url) as passing:
        sender_env = SenderEnv(
            acts, passing, folder, opened, LocalSigner(secrets.token_bytes(32)), payee
        )
        sender_env.fill(ETHER)
        sender_env.base_fee(GIGAWEI)
        sender_env.mine()
        try:
            yield sender_env
        finally:
            sender_env.release()
            sender_env.acts.node("anvil_dropAllTransactions")
            sender_env.acts.node("evm_setAutomine", True)
            opened.close()
