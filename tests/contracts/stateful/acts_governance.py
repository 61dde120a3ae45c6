"""Pauses, attesters, further modules of the vault, and doors that are not one's own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.contracts.protocol import ARBITER, DOLLAR, GOVERNOR, GUARDIAN
from tests.contracts.stateful.acts_money import some_admin, some_platform
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.draw import log_uniform, mostly, one_of
from tests.contracts.stateful.model import Refused
from tests.contracts.stateful.people import (
    ADMINS,
    ALL_ATTESTERS,
    HOSTILE,
    LANE,
    PAYEES,
    PEOPLE,
    RELAY,
    ROLES,
    SOCIETY,
    STRANGER,
    UNKNOWN,
    ascending,
)


@action(0.5)
def pause(d: Deployment, rng: random.Random) -> None:
    by = mostly(rng, rng.choice([GUARDIAN, GUARDIAN, GOVERNOR]), STRANGER, ARBITER)
    d.do(by, d.protocol.oracle.pause, foretold=lambda: d.model.pause(by))


@action(1.5)
def unpause(d: Deployment, rng: random.Random) -> None:
    by = mostly(rng, rng.choice([GUARDIAN, GOVERNOR]), STRANGER, ARBITER)
    d.do(by, d.protocol.oracle.unpause, foretold=lambda: d.model.unpause(by))


@action(1)
def attesters(d: Deployment, rng: random.Random) -> None:
    m, oracle = d.model, d.protocol.oracle
    if rng.random() < 0.6:
        by = mostly(rng, GUARDIAN, GOVERNOR, STRANGER)
        account = mostly(rng, rng.choice(m.versions[m.version]), *ALL_ATTESTERS)
        d.do(by, oracle.removeAttester, account, foretold=lambda: m.remove_attester(by, account))
        return
    by = mostly(rng, GOVERNOR, GUARDIAN, STRANGER)
    chosen = ascending(rng.sample(ALL_ATTESTERS, mostly(rng, rng.randint(1, 7), 0)))
    shared = ascending([*chosen, rng.choice(ROLES)])
    chosen = mostly(rng, chosen, chosen[::-1], chosen + chosen, shared)
    d.do(by, oracle.setAttesters, chosen, foretold=lambda: m.set_attesters(by, chosen))


@action(3)
def lane(d: Deployment, rng: random.Random) -> None:
    """A further module works with the money of platforms that enabled it, and with no other."""
    m, vault = d.model, d.protocol.vault
    platform_id = some_platform(d, rng, obliged=0.05) or 1
    if platform_id not in m.platforms:
        return
    enabled = LANE in m.platforms[platform_id].enabled
    if rng.random() < (0.1 if enabled else 0.3):
        by = some_admin(d, rng, platform_id)
        d.do(
            by,
            vault.enableModule,
            platform_id,
            LANE,
            not enabled,
            foretold=lambda: m.enable_module(by, platform_id, LANE, not enabled),
        )
        return
    _use_module(d, rng, LANE, platform_id)


@action(2)
def hostile(d: Deployment, rng: random.Random) -> None:
    """A listed module that no platform enabled tries everything a module can."""
    platform_id = rng.choice(list(d.model.platforms))
    _use_module(d, rng, HOSTILE, platform_id)


def _use_module(d: Deployment, rng: random.Random, module: str, platform_id: int) -> None:
    m, vault = d.model, d.protocol.vault
    bucket = m.buckets[module, platform_id]
    part = rng.randint(1, max(1, bucket))
    some = 1 + log_uniform(rng, 50 * DOLLAR)
    split_id = mostly(rng, rng.choice(list(m.splits)), 0, len(m.splits) + 1)
    raw = split_id.to_bytes(4, "big") + part.to_bytes(8, "big")
    account = rng.choice(PEOPLE)
    lifts = m.obliged[module, platform_id] > 0 or rng.random() < 0.7
    choices: list[tuple[Any, tuple[Any, ...], Callable[[], Any]]] = [
        (vault.reserve, (platform_id, some), lambda: m.reserve(module, platform_id, some)),
        (vault.seize, (platform_id, some), lambda: m.seize(module, platform_id, some)),
        (vault.release, (platform_id, part), lambda: m.release(module, platform_id, part)),
        (
            vault.credit,
            (platform_id, raw),
            lambda: m.credit(module, platform_id, [(split_id, part)]),
        ),
        (
            vault.award,
            (platform_id, account, part),
            lambda: m.award(module, platform_id, account, part),
        ),
        (vault.oblige, (platform_id, not lifts), lambda: m.oblige(module, platform_id, not lifts)),
        (vault.delayThaw, (platform_id,), lambda: m.delay_thaw(module, platform_id)),
    ]
    method, arguments, foretold = rng.choice(choices)
    d.do(module, method, *arguments, foretold=foretold)


@action(3)
def trespass(d: Deployment, rng: random.Random) -> None:
    """Whoever holds a role, or none, tries a door that is not its own."""
    vault, oracle, disputes, registry = (
        d.protocol.vault,
        d.protocol.oracle,
        d.protocol.disputes,
        d.protocol.registry,
    )
    platform_id, split_id = rng.choice(list(d.model.platforms)), rng.choice(list(d.model.splits))
    license_id = rng.choice(list(d.model.licenses))
    report_id = one_of(rng, d.model.reports, UNKNOWN)
    raw = split_id.to_bytes(4, "big") + (1).to_bytes(8, "big")
    by = rng.choice([*ROLES, STRANGER, RELAY, SOCIETY, *ADMINS])
    doors: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("NotModule", vault.reserve, (platform_id, 1)),
        ("NotModule", vault.handOver, (platform_id, HOSTILE, 0)),
        ("NotModule", vault.release, (platform_id, 1)),
        ("NotModule", vault.credit, (platform_id, raw)),
        ("NotModule", vault.seize, (platform_id, 1)),
        ("NotModule", vault.award, (platform_id, by, 1)),
        ("NotModule", vault.oblige, (platform_id, False)),
        ("NotModule", vault.delayThaw, (platform_id,)),
        ("NotDisputes", vault.postBond, (rng.choice(PAYEES), 1)),
        ("NotDisputes", vault.postBondFromCredit, (rng.choice(PAYEES), [], 0)),
        ("NotDisputes", vault.awardBond, (by, 1)),
        ("NotDisputes", vault.bondToPlatform, (platform_id, 1)),
        ("NotDisputes", vault.bondToSplit, (split_id, 1)),
        ("NotDisputes", oracle.hold, (report_id, 0, 1)),
        ("NotDisputes", registry.voidLicense, (license_id,)),
    ]
    if by != GOVERNOR:
        doors += [
            ("NotGovernor", vault.listModule, (by,)),
            ("NotGovernor", vault.retireModule, (LANE,)),
            ("NotGovernor", oracle.setGuardian, (by,)),
            ("NotGovernor", disputes.setArbiter, (by,)),
        ]
    name, method, arguments = rng.choice(doors)

    def refused() -> None:
        raise Refused(name)

    d.do(by, method, *arguments, foretold=refused)
