"""Who takes part, with which keys, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak
from eth_keys.datatypes import PrivateKey

from obbligato.protocol.constants import Tier, tiers_mask
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.protocol import ARBITER, ATTESTERS, DOLLAR, GOVERNOR, GUARDIAN, KEY_OF
from tests.contracts.stateful.model import (
    GRANT_APPROVAL,
    GRANT_REQUIRED,
    MODEL_BOUND,
    NOT_OFFERED,
    POOL_FLAG,
)

_KEYS = {
    name: PrivateKey(keccak(name.encode()))
    for name in (
        *(f"payee {i}" for i in range(8)),
        *(f"admin {i}" for i in range(4)),
        *(f"reporter {i}" for i in range(3)),
        *(f"attester {i}" for i in range(3)),
        "society",
        "watchdog",
        "stranger",
        "lane",
        "hostile",
        "relay",
    )
}
_AT = {name: str(key.public_key.to_checksum_address()) for name, key in _KEYS.items()}
KEYS: dict[str, Any] = {_AT[name]: key.to_bytes() for name, key in _KEYS.items()}
KEYS |= {account: KEY_OF[account].key for account in (*ATTESTERS, GOVERNOR, GUARDIAN, ARBITER)}

NAME_OF = {account: name for name, account in _AT.items()}
NAME_OF |= {GOVERNOR: "governor", GUARDIAN: "guardian", ARBITER: "arbiter"}

PAYEES = [_AT[f"payee {i}"] for i in range(8)]
OWNERS = PAYEES[:4]
ADMINS = [_AT[f"admin {i}"] for i in range(4)]
REPORTERS = [_AT[f"reporter {i}"] for i in range(3)]
SOCIETY, WATCHDOG, STRANGER, RELAY = (
    _AT[name] for name in ("society", "watchdog", "stranger", "relay")
)
LANE, HOSTILE = _AT["lane"], _AT["hostile"]
"""Two further modules of the vault: one that platforms may enable, one that none does."""
ROLES = [GOVERNOR, GUARDIAN, ARBITER]
ALL_ATTESTERS = [*ATTESTERS, *(_AT[f"attester {i}"] for i in range(3))]
PEOPLE = [*PAYEES, *ADMINS, SOCIETY, WATCHDOG, STRANGER, RELAY, LANE, HOSTILE, *ROLES]
MODELS = [keccak(b"model one"), keccak(b"model two")]


def ascending(accounts: Sequence[str]) -> list[str]:
    return sorted(accounts, key=lambda account: int(account, 16))


def _card(training: int, generation: int, playback: int, fee: int) -> RateCard:
    return RateCard(training_run=training, generation=generation, playback=playback, grant_fee=fee)


def _offers() -> list[Terms]:
    plain = _card(2 * DOLLAR, 333_333, 70_001, 3 * DOLLAR)
    cheap = _card(7, 1, 0, 0)
    odd = _card(NOT_OFFERED, 1_999_999, NOT_OFFERED, NOT_OFFERED)
    dear = _card(2**40, 40 * DOLLAR, 2**41, 9 * DOLLAR)

    def terms(cards: dict[Tier, RateCard], flags: int = POOL_FLAG, days: int = 365) -> Terms:
        return Terms(
            tiers=tiers_mask(cards),
            term_days=days,
            flags=flags,
            influence_cap_bps=10_000,
            rates=tuple(cards[tier] for tier in sorted(cards)),
            text_digest=keccak(b"text"),
        )

    two = {Tier.TRAINING: plain, Tier.GENERATIVE: plain}
    asked = {Tier.TRAINING: plain, Tier.VOICE: plain}
    return [
        terms(two),
        terms({**two, Tier.STYLE: odd}),
        terms({**two, Tier.STYLE: odd, Tier.VOICE: dear}),
        terms(two, flags=0, days=400),
        terms({Tier.ANALYSIS: cheap, Tier.GENERATIVE: odd}, days=1096),
        terms(dict.fromkeys(Tier, cheap)),
        terms({}),
        terms(asked, flags=GRANT_REQUIRED | POOL_FLAG),
        terms(asked, flags=GRANT_REQUIRED | MODEL_BOUND, days=400),
        terms({**asked, Tier.STEMS: odd}, flags=GRANT_REQUIRED | GRANT_APPROVAL | POOL_FLAG),
    ]


OFFERS = _offers()
UNKNOWN = keccak(b"nothing that was interned")
UNKNOWN_TERMS = OFFERS[0].model_copy(update={"text_digest": UNKNOWN})
