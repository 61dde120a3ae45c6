"""What may happen next, each action with its weight.

Each draws its own details, most of them sensible, some wrong on purpose; the model foretells both. An action depends on
its source of chance and on the state alone, so that a failing sequence can be shortened by leaving actions out.
"""

from __future__ import annotations

from tests.contracts.stateful import (  # noqa: F401 - importing them lists their actions
    acts_disputes,
    acts_governance,
    acts_grants,
    acts_licenses,
    acts_money,
    acts_reports,
)
from tests.contracts.stateful.deployment import ACTIONS, Deployment

__all__ = ["ACTIONS", "Deployment"]
