"""Time, platforms' money in and out, and claims."""

from __future__ import annotations

import random

from obbligato.protocol.typed_data import Claim, GuardClaims, Redirect
from tests.contracts.protocol import DOLLAR, GOVERNOR
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.draw import edge, log_uniform, mostly
from tests.contracts.stateful.model import DAY, DEAD, ZERO, Refused
from tests.contracts.stateful.people import (
    ADMINS,
    PAYEES,
    PEOPLE,
    RELAY,
    REPORTERS,
    STRANGER,
    WATCHDOG,
)
from tests.contracts.stateful.records import WITHDRAWAL_PERIOD, refuse

MOST_PLATFORMS = 8


@action(6)
def wait(d: Deployment, rng: random.Random) -> None:
    choice = rng.random()
    if choice < 0.04:
        d.wait(rng.randint(200, 400) * DAY)
    elif choice < 0.3:
        d.wait(rng.randint(1, 21) * DAY)
    else:
        d.wait(rng.randint(1, 3 * DAY))
    amount = rng.randint(1, 50)
    d.do(
        STRANGER,
        d.protocol.token.mint,
        STRANGER,
        amount,
        foretold=lambda: d.model.mint_dollars(STRANGER, amount),
    )


@action(1)
def gift(d: Deployment, rng: random.Random) -> None:
    """Dollars sent to the vault past its doors."""
    amount = log_uniform(rng, 10 * DOLLAR)
    by = rng.choice(PEOPLE)
    d.do(
        by,
        d.protocol.token.transfer,
        d.protocol.vault.address,
        amount,
        foretold=lambda: d.model.send_to_vault(by, amount),
    )


@action(1)
def register(d: Deployment, rng: random.Random) -> None:
    if len(d.model.platforms) >= MOST_PLATFORMS:
        return deposit(d, rng)
    admin, least = rng.choice(ADMINS), d.model.parameters.minimum_bond
    bond = mostly(rng, least + rng.choice([0, 1, 7 * DOLLAR]), least - 1)
    reporters = rng.sample(REPORTERS, rng.randint(1, 2))
    d.do(
        admin,
        d.protocol.vault.registerPlatform,
        reporters,
        bond,
        foretold=lambda: d.model.register(admin, reporters, bond),
    )
    return None


def some_platform(d: Deployment, rng: random.Random, obliged: float = 0.3) -> int:
    """A platform, rather an open one, with some preference for those that owe something."""
    platforms = d.model.platforms
    owing = [i for i, p in platforms.items() if p.obligations]
    if owing and rng.random() < obliged:
        return rng.choice(owing)
    if rng.random() < 0.03:
        return rng.choice([0, len(platforms) + 1])
    open_ = [i for i, p in platforms.items() if not p.closes_at]
    return rng.choice(open_ if open_ and rng.random() < 0.9 else list(platforms))


def some_admin(d: Deployment, rng: random.Random, platform_id: int) -> str:
    platform = d.model.platforms.get(platform_id)
    return mostly(
        rng, platform.admin if platform else ADMINS[0], STRANGER, GOVERNOR, *ADMINS, chance=0.05
    )


@action(8)
def deposit(d: Deployment, rng: random.Random) -> None:
    platform_id = some_platform(d, rng, obliged=0.6)
    by = some_admin(d, rng, platform_id)
    amount = mostly(rng, rng.randint(1, 3_000 * DOLLAR), 0, 1, 10**12 * DOLLAR)
    if d.model.wallets[by] < amount < 10**10 * DOLLAR:
        d.give(by, amount)
    d.do(
        by,
        d.protocol.vault.deposit,
        platform_id,
        amount,
        foretold=lambda: d.model.deposit(by, platform_id, amount),
    )


@action(4)
def add_bond(d: Deployment, rng: random.Random) -> None:
    short = [i for i, p in d.model.platforms.items() if p.bond < d.model.parameters.minimum_bond]
    platform_id = rng.choice(short) if short and rng.random() < 0.8 else some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    amount = mostly(rng, rng.choice([1, 13 * DOLLAR, d.model.parameters.minimum_bond]), 0)
    d.do(
        by,
        d.protocol.vault.addBond,
        platform_id,
        amount,
        foretold=lambda: d.model.add_bond(by, platform_id, amount),
    )


@action(0.5)
def reporter(d: Deployment, rng: random.Random) -> None:
    platform_id = some_platform(d, rng)
    by, account = some_admin(d, rng, platform_id), rng.choice(REPORTERS)
    active = rng.random() < 0.8
    d.do(
        by,
        d.protocol.vault.setReporter,
        platform_id,
        account,
        active,
        foretold=lambda: d.model.set_reporter(by, platform_id, account, active),
    )


# ---- out ----


@action(2)
def thaw(d: Deployment, rng: random.Random) -> None:
    platform_id = some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    available = d.model.platforms[platform_id].available if platform_id in d.model.platforms else 0
    amount = mostly(rng, rng.randint(0, available), available, available + 1)
    d.do(
        by,
        d.protocol.vault.thaw,
        platform_id,
        amount,
        foretold=lambda: d.model.thaw(by, platform_id, amount),
    )


@action(0.5)
def cancel_thaw(d: Deployment, rng: random.Random) -> None:
    platform_id = some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    d.do(
        by,
        d.protocol.vault.cancelThaw,
        platform_id,
        foretold=lambda: d.model.cancel_thaw(by, platform_id),
    )


@action(2)
def withdraw(d: Deployment, rng: random.Random) -> None:
    thawing = [i for i, p in d.model.platforms.items() if p.thawing]
    platform_id = rng.choice(thawing) if thawing and rng.random() < 0.9 else some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    to = mostly(rng, by, ZERO, d.protocol.vault.address, d.protocol.token.address, WATCHDOG)
    if platform_id in d.model.platforms:
        ends = d.model.platforms[platform_id].thaw_ends_at
        edge(d, rng, mostly(rng, ends, ends + WITHDRAWAL_PERIOD))
    d.do(
        by,
        d.protocol.vault.withdraw,
        platform_id,
        to,
        foretold=lambda: d.model.withdraw(by, platform_id, to),
    )


@action(0.3)
def close(d: Deployment, rng: random.Random) -> None:
    open_ = [p for p in d.model.platforms.values() if not p.closes_at]
    if len(open_) < 3 or (len(d.model.platforms) == MOST_PLATFORMS and len(open_) < 5):
        return cancel_thaw(d, rng)
    platform_id = some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    d.do(by, d.protocol.vault.close, platform_id, foretold=lambda: d.model.close(by, platform_id))
    return None


@action(0.5)
def withdraw_bond(d: Deployment, rng: random.Random) -> None:
    closing = [i for i, p in d.model.platforms.items() if p.closes_at]
    platform_id = rng.choice(closing) if closing else some_platform(d, rng)
    by = some_admin(d, rng, platform_id)
    to = mostly(rng, by, ZERO, d.protocol.vault.address)
    if closing:
        edge(d, rng, d.model.platforms[platform_id].closes_at)
    d.do(
        by,
        d.protocol.vault.withdrawBond,
        platform_id,
        to,
        foretold=lambda: d.model.withdraw_bond(by, platform_id, to),
    )


# ---- claims ----


@action(10)
def claim(d: Deployment, rng: random.Random) -> None:
    """Some splits, some of them twice, by anyone; or by the payee's signature."""
    m, vault = d.model, d.protocol.vault
    account = rng.choice([*PAYEES, *PAYEES, WATCHDOG, DEAD, *ADMINS])
    own = [i for i, s in m.splits.items() if account in s.shares]
    splits = rng.sample(own, rng.randint(0, len(own)))
    if rng.random() < 0.1:
        splits = splits + splits
    if rng.random() < 0.03:
        splits = [*splits, rng.choice([0, *m.splits, len(m.splits) + 1])]
    if rng.random() < 0.75 or account == DEAD:
        by = rng.choice(PEOPLE)

        def by_anyone() -> None:
            refuse("ClaimsAreGuarded", when=by != account and account in m.guarded)
            m.claim(account, splits)

        d.do(by, vault.claim, account, splits, foretold=by_anyone)
        return
    lost = (ZERO, vault.address, d.protocol.token.address)
    to = mostly(rng, rng.choice([account, WATCHDOG]), *lost)
    minimum = rng.choice([0, 0, 1, DOLLAR])
    message = Claim(to=to, minimum=minimum, **d.fresh(account))
    forged = rng.random() < 0.1

    def by_signature() -> None:
        if forged:
            raise Refused("SignatureInvalid")
        m.claim(account, splits, to, minimum)

    signed = d.signed(message, STRANGER if forged else account)
    d.do(RELAY, vault.claimBySignature, to, minimum, splits, signed, foretold=by_signature)


@action(1)
def redirect(d: Deployment, rng: random.Random) -> None:
    account = rng.choice(PAYEES)
    to = mostly(
        rng,
        rng.choice([ZERO, WATCHDOG, *PAYEES]),
        d.protocol.vault.address,
        d.protocol.token.address,
    )
    if rng.random() < 0.5:
        d.do(account, d.protocol.vault.redirect, to, foretold=lambda: d.model.redirect(account, to))
        return
    forged = rng.random() < 0.1
    message = Redirect(to=to, **d.fresh(account))

    def by_signature() -> None:
        if forged:
            raise Refused("SignatureInvalid")
        d.model.redirect(account, to)

    signed = d.signed(message, STRANGER if forged else account)
    d.do(RELAY, d.protocol.vault.redirectBySignature, to, signed, foretold=by_signature)


@action(0.7)
def guard_claims(d: Deployment, rng: random.Random) -> None:
    account, guarded = rng.choice(PAYEES), rng.random() < 0.5
    vault = d.protocol.vault

    def guard() -> None:
        d.model.guard_claims(account, guarded)

    if rng.random() < 0.5:
        d.do(account, vault.guardClaims, guarded, foretold=guard)
        return
    signed = d.signed(GuardClaims(guarded=guarded, **d.fresh(account)))
    d.do(RELAY, vault.guardClaimsBySignature, guarded, signed, foretold=guard)
