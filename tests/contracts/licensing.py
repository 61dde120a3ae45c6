"""What the tests of licences share: many licences at once, rows that no library would pack, prices read back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from brownie import project
from eth_hash.auto import keccak

from obbligato.protocol.constants import Pricing
from obbligato.protocol.rows import Credit, unpack_credits
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from tests.contracts.moments import next_at
from tests.contracts.protocol import ARTIST, CONTENT, DEPLOYER, DeployedProtocol, split


def deploy(name: str, *arguments: Any) -> Any:
    """A contract of the project by its name."""
    container = getattr(project.get_loaded_projects()[0], name)
    return container.deploy(*arguments, {"from": DEPLOYER})


def licenses(
    protocol: DeployedProtocol,
    offers: Sequence[Terms],
    pays: Split | None = None,
    *,
    owner: str = ARTIST,
    at: int | None = None,
) -> list[int]:
    """Mint one licence for each offer, in one batch (at this second, if one is given); their ids."""
    paid = protocol.intern_split(pays or split((owner, 1_000_000)))
    items = []
    known: dict[bytes, bytes] = {}
    for offer in offers:
        digest = offer.digest()
        if digest not in known:
            known[digest] = protocol.intern_terms(offer)
        items.append((owner, digest, paid, keccak(b"document %d" % next(protocol.nonces)), CONTENT))
    if at is not None:
        next_at(at)
    first = int(protocol.registry.mintBatch(items, {"from": owner}).return_value)
    return list(range(first, first + len(items)))


def packed_row(license_id: int, tier: int, metric: int, quantity: int) -> bytes:
    """The 14 bytes of a row, valid or not: `licenseId 4 | tier 1 | metric 1 | quantity 8`."""
    return struct.pack(">IBBQ", license_id, tier, metric, quantity)


def priced(
    protocol: DeployedProtocol,
    packed: bytes,
    start: int,
    end: int,
    pricing: Pricing = Pricing.METERED,
    total: int = 0,
) -> tuple[list[Credit], int, tuple[int, ...]]:
    """(credits, sum, words of rows that need a grant) by the registry."""
    credits_, total, granted = protocol.registry.price(packed, start, end, int(pricing), total)
    return unpack_credits(bytes(credits_)), int(total), tuple(int(word) for word in granted)


def document_of(protocol: DeployedProtocol, license_id: int) -> bytes:
    return bytes(protocol.registry.documentOf(license_id))
