"""Licences, their terms and splits, and grants."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from eth_hash.auto import keccak

from obbligato.protocol.typed_data import (
    AcceptSplit,
    Amend,
    ApproveOperator,
    ChangeSplit,
    Mint,
    Reinstate,
    Revoke,
)
from tests.contracts.protocol import ARBITER, GOVERNOR, raw_split, raw_terms
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.draw import edge, mostly
from tests.contracts.stateful.model import Refused
from tests.contracts.stateful.people import (
    OFFERS,
    OWNERS,
    RELAY,
    SOCIETY,
    STRANGER,
    UNKNOWN,
    UNKNOWN_TERMS,
)

MOST_LICENSES = 30


@action(3)
def mint(d: Deployment, rng: random.Random) -> None:
    """By the owner or its operator, with or without interning, alone or in a batch, or by signature."""
    if len(d.model.licenses) >= MOST_LICENSES:
        return amend(d, rng)
    registry, m = d.protocol.registry, d.model
    owner, shares = rng.choice(OWNERS), d.split(rng)
    terms = rng.choice(OFFERS)
    by = mostly(rng, owner, SOCIETY, STRANGER, chance=0.2)
    document, content = d.new_document(), keccak(b"content %d" % rng.randint(0, 9))
    door = rng.choice(["with", "plain", "batch", "signature"])
    if door == "with":

        def mint_with() -> None:
            m.check_minter(by, owner)
            d.know_split(shares)
            m.mint(owner, terms.digest(), shares.digest(), document)

        d.do(
            by,
            registry.mintWith,
            owner,
            raw_terms(terms),
            raw_split(shares),
            document,
            content,
            foretold=mint_with,
        )
        return None
    terms = mostly(rng, terms, UNKNOWN_TERMS)
    digest = terms.digest()
    if door == "plain":

        def mint_plain() -> None:
            m.check_minter(by, owner)
            m.mint(owner, digest, shares.digest(), document)

        d.do(
            by,
            registry.mint,
            owner,
            digest,
            shares.digest(),
            document,
            content,
            foretold=mint_plain,
        )
        return None
    if door == "signature":
        message = Mint(
            terms=terms,
            split=shares,
            document=document,
            content=content,
            **d.fresh(owner),
        )
        d.do(
            RELAY,
            registry.mintBySignature,
            digest,
            shares.digest(),
            document,
            content,
            d.signed(message),
            foretold=lambda: m.mint(owner, digest, shares.digest(), document),
        )
        return None
    items = [
        (owner, terms.digest(), d.split(rng).digest(), d.new_document(), content) for _ in range(3)
    ]
    items = [*items[:2], (rng.choice(OWNERS), *items[2][1:])] if rng.random() < 0.2 else items

    def mint_batch() -> None:
        # All or none: every item is checked before the first is minted.
        for item in items:
            m.check_minter(by, item[0])
            if item[2] not in m.split_ids:
                raise Refused("UnknownSplitDigest")
        for item in items:
            m.mint(*item[:4])

    d.do(by, registry.mintBatch, items, foretold=mint_batch)
    return None


def _license(d: Deployment, rng: random.Random) -> tuple[int, str, str]:
    """A licence, who acts for it, and by which door."""
    license_id = rng.choice(list(d.model.licenses))
    owner = d.model.licenses[license_id].owner
    if rng.random() < 0.3:
        return license_id, owner, "signature"
    return (
        license_id,
        mostly(rng, owner, SOCIETY, STRANGER, ARBITER, GOVERNOR, chance=0.15),
        "direct",
    )


@action(4)
def amend(d: Deployment, rng: random.Random) -> None:
    license_id, by, door = _license(d, rng)
    registry, m = d.protocol.registry, d.model
    running = m.licenses[license_id].history.version_at(d.now)
    offer = mostly(rng, rng.choice(OFFERS), UNKNOWN_TERMS)
    if running and rng.random() < 0.3:
        offer = running.terms
    terms = offer.digest()
    document = d.new_document()
    if door == "direct":
        d.do(
            by,
            registry.amend,
            license_id,
            terms,
            document,
            foretold=lambda: m.amend(by, license_id, terms, document),
        )
        return
    current = mostly(rng, m.document(license_id), UNKNOWN)
    message = Amend(
        license_id=license_id,
        current_document=current,
        terms=offer,
        document=document,
        **d.fresh(by),
    )

    def by_signature() -> None:
        m.check_document(license_id, current)
        m.amend(by, license_id, terms, document)

    d.do(
        RELAY,
        registry.amendBySignature,
        license_id,
        current,
        terms,
        document,
        d.signed(message),
        foretold=by_signature,
    )


@action(1.5)
def revoke(d: Deployment, rng: random.Random) -> None:
    _end(d, rng, "revoke", Revoke, d.model.revoke)


@action(2)
def reinstate(d: Deployment, rng: random.Random) -> None:
    _end(d, rng, "reinstate", Reinstate, d.model.reinstate)


def _end(
    d: Deployment, rng: random.Random, name: str, kind: Any, act: Callable[[str, int], None]
) -> None:
    registry = d.protocol.registry
    license_id, by, door = _license(d, rng)
    ending = [
        i
        for i, found in d.model.licenses.items()
        if found.history.ends_at is not None and found.history.ends_at > d.now
    ]
    if name == "reinstate" and ending and rng.random() < 0.8:
        license_id = rng.choice(ending)
        by = d.model.licenses[license_id].owner
        edge(d, rng, d.model.licenses[license_id].history.ends_at or 0)
        d.model.now = d.now
    if door == "direct":
        d.do(by, getattr(registry, name), license_id, foretold=lambda: act(by, license_id))
        return
    current = d.model.document(license_id)
    message = kind(license_id=license_id, current_document=current, **d.fresh(by))
    d.do(
        RELAY,
        getattr(registry, f"{name}BySignature"),
        license_id,
        current,
        d.signed(message),
        foretold=lambda: act(by, license_id),
    )


@action(2)
def change_split(d: Deployment, rng: random.Random) -> None:
    license_id, by, door = _license(d, rng)
    registry, m = d.protocol.registry, d.model
    d.model.now = d.now
    current = m.licenses[license_id].split_id
    before = d.shares[mostly(rng, current, *d.shares)]
    after = d.split(rng)
    shares = {p.account: p.share for p in after.payees}
    losers = [
        p.account for p in before.payees if p.account != by and shares.get(p.account, 0) < p.share
    ]
    document = m.document(license_id)
    accepted = losers[: mostly(rng, len(losers), max(0, len(losers) - 1))]
    about = {
        "license_id": license_id,
        "current_document": document,
        "from_split": before,
        "to_split": after,
    }
    acceptances = [d.signed(AcceptSplit(**about, **d.fresh(account))) for account in accepted]

    def change() -> None:
        m.change_split(by, license_id, before.digest(), after.digest(), shares, accepted)
        d.know_split(after)

    if door == "direct":
        d.do(
            by,
            registry.changeSplit,
            license_id,
            raw_split(before),
            raw_split(after),
            acceptances,
            foretold=change,
        )
        return
    message = ChangeSplit(**about, **d.fresh(by))
    d.do(
        RELAY,
        registry.changeSplitBySignature,
        license_id,
        document,
        raw_split(before),
        raw_split(after),
        acceptances,
        d.signed(message),
        foretold=change,
    )


@action(0.5)
def operator(d: Deployment, rng: random.Random) -> None:
    owner, approved = rng.choice(OWNERS), rng.random() < 0.7

    def approve() -> None:
        (d.model.operators.add if approved else d.model.operators.discard)((owner, SOCIETY))

    if rng.random() < 0.5:
        d.do(owner, d.protocol.registry.setApprovalForAll, SOCIETY, approved, foretold=approve)
        return
    message = ApproveOperator(operator=SOCIETY, approved=approved, **d.fresh(owner))
    d.do(
        RELAY,
        d.protocol.registry.approveOperatorBySignature,
        SOCIETY,
        approved,
        d.signed(message),
        foretold=approve,
    )
