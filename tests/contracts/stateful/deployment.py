"""One deployment under random acts, its model beside it, and the list of what may be done to it."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from eth_hash.auto import keccak

from obbligato.protocol.constants import Role
from obbligato.protocol.eip712 import Message
from obbligato.protocol.splits import Payee as SplitPayee
from obbligato.protocol.splits import Split as Shares
from obbligato.protocol.typed_data import sign
from tests.contracts.protocol import (
    ARBITER,
    ATTESTERS,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
    DeployedProtocol,
    decode_error,
    raw_terms,
)
from tests.contracts.stateful.checks import Broken, Watch
from tests.contracts.stateful.ledger import Ledger
from tests.contracts.stateful.model import DAY, PPM, Addresses, Model, Refused
from tests.contracts.stateful.node import Node
from tests.contracts.stateful.people import (
    HOSTILE,
    KEYS,
    LANE,
    NAME_OF,
    OFFERS,
    PAYEES,
    PEOPLE,
    RELAY,
    ascending,
)

MOST_SPLITS = 16


class Deployment:
    """One deployment under random acts, its model beside it."""

    def __init__(self, protocol: DeployedProtocol, node: Node, lens: Any) -> None:
        self.protocol, self.node = protocol, node
        self.now = node.time
        self.model = Model(
            Addresses(
                token=protocol.token.address,
                vault=protocol.vault.address,
                registry=protocol.registry.address,
                grants=protocol.grants.address,
                oracle=protocol.oracle.address,
                disputes=protocol.disputes.address,
                governor=GOVERNOR,
                guardian=GUARDIAN,
                arbiter=ARBITER,
            ),
            protocol.parameters,
            ascending(ATTESTERS),
        )
        self.ledger = Ledger(protocol)
        self.watch = Watch(protocol, node, lens, self.model, self.ledger, PEOPLE)
        self.nonce = 0
        self.shares: dict[int, Shares] = {}
        self.log: list[str] = []
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How often each action ended in each way."""
        self.action = "setup"
        self._set_up()

    # ---- doing ------------------------------------------------------------------------------------------------------

    def wait(self, seconds: int) -> None:
        self.now += seconds

    def do(
        self,
        sender: str,
        method: Any,
        *arguments: Any,
        foretold: Callable[[], Any],
        about: bytes | None = None,
    ) -> bool:
        """Send a call, which must end as the model foretells; whether it was accepted."""
        self.now += 1
        self.model.now = self.now
        refusal = ""
        try:
            foretold()
        except Refused as refused:
            refusal = refused.name
        receipt = self.node.send(sender, method._address, method.encode_input(*arguments), self.now)
        answer = "" if receipt.ok else decode_error(self.node.revert_data(receipt))[0]
        name = method._name.partition(".")[2]
        self.outcomes[self.action, answer] += 1
        said = f"{name}{shown(arguments)} by {NAME_OF.get(sender, sender)}: {answer or 'accepted'}"
        self.log.append(f"{self.now} {self.action}: {said}")
        if answer != refusal:
            raise Broken(f"{said}, foretold {refusal or 'accepted'}")
        self.ledger.book(receipt, about)
        return receipt.ok

    def sign(self, message: Message, key_of: str) -> bytes:
        return sign(message, self.protocol.domains[message.contract], KEYS[key_of])

    def signed(self, message: Any, key_of: str | None = None) -> tuple[str, int, int, bytes]:
        signature = self.sign(message, key_of or message.account)
        return (message.account, message.nonce, message.deadline, signature)

    def fresh(self, account: str) -> dict[str, Any]:
        """The members every signed act has."""
        self.nonce += 1
        return {"account": account, "nonce": self.nonce, "deadline": self.now + 10 * DAY}

    def new_document(self) -> bytes:
        self.nonce += 1
        return keccak(b"document %d" % self.nonce)

    def give(self, account: str, amount: int) -> None:
        """Dollars out of nowhere."""
        self.do(
            RELAY,
            self.protocol.token.mint,
            account,
            amount,
            foretold=lambda: self.model.mint_dollars(account, amount),
        )

    def split(self, rng: random.Random) -> Shares:
        """A known split, or one nobody has interned yet."""
        if self.shares and (len(self.shares) >= MOST_SPLITS or rng.random() < 0.7):
            return self.shares[rng.choice(list(self.shares))]
        accounts = rng.sample(PAYEES, rng.choice([1, 1, 2, 3, 5, 8]))
        cuts = sorted(rng.sample(range(1, PPM), len(accounts) - 1))
        if rng.random() < 0.3:
            cuts = list(range(1, len(accounts)))
        parts = [b - a for a, b in zip([0, *cuts], [*cuts, PPM], strict=True)]
        return Shares.of(
            [
                SplitPayee(account=a, share=s, role=Role.PERFORMER)
                for a, s in zip(accounts, parts, strict=True)
            ]
        )

    def know_split(self, shares: Shares) -> int:
        split_id = self.model.intern_split(
            shares.digest(), {p.account: p.share for p in shares.payees}
        )
        self.shares[split_id] = shares
        return split_id

    def _set_up(self) -> None:
        vault, token = self.protocol.vault, self.protocol.token
        for account in PEOPLE:
            self.do(account, token.approve, vault.address, 2**256 - 1, foretold=lambda: None)
            self.give(account, 10**6 * DOLLAR)
        for module in (LANE, HOSTILE):
            self.do(
                GOVERNOR,
                vault.listModule,
                module,
                foretold=functools.partial(self.model.list_module, GOVERNOR, module),
            )
        for terms in OFFERS:
            self.do(
                RELAY,
                self.protocol.registry.internTerms,
                raw_terms(terms),
                foretold=functools.partial(self.model.intern_terms, terms),
            )
        rng = random.Random("set-up")
        for action in ("register", "register", "register", *["mint"] * 6, *["deposit"] * 6):
            self.act(action, rng)
        self.wait(DAY)

    # ---- one action -------------------------------------------------------------------------------------------------

    def act(self, name: str, rng: random.Random) -> None:
        """Do one action, then compare everything."""
        self.action = name
        self.now += rng.choice([1, 1, 60, 3_600, 3_600, 20_000])
        self.model.now = self.now
        ACTIONS[name][1](self, rng)
        self.watch.check(rng)

    def step(self, rng: random.Random) -> str:
        """One action by weight; its name."""
        name = rng.choices(list(ACTIONS), [weight for weight, _ in ACTIONS.values()])[0]
        self.act(name, rng)
        return name


Act = Callable[[Deployment, random.Random], None]
ACTIONS: dict[str, tuple[float, Act]] = {}


def action(weight: float) -> Callable[[Act], Act]:
    def register(function: Act) -> Act:
        ACTIONS[function.__name__.strip("_")] = (weight, function)
        return function

    return register


def shown(value: Any) -> str:
    """Arguments in a line of a log, long bytes cut."""
    if isinstance(value, bytes):
        return "0x" + value.hex() if len(value) <= 16 else f"0x{value[:8].hex()}…{len(value)}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(shown(item) for item in value) + ")"
    return NAME_OF.get(value, str(value)) if isinstance(value, str) else str(value)
