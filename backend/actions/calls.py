"""The contract calls of an act: what has to be on the chain before it, and the act itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from obbligato.chain.client import Chain
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms

REGISTRY: Final = "LicenseRegistry"
VAULT: Final = "RoyaltyVault"
IDS: Final = {"terms": (REGISTRY, "termsIdOf"), "split": (VAULT, "splitIdOf")}
"""By purpose of a step: the function that answers with the id of what is interned, 0 where it is not."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a contract with its arguments; bytes may be 0x hexadecimal."""

    contract: str
    function: str
    arguments: Sequence[Any]

    def data(self, chain: Chain, late: Sequence[Any] = ()) -> bytes:
        """The calldata; `late` are the last arguments, known only when it is sent."""
        return chain.encode(self.contract, self.function, *self.arguments, *late)

    def as_json(self) -> dict[str, Any]:
        """The call as it is stored."""
        return {
            "contract": self.contract,
            "function": self.function,
            "arguments": plain(self.arguments),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Call:
        """The call that was stored."""
        return cls(data["contract"], data["function"], data["arguments"])


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Something that has to be on the chain first: anybody may put it there, and it is put there once."""

    purpose: str
    """terms or split."""
    subject: str
    """Its digest, 0x hexadecimal."""
    call: Call

    def as_json(self) -> dict[str, Any]:
        """The step as it is stored."""
        return {"purpose": self.purpose, "subject": self.subject, "call": self.call.as_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prerequisite:
        """The step that was stored."""
        return cls(data["purpose"], data["subject"], Call.from_json(data["call"]))

    def is_done(self, chain: Chain) -> bool:
        """Whether it is on the chain already. Raises ChainError."""
        contract, function = IDS[self.purpose]
        return bool(chain.call(contract, function, self.subject))


def terms_step(terms: Terms) -> Prerequisite:
    """The step that interns these terms."""
    return Prerequisite(
        "terms", hexadecimal(terms.digest()), Call(REGISTRY, "internTerms", [raw_terms(terms)])
    )


def split_step(split: Split) -> Prerequisite:
    """The step that interns this split."""
    return Prerequisite(
        "split", hexadecimal(split.digest()), Call(VAULT, "internSplit", [raw_payees(split)])
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
    """Bytes as 0x hexadecimal."""
    return "0x" + data.hex()


def plain(value: Any) -> Any:
    """Arguments of a call as JSON: bytes become 0x hexadecimal."""
    if isinstance(value, bytes):
        return hexadecimal(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
