"""A deployment of their own for acts: an index that follows it, and a relay that is moved step by step."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from backend.actions.budget import Budget
from backend.actions.relay import ActFollower
from backend.actions.sign import sign_act
from backend.actions.store import typed_data
from backend.db.index_db import IndexDatabase
from backend.db.service_db import Act, ServiceDatabase
from backend.http.callers import Caller
from backend.indexer.sync import Index
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.keys import LocalSigner
from obbligato.schemas.act_states import ActState
from obbligato.server.alerts import Alerts
from obbligato.transactions.fees import SendingSettings
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.sender import Sender
from scripts.demo.cast import RELAY
from tests.onchain import Acts, DeployedProtocol, new_protocol

FINALITY = 2
PATIENCE = 60


@dataclass
class ActsEnv:
    """Services over a deployed protocol, with the relay in the test's hands."""

    protocol: DeployedProtocol
    acts: Acts
    services: Services
    index: Index
    sender: Sender
    follower: ActFollower

    def caller(self, account: LocalAccount) -> Caller:
        """Somebody who signed in."""
        return Caller(account=account.address, kind="session", id="test")

    def with_settings(self, **changed: Any) -> ActsEnv:
        """The same with other settings."""
        services = dataclasses.replace(
            self.services, settings=self.services.settings.model_copy(update=changed)
        )
        return dataclasses.replace(
            self, services=services, follower=ActFollower(services, Budget(services.settings))
        )

    def sign(self, act: Act, by: LocalAccount) -> Act:
        """Sign as a wallet does: from the typed data alone."""
        signed = by.sign_typed_data(full_message=typed_data(self.services.chain, act))
        return sign_act(self.services, act.id, bytes(signed.signature))

    def tick(self) -> None:
        """Relay and sender once, a block, and the index after it."""
        self.follower.step()
        self.sender.tick()
        self.acts.node("evm_mine")
        self.index.sync()

    def reach(self, act: Act, *states: ActState) -> Act:
        """Tick until the act is in one of these states."""
        deadline = time.monotonic() + PATIENCE
        while True:
            now = self.act(act.id)
            if now.state in states:
                return now
            assert now.state != ActState.FAILED, now.problem
            assert time.monotonic() < deadline, (now.state, now.waiting)
            self.tick()

    def act(self, act_id: str) -> Act:
        """The stored act."""
        with self.services.service_db.reading() as session:
            return session.get_one(Act, act_id)


@pytest.fixture(scope="module")
def acts_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActsEnv]:
    """One a module: acts of different tests do not meet."""
    folder = tmp_path_factory.mktemp("studio")
    with new_protocol(folder) as protocol:
        yield from env_over(protocol, folder)


def env_over(protocol: DeployedProtocol, folder: Path) -> Iterator[ActsEnv]:
    """Over the databases in a folder, made where there are none."""
    acts = Acts(protocol)
    services = Services(
        settings=BackendSettings(
            rpc_urls=(protocol.url,), deployment=protocol.manifest, folder=folder, finality=FINALITY
        ),
        chain=protocol.chain,
        store=protocol.store,
        index_db=IndexDatabase(f"sqlite:///{folder}/index.db"),
        service_db=ServiceDatabase(f"sqlite:///{folder}/records.db"),
        clock=lambda: acts.now(),
    )
    index = Index(services.index_db, protocol.chain, protocol.store, finality=FINALITY)
    acts.node("evm_mine")
    index.sync()
    lock = KeyLock(RELAY.address, folder, services.service_db)
    sender = Sender(
        services.service_db,
        protocol.chain,
        LocalSigner(RELAY.key),
        settings=SendingSettings(finality=FINALITY, poll_seconds=0.1),
        lock=lock,
        alerts=Alerts(),
    )
    made = ActsEnv(
        protocol, acts, services, index, sender, ActFollower(services, Budget(services.settings))
    )
    yield made
    lock.release()
    services.close()
