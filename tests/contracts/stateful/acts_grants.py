"""Grants: bought, renewed, asked for, approved, withdrawn and paid."""

from __future__ import annotations

import random

from obbligato.protocol.constants import DAY_SECONDS, Tier
from obbligato.protocol.typed_data import ApproveGrant
from tests.contracts.protocol import DOLLAR
from tests.contracts.stateful.acts_money import some_admin, some_platform
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.draw import edge, mostly, one_of
from tests.contracts.stateful.model import ANY_MODEL, GRANT_REQUIRED, U64
from tests.contracts.stateful.people import (
    ADMINS,
    MODELS,
    OWNERS,
    RELAY,
    SOCIETY,
    STRANGER,
    UNKNOWN,
)


def _grant(d: Deployment, rng: random.Random) -> tuple[str, int, int, int, bytes]:
    """Who asks, its platform, a licence that asks for grants if there is one, a tier and a model."""
    platform_id = some_platform(d, rng, obliged=0.05)
    by = some_admin(d, rng, platform_id)
    running = {i: found.history.version_at(d.now) for i, found in d.model.licenses.items()}
    asking = [i for i, v in running.items() if v and v.terms.flags & GRANT_REQUIRED]
    license_id = rng.choice(asking) if asking and rng.random() < 0.9 else rng.choice(list(running))
    version = running[license_id]
    offered = [tier for tier in Tier if version and version.terms.offers(tier)] or list(Tier)
    tier = int(mostly(rng, rng.choice(offered), *Tier))
    return by, platform_id, license_id, tier, rng.choice([*MODELS, *MODELS, ANY_MODEL])


def _to_renewals(d: Deployment, rng: random.Random, license_id: int) -> None:
    """At times, on to where the next term is first for sale."""
    history = d.model.licenses[license_id].history
    if rng.random() < 0.3 and history.version_at(d.now):
        edge(d, rng, history.term_end(d.now) - 30 * DAY_SECONDS)
        d.model.now = d.now


@action(3)
def buy(d: Deployment, rng: random.Random) -> None:
    place = _grant(d, rng)
    _to_renewals(d, rng, place[2])
    maximum = mostly(rng, U64, 3 * DOLLAR - 1, 3 * DOLLAR)
    d.do(
        place[0],
        d.protocol.grants.buy,
        *place[1:],
        maximum,
        foretold=lambda: d.model.buy(*place, maximum),
    )


@action(1)
def ask(d: Deployment, rng: random.Random) -> None:
    place = _grant(d, rng)
    fee = mostly(rng, rng.randint(0, 20 * DOLLAR), 0, 10**6 * DOLLAR)
    d.do(
        place[0], d.protocol.grants.ask, *place[1:], fee, foretold=lambda: d.model.ask(*place, fee)
    )


@action(1)
def approve(d: Deployment, rng: random.Random) -> None:
    m, grants = d.model, d.protocol.grants
    request_id = mostly(
        rng, one_of(rng, [i for i, r in m.requests.items() if not r.closed], 1), len(m.requests) + 1
    )
    request = m.requests.get(request_id)
    owner = m.licenses[request.license_id].owner if request else OWNERS[0]
    if request is None or rng.random() < 0.5:
        by = mostly(rng, owner, STRANGER, SOCIETY)
        m.now = d.now
        digest = mostly(rng, m.request_digest(request_id) if request else UNKNOWN, UNKNOWN)
        d.do(
            by,
            grants.approve,
            request_id,
            digest,
            foretold=lambda: m.approve(by, request_id, digest),
        )
        return
    m.now = d.now
    document = m.document(request.license_id)
    message = ApproveGrant(
        license_id=request.license_id,
        current_document=document,
        tier=Tier(request.tier),
        platform_id=request.platform_id,
        platform_admin=m.platforms[request.platform_id].admin,
        model_id=request.model_id,
        fee=request.fee,
        **d.fresh(owner),
    )
    d.do(
        RELAY,
        grants.approveBySignature,
        request_id,
        document,
        d.signed(message),
        foretold=lambda: m.approve(owner, request_id),
    )


@action(0.3)
def withdraw_approval(d: Deployment, rng: random.Random) -> None:
    m = d.model
    approved = [i for i, r in m.requests.items() if r.document and not r.closed]
    request_id = mostly(rng, one_of(rng, approved, 1), len(m.requests) + 1, *m.requests)
    request = m.requests.get(request_id)
    owner = m.licenses[request.license_id].owner if request else OWNERS[0]
    by = mostly(rng, owner, STRANGER, SOCIETY)
    d.do(
        by,
        d.protocol.grants.withdrawApproval,
        request_id,
        foretold=lambda: m.withdraw_approval(by, request_id),
    )


@action(1)
def pay_grant(d: Deployment, rng: random.Random) -> None:
    m = d.model
    m.now = d.now
    ready = [i for i, r in m.requests.items() if r.document and not r.closed]
    fresh = [i for i in ready if m.requests[i].document == m.document(m.requests[i].license_id)]
    if fresh and rng.random() < 0.8:
        ready = fresh
    request_id = mostly(rng, one_of(rng, ready, 1), len(m.requests) + 1, *m.requests)
    request = m.requests.get(request_id)
    by = some_admin(d, rng, request.platform_id) if request else ADMINS[0]
    d.do(by, d.protocol.grants.pay, request_id, foretold=lambda: m.pay_grant(by, request_id))
