"""A real licence driven through the golden timelines, second by second, answers what the vectors say."""

from __future__ import annotations

from typing import Any

import pytest
from brownie import accounts
from brownie.exceptions import VirtualMachineError

from obbligato.protocol.constants import Metric, Tier
from tests.contracts.moments import ask_all, next_at
from tests.contracts.protocol import ARTIST, CONTENT, DeployedProtocol, Refusal, split
from tests.protocol.vectors import vectors


@pytest.fixture(scope="module")
def paid(protocol: DeployedProtocol) -> bytes:
    return protocol.intern_split(split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def disputes(protocol: DeployedProtocol) -> Any:
    """The only account that may void, able to send."""
    return accounts.at(protocol.disputes.address, force=True)


def raw(terms: dict[str, Any]) -> tuple[Any, ...]:
    """Terms of a vector as the ABI takes them."""
    rates = [tuple(card.values()) for card in terms["rates"]]
    members = ("tiers", "termDays", "flags", "influenceCapBps")
    return (*(terms[name] for name in members), rates, terms["textDigest"])


def acted(
    protocol: DeployedProtocol, act: dict[str, Any], digests: dict[int, str], others: Any
) -> bool:
    """Do one act of a timeline on licence 1 at its second; whether the registry took it."""
    registry, owner = protocol.registry, {"from": ARTIST}
    offer = digests.get(act["termsId"]) if "termsId" in act else None
    next_at(act["at"])
    try:
        match act["act"]:
            case "mint":
                registry.mint(ARTIST, offer, others["paid"], act["document"], CONTENT, owner)
            case "amend":
                registry.amend(1, offer, act["document"], owner)
            case "revoke":
                registry.revoke(1, owner)
            case "reinstate":
                registry.reinstate(1, owner)
            case "void":
                registry.voidLicense(1, {"from": others["disputes"]})
    except VirtualMachineError:
        return False
    return True


def generation_rate(terms: dict[str, Any], tier: Tier) -> int:
    cards = iter(terms["rates"])
    return {one: next(cards) for one in Tier if terms["tiers"] & one.bit}[tier]["generation"]


@pytest.mark.parametrize("vector", vectors("timelines"))
def test_a_licence_answers_as_the_timelines_say(
    protocol: DeployedProtocol, paid: bytes, disputes: Any, vector: dict[str, Any]
) -> None:
    asked, expected = vector["input"], vector["expected"]
    registry = protocol.registry
    by_id = {one["termsId"]: one for one in asked["terms"]}
    ids = {0: 0}
    for terms_id, one in by_id.items():
        tx = registry.internTerms(raw(one), {"from": ARTIST})
        ids[terms_id] = tx.return_value
        assert registry.termsIdOf(one["digest"]) == ids[terms_id]

    others = {"paid": paid, "disputes": disputes}
    digests = {terms_id: one["digest"] for terms_id, one in by_id.items()}
    done = [acted(protocol, act, digests, others) for act in asked["acts"]]
    assert done == expected["done"]
    assert registry.licenseOf(1)["endsAt"] == (expected["endsAt"] or 0)

    moments = asked["moments"]
    terms_found = ask_all([(registry.termsAt, (1, moment)) for moment in moments])
    assert terms_found == [ids[answer["termsId"]] for answer in expected["answers"]]
    consents = ask_all(
        [(registry.consentAt, (1, tier, moment)) for moment in moments for tier in Tier]
    )
    assert consents == [tier in answer["tiers"] for answer in expected["answers"] for tier in Tier]

    # A row is priced with the terms at the first and last moment of consent, and refused where there is none.
    questions, wanted = [], []
    for (start, end), pairs in zip(asked["periods"], expected["periodTerms"], strict=True):
        for tier, pair in zip(Tier, pairs, strict=True):
            questions.append((registry.rateFor, (1, tier, Metric.GENERATION, start, end)))
            if pair is None:
                wanted.append(Refusal("NoConsent", (1, tier, Metric.GENERATION)))
                continue
            both = [by_id[terms_id] for terms_id in pair]
            flags = both[0]["flags"] | both[1]["flags"]  # no terms of the timelines join pools
            wanted.append((max(generation_rate(one, tier) for one in both), flags, 1))
    assert ask_all(questions) == wanted
