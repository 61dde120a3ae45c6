"""A chain, three attester processes and a leader behind a proxy: what the process tests play with.

One world a session. Every test reports for a model of its own, so that streams do not meet; time only goes on,
and every test reports the day before its own beginning.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from obbligato.chain.events import Event, read_events
from obbligato.client import Expected, OracleClient, State, Submission, Usage
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import PPM
from scripts.demo.cast import METERED_PLATFORM, POOL_PLATFORM
from scripts.stack import LEADER, Service, Stack, described
from scripts.toolchain import free_ports
from tests.onchain import ARTIST, DAY, DOLLARS, DUO, LABEL, Acts, DeployedProtocol, split
from tests.oracle.proxy import Proxy, proxy
from tests.scenario import OPEN
from tests.waiting import wait_until

PATIENCE = 90
RATE = 2_400
"""Price of one generation of `OPEN`, in millionths of a dollar."""


@dataclass
class OracleEnv:
    """Acts on the chain, the stack, and the leader's proxy. `platform_id` has escrow for all tests."""

    protocol: DeployedProtocol
    acts: Acts
    stack: Stack
    proxy: Proxy
    platform_id: int
    poor_id: int
    licenses: tuple[int, int]
    start: int
    """Where the period of the running test begins; it ends `DAY` later."""
    models: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def leader(self) -> Service:
        return self.stack.leader

    @property
    def period(self) -> tuple[int, int]:
        return self.start, self.start + DAY

    def begin(self) -> None:
        """From now on the period is the last day: earlier tests let weeks pass."""
        self.start = self.acts.now() - DAY

    def model(self) -> bytes:
        """A model that no other test reports for."""
        return keccak(b"model %d of the process tests" % next(self.models))

    def client(self, platform_id: int | None = None, *, url: str | None = None) -> OracleClient:
        """The client of a platform, with its reporter's key."""
        poor = platform_id == self.poor_id
        deployment = self.protocol.chain.deployment
        return OracleClient(
            url or self.leader.url,
            platform_id=platform_id or self.platform_id,
            chain_id=deployment.chain_id,
            oracle=deployment.address("UsageOracle"),
            signer=LocalSigner((POOL_PLATFORM if poor else METERED_PLATFORM).reporter.key),
        )

    def events(self, model: bytes, units: Sequence[int], **changed: Any) -> list[dict[str, Any]]:
        """One generation event for each number of units, licences in turn."""
        return [
            {
                "event_id": f"event {number}",
                "occurred_at": self.start + 3_600 + number,
                "license_id": self.licenses[number % 2],
                "tier": "GENERATIVE",
                "metric": "GENERATION",
                "units": count,
                "influence_ppm": PPM,
                "model_id": "0x" + model.hex(),
                **changed,
            }
            for number, count in enumerate(units)
        ]

    def usage(
        self, client: OracleClient, model: bytes, folder: Path, units: Sequence[int]
    ) -> Usage:
        """Uploaded usage of a model in the tests' period."""
        path = write(folder / f"{model.hex()[:8]}.jsonl", self.events(model, units))
        return Usage(model, *self.period, files=(client.upload(path),))

    def submit(self, client: OracleClient, usage: Usage) -> Submission:
        """Submit and sign."""
        sent = client.submit(usage)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert metered.state is State.VALIDATED, metered
        return client.sign(metered, Expected(client.platform_id, usage))

    def reach(self, client: OracleClient, submission_id: str, state: State) -> Submission:
        """Wait until it is at least that far, while blocks come, as they do on a chain."""

        def reached() -> Submission | None:
            found = client.status(submission_id)
            if found.state.has_reached(state):
                return found
            assert found.state not in (State.REJECTED, State.WITHDRAWN), found
            self.acts.node("evm_mine")
            return None

        return self._wait_for_submission(reached)

    def settle(self, client: OracleClient, submission_id: str) -> Submission:
        """Let the window pass, and wait until it is settled and final."""
        self.reach(client, submission_id, State.CHALLENGEABLE)
        self.pass_window()

        def final() -> Submission | None:
            found = self.reach(client, submission_id, State.SETTLED)
            if all(part.final for part in found.reports):
                return found
            self.acts.node("evm_mine")
            return None

        return self._wait_for_submission(final)

    def _wait_for_submission(self, condition: Callable[[], Submission | None]) -> Submission:
        found = wait_until(condition, PATIENCE, self.leader.tail, every_seconds=0.1)
        assert found is not None
        return found

    def wait_for(
        self, client: OracleClient, submission_id: str, condition: Callable[[Submission], bool]
    ) -> Submission:
        """Wait until a submission is shown as the condition says."""
        found: list[Submission] = []

        def look() -> bool:
            found[:] = [client.status(submission_id)]
            return condition(found[0])

        self.until(look)
        return found[0]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, with a bound."""
        self.leader.until(condition, PATIENCE, "where it should be")

    @contextlib.contextmanager
    def leader_with(self, **settings: str) -> Iterator[OracleEnv]:
        """The leader with other settings in this block; whoever comes after it gets one as it was."""
        leader, before = self.leader, dict(self.leader.settings)
        self.proxy.heal()
        leader.stop()
        leader.settings = {**before, **settings}
        leader.start()
        try:
            leader.ready()
            yield self
        finally:
            leader.stop()
            leader.settings = before
            self.proxy.close()

    def pass_window(self) -> None:
        self.acts.node(
            "evm_increaseTime", self.protocol.chain.call("UsageOracle", "challengeWindow") + 1
        )
        self.acts.node("evm_mine")

    def happened(self, model: bytes) -> list[Event]:
        """The reports that the chain took for a model."""
        return [
            event
            for event in read_events(self.protocol.chain, contracts=("UsageOracle",))
            if event.name == "ReportSubmitted" and event["modelId"] == model
        ]

    def settled(self, report_id: bytes) -> list[int]:
        """What every settlement of a report credited: one, if all is well."""
        return [
            int(event["credited"])
            for event in read_events(self.protocol.chain, contracts=("UsageOracle",))
            if event.name == "ReportSettled" and event["reportId"] == report_id
        ]

    def block(self) -> int:
        return int(self.acts.chain.web3.eth.block_number)

    def wasted(self, since: int) -> list[str]:
        """Transactions of the leader after a block that failed: what was sent twice would."""
        eth = self.acts.chain.web3.eth
        blocks: list[Any] = [
            eth.get_block(number, full_transactions=True)
            for number in range(since + 1, self.block() + 1)
        ]
        sent = [
            transaction["hash"]
            for block in blocks
            for transaction in block["transactions"]
            if transaction["from"] == LEADER.address
        ]
        assert sent, "the leader sent nothing"
        return [each.hex() for each in sent if eth.get_transaction_receipt(each)["status"] != 1]


def write(path: Path, events: Sequence[Mapping[str, Any]]) -> Path:
    """Events as JSONL."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


@contextlib.contextmanager
def new_oracle_env(protocol: DeployedProtocol, folder: Path) -> Iterator[OracleEnv]:
    """Two licences, a rich and a poor platform, three running attesters, a leader that is not started."""
    acts = Acts(protocol)
    licenses = (
        acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "The first"),
        acts.mint(DUO, OPEN, split((DUO, 650_000), (LABEL, 350_000)), "The second"),
    )
    rich = acts.platform(METERED_PLATFORM.admin, METERED_PLATFORM.reporter, 100_000 * DOLLARS)
    poor = acts.platform(POOL_PLATFORM.admin, POOL_PLATFORM.reporter, 1 * DOLLARS)
    start = acts.wait(2) - DAY
    with proxy(protocol.url) as passing, free_ports(5) as port:
        stack = described(
            folder,
            rpc=passing.url,
            manifest=protocol.manifest,
            port=port,
            attester_rpc=protocol.url,
            settings={"OBBLIGATO_STORE": str(protocol.folder)},
        )
        running = stack.attesters[:3]
        try:
            for attester in running:
                attester.start()
            for attester in running:
                attester.ready()
            yield OracleEnv(protocol, acts, stack, passing, rich, poor, licenses, start)
        finally:
            for service in stack.services:
                service.stop()
