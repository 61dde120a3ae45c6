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

from backend.acts.messages import typed_data
from backend.acts.signing import sign_act
from backend.database import Database
from backend.index import Index
from backend.records import Act, ActState, Records
from backend.relay.budget import Budget
from backend.relay.following import Follower
from backend.services import Services
from backend.sessions.callers import Caller
from backend.settings import BackendSettings
from obbligato.keys import LocalSigner
from obbligato.sending.alerts import Alerts
from obbligato.sending.lock import KeyLock
from obbligato.sending.sender import Sender
from obbligato.sending.settings import SendingSettings
from scripts.demo.cast import RELAY
from tests.onchain import Acts, House, new_house

FINALITY = 2
PATIENCE = 60


@dataclass
class Studio:
    """Services over a house, with the relay in the test's hands."""

    house: House
    acts: Acts
    services: Services
    index: Index
    sender: Sender
    follower: Follower

    def caller(self, account: LocalAccount) -> Caller:
        """Somebody who signed in."""
        return Caller(account=account.address, kind="session", id="test")

    def with_settings(self, **changed: Any) -> Studio:
        """The same with other settings."""
        services = dataclasses.replace(
            self.services, settings=self.services.settings.model_copy(update=changed)
        )
        return dataclasses.replace(
            self, services=services, follower=Follower(services, Budget(services.settings))
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
            found = self.act(act.id)
            if found.state in states:
                return found
            assert found.state != ActState.FAILED, found.problem
            assert time.monotonic() < deadline, (found.state, found.waiting)
            self.tick()

    def act(self, act_id: str) -> Act:
        """As it is kept."""
        with self.services.records.reading() as session:
            return session.get_one(Act, act_id)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One a module: acts of different tests do not meet."""
    folder = tmp_path_factory.mktemp("studio")
    with new_house(folder) as house:
        yield from _studio(house, folder)


def _studio(house: House, folder: Path) -> Iterator[Studio]:
    acts = Acts(house)
    services = Services(
        settings=BackendSettings(
            rpc_urls=(house.url,), deployment=house.manifest, folder=folder, finality=FINALITY
        ),
        chain=house.chain,
        store=house.store,
        index=Database(f"sqlite:///{folder}/index.db"),
        records=Records(f"sqlite:///{folder}/records.db"),
        clock=lambda: acts.now(),
    )
    index = Index(services.index, house.chain, house.store, finality=FINALITY)
    acts.node("evm_mine")
    index.sync()
    lock = KeyLock(RELAY.address, folder, services.records)
    sender = Sender(
        services.records,
        house.chain,
        LocalSigner(RELAY.key),
        settings=SendingSettings(finality=FINALITY, poll_seconds=0.1),
        lock=lock,
        alerts=Alerts(),
    )
    made = Studio(
        house, acts, services, index, sender, Follower(services, Budget(services.settings))
    )
    yield made
    lock.release()
    services.close()
