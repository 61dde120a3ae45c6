"""Draws that several actions share."""

from __future__ import annotations

import random
from typing import Any

from tests.contracts.stateful.deployment import Deployment
from tests.contracts.stateful.model import DAY

INSTEAD = 0.85
"""How often an action that finds nothing to act on gives way to the one that would make it so."""


def mostly(rng: random.Random, usual: Any, *others: Any, chance: float = 0.08) -> Any:
    """The usual one, or now and then one of the others."""
    return rng.choice(others) if others and rng.random() < chance else usual


def log_uniform(rng: random.Random, highest: int) -> int:
    return min(highest, int(2 ** rng.uniform(0, highest.bit_length())))


def one_of(rng: random.Random, items: Any, default: Any) -> Any:
    known = list(items)
    return rng.choice(known) if known else default


def edge(d: Deployment, rng: random.Random, moment: int, patience: int = 40 * DAY) -> None:
    """Now and then the next call happens just before, at or just after a moment that is near."""
    if d.now + 2 < moment < d.now + patience and rng.random() < 0.5:
        d.now = moment - 1 + rng.choice([-1, 0, 0, 1])
