"""The calls that an act takes: what has to be on the chain before it, and the act itself.

Arguments are kept as JSON; what is known only once everybody signed is a word that is filled in when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from obbligato.chain.client import Chain
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms

SIGNED: Final = "$signed"
"""The author's account, nonce, deadline and signature."""
ACCEPTANCES: Final = "$acceptances"
"""The same of every payee that agreed to a split change, by account."""
OWED_SPLITS: Final = "$owed_splits"
"""The splits that owe the author something, when it is sent."""

REGISTRY: Final = "LicenseRegistry"
VAULT: Final = "RoyaltyVault"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a contract with its arguments; bytes are 0x hexadecimal."""

    contract: str
    function: str
    arguments: Sequence[Any]

    def data(self, chain: Chain, filled: Mapping[str, Any] | None = None) -> bytes:
        """The calldata, with what was left open."""
        known = filled or {}
        arguments = [
            known.get(each, each) if isinstance(each, str) else each for each in self.arguments
        ]
        return chain.encode(self.contract, self.function, *arguments)

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "contract": self.contract,
            "function": self.function,
            "arguments": plain(self.arguments),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Call:
        """The call that was kept."""
        return cls(data["contract"], data["function"], data["arguments"])


@dataclass(frozen=True, slots=True)
class Step:
    """Something that has to be on the chain first: anybody may put it there, and it is put there once."""

    purpose: str
    subject: str
    call: Call
    done: Call
    """A view that answers 0 as long as it is not."""

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "purpose": self.purpose,
            "subject": self.subject,
            "call": self.call.as_json(),
            "done": self.done.as_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        """The step that was kept."""
        return cls(
            data["purpose"],
            data["subject"],
            Call.from_json(data["call"]),
            Call.from_json(data["done"]),
        )

    def is_done(self, chain: Chain) -> bool:
        """Whether it is on the chain. Raises ChainError."""
        return bool(chain.call(self.done.contract, self.done.function, *self.done.arguments))


def terms_step(terms: Terms) -> Step:
    """The terms, interned."""
    digest = hexadecimal(terms.digest())
    return Step(
        "terms",
        digest,
        Call(REGISTRY, "internTerms", [raw_terms(terms)]),
        Call(REGISTRY, "termsIdOf", [digest]),
    )


def split_step(split: Split) -> Step:
    """The split, interned."""
    digest = hexadecimal(split.digest())
    return Step(
        "split",
        digest,
        Call(VAULT, "internSplit", [raw_payees(split)]),
        Call(VAULT, "splitIdOf", [digest]),
    )


def raw_terms(terms: Terms) -> list[Any]:
    """Terms as the ABI takes them."""
    return [
        terms.tiers,
        terms.term_days,
        terms.flags,
        terms.influence_cap_bps,
        [list(card.model_dump().values()) for card in terms.rates],
        hexadecimal(terms.text_digest),
    ]


def raw_payees(split: Split) -> list[Any]:
    """Payees as the ABI takes them."""
    return [[payee.account, payee.share, int(payee.role)] for payee in split.payees]


def hexadecimal(data: bytes) -> str:
    """0x and the digits."""
    return "0x" + data.hex()


def plain(value: Any) -> Any:
    """Values of the ABI as JSON keeps them."""
    if isinstance(value, bytes):
        return hexadecimal(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
