"""Small numbers that people worked out by hand; each vector says how."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.protocol.constants import Tier, tiers_mask
from obbligato.protocol.history import Version
from obbligato.protocol.pricing import metered_amount, pool_amounts, pool_weight
from obbligato.protocol.quorum import quorum
from obbligato.protocol.rows import Credit, Row, pack_credits, pack_rows
from obbligato.protocol.rulings import bond, rule
from obbligato.protocol.splits import entitlement
from tests.protocol.examples import terms_with
from tests.protocol.test_rulings import as_json, contested
from tests.protocol.vectors import vectors


def term_end(anchor: int, term_days: int, moment: int) -> int:
    version = Version(
        terms_id=1,
        terms=terms_with(termDays=term_days),
        start=anchor,
        anchor=anchor,
        document=bytes(32),
    )
    return version.term_end(moment)


def worked(kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    if kind == "metered":
        return {"amount": metered_amount(**asked)}
    if kind == "pool":
        weights = [pool_weight(row["quantity"], row["tier"]) for row in asked["rows"]]
        return {"amounts": pool_amounts(asked["total"], weights)}
    if kind == "entitlement":
        return {"entitlement": entitlement(**asked)}
    if kind == "quorum":
        return {"quorum": quorum(**asked)}
    if kind == "termEnd":
        return {"end": term_end(asked["anchor"], asked["termDays"], asked["moment"])}
    if kind == "bond":
        terms = {"claimed": asked["claimed"], "minimum": asked["minimum"]}
        return {"bond": bond(contested(asked["row"]), by_payee=asked["byPayee"], **terms)}
    if kind == "ruling":
        terms = {"claimed": asked["claimed"], "ruled": asked["ruled"], "bond_units": asked["bond"]}
        return as_json(rule(contested(asked["row"]), **terms))
    if kind == "row":
        row = Row(asked["licenseId"], asked["tier"], asked["metric"], asked["quantity"])
        return {"packed": "0x" + pack_rows([row]).hex()}
    if kind == "credit":
        credit = Credit(asked["splitId"], asked["amount"])
        return {"packed": "0x" + pack_credits([credit]).hex()}
    assert kind == "mask"
    return {"mask": tiers_mask(Tier(tier) for tier in asked["tiers"])}


@pytest.mark.parametrize("vector", vectors("hand_worked"))
def test_the_rules_agree_with_what_was_worked_out_by_hand(vector: dict[str, Any]) -> None:
    assert vector["why"]
    assert worked(vector["kind"], vector["input"]) == vector["expected"]
