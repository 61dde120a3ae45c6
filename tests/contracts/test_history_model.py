"""Random lives of a licence against the Python model: the same acts are taken, and no past answer ever changes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from brownie import accounts
from eth_hash.auto import keccak

from obbligato.errors import RefusedError
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.rows import unpack_credits
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.licensing import licenses, packed_row
from tests.contracts.moments import ask_all, mine_at, next_at
from tests.contracts.protocol import (
    ARTIST,
    CONTENT,
    DAY,
    UNIT,
    DeployedProtocol,
    Refusal,
    refused,
    split,
    terms,
)

YEAR = 365 * DAY
START = 2_000_000_000
CHEAP = RateCard(training_run=1, generation=2, playback=3, grant_fee=4)
DEAR = RateCard(training_run=5, generation=6, playback=7, grant_fee=8)


def amounts(priced: Any) -> tuple[int, ...]:
    """What the registry credits each row with."""
    return tuple(credit.amount for credit in unpack_credits(bytes(priced[0])))


def offers() -> list[Terms]:
    """Terms that add tiers to one another, take them away, cost more, or run longer."""
    sets = [
        (),
        (Tier.ANALYSIS,),
        (Tier.ANALYSIS, Tier.STYLE),
        (Tier.ANALYSIS, Tier.STYLE, Tier.VOICE),
        (Tier.VOICE,),
        tuple(Tier),
    ]
    cheap = [terms(dict.fromkeys(tiers, CHEAP)) for tiers in sets]
    dear = [terms(dict.fromkeys(tiers, DEAR)) for tiers in sets[1:3]]
    return [*cheap, *dear, terms(dict.fromkeys(sets[3], CHEAP), term_days=400)]


@dataclass
class Life:
    """One licence on the chain and in the model, and every answer about the past it ever gave."""

    protocol: DeployedProtocol
    sender: dict[str, Any]
    disputes: dict[str, Any]
    terms: dict[int, Terms]
    license_id: int
    history: LicenseHistory
    now: int
    others: dict[int, Terms]
    """Licences that were there before with each of the terms, and never change."""
    remembered: dict[tuple[int, int], bool] = field(default_factory=dict)
    done: int = 0

    def act(self, dice: random.Random) -> None:
        """A random act at a random later second, on both."""
        self.now = self.moment(dice)
        # A revoked licence mostly comes back, or its life would be short.
        weights = [60, 12, 4, 1] if self.history.ends_at is None else [15, 5, 60, 3]
        kind = dice.choices(["amend", "revoke", "reinstate", "void"], weights)[0]
        registry = self.protocol.registry
        if kind == "amend":
            terms_id, document = dice.choice(list(self.terms)), keccak(dice.randbytes(8))
            offer = {"terms_id": terms_id, "terms": self.terms[terms_id], "document": document}
            call = (registry.amend, self.license_id, self.terms[terms_id].digest(), document)
        else:
            offer = {}
            method = {"void": "voidLicense"}.get(kind, kind)
            call = (getattr(registry, method), self.license_id)
        sender = self.disputes if kind == "void" else self.sender
        expected = self.model(kind, offer)
        next_at(self.now)
        if expected is None:
            with refused(self.refusal(kind)):
                call[0](*call[1:], sender)
            mine_at(self.now)
            return
        call[0](*call[1:], sender)
        self.history = expected
        self.done += 1

    @property
    def ended(self) -> bool:
        return self.history.ends_at is not None and self.history.ends_at <= self.now

    def moment(self, dice: random.Random) -> int:
        """Now, soon, or about the end of the term."""
        end = int(self.protocol.registry.termEndOf(self.license_id))
        later = self.now + dice.randrange(100 * DAY)
        choices = [self.now, self.now, self.now + 1, later, later, end - 1, end, end + 1]
        return max(self.now, dice.choice(choices))

    def model(self, kind: str, offer: dict[str, Any]) -> LicenseHistory | None:
        """What the model makes of it; None if it refuses."""
        # The model lets a dead licence be voided again to no effect, the chain says that it is dead.
        if kind == "void" and self.ended:
            return None
        try:
            return getattr(self.history, kind)(now=self.now, **offer)
        except RefusedError:
            return None

    def refusal(self, kind: str) -> str:
        """The chain's word for what the model refused."""
        if kind == "reinstate":
            return "NotRevoked" if self.history.ends_at is None else "LicenseEnded"
        if kind == "void":
            return "LicenseEnded"
        return "LicenseEnding" if self.history.ends_at is not None else "AmendmentPending"

    def moments(self) -> list[int]:
        """Every second about which something might have changed, past and to come."""
        turns = {version.start for version in self.history.versions}
        turns |= {self.now, self.history.ends_at or START, self.now + YEAR}
        return sorted({turn + shift for turn in turns for shift in (-1, 0, 1)})

    def check(self) -> None:
        """The chain answers as the model, and as it ever answered about the past."""
        moments = self.moments()
        registry, one = self.protocol.registry, self.license_id
        found = ask_all([(registry.termsAt, (one, moment)) for moment in moments])
        assert found == [self.history.terms_at(moment) for moment in moments]
        asked = [(tier, moment) for moment in moments for tier in Tier]
        answers = ask_all([(registry.consentAt, (one, *pair)) for pair in asked])
        assert answers == [self.history.consent_at(*pair) for pair in asked]

        past = list(self.remembered)
        again = ask_all([(registry.consentAt, (one, *pair)) for pair in past])
        assert again == [self.remembered[pair] for pair in past]
        answered = zip(asked, answers, strict=True)
        self.remembered |= {pair: was for pair, was in answered if pair[1] < self.now}

        assert bytes(registry.documentOf(one)) == self.history.document_at(self.now)
        if self.history.terms_at(self.now):
            assert registry.termEndOf(one) == self.history.term_end(self.now)
        assert registry.licenseOf(one)["endsAt"] == (self.history.ends_at or 0)

    def check_prices(self, dice: random.Random) -> None:
        """A row is priced with the dearer terms of the first and last moment of consent in its period, whatever a row
        before it is priced with: in a report it follows that of another licence with the same terms or others."""
        moments = self.moments()
        rates, reports, wanted, paid = [], [], [], []
        for _ in range(16):
            tier = dice.choice(list(Tier))
            start, end = sorted(dice.sample(moments, 2))
            row = (self.license_id, tier, Metric.PLAYBACK)
            rates.append((self.protocol.registry.rateFor, (*row, start, end)))
            before = dice.choice([one for one, offer in self.others.items() if offer.offers(tier)])
            rows = packed_row(before, tier, Metric.PLAYBACK, UNIT) + packed_row(*row, UNIT)
            reports.append((self.protocol.registry.price, (rows, start, end, Pricing.METERED, 0)))
            moments_in = [m for m in {*moments, end - 1} if start <= m < end]
            consented = sorted(m for m in moments_in if self.history.consent_at(tier, m))
            if not consented:
                wanted.append(Refusal("NoConsent", row))
                paid.append(Refusal("NoConsent", row))
                continue
            ends = [self.terms[self.history.terms_at(consented[at])] for at in (0, -1)]
            rate = max(offer.rate(tier, Metric.PLAYBACK) for offer in ends)
            wanted.append((rate, ends[0].flags, 1))  # all offers have the same flags
            paid.append((self.others[before].rate(tier, Metric.PLAYBACK), rate))
        assert ask_all(rates) == wanted
        found = ask_all(reports)
        assert [one if isinstance(one, Refusal) else amounts(one) for one in found] == paid


@pytest.fixture(scope="module")
def catalogue(protocol: DeployedProtocol) -> dict[int, Terms]:
    """The offers by their ids on the chain."""
    protocol.intern_split(split((ARTIST, 1_000_000)))
    found = {}
    for offer in offers():
        digest = protocol.intern_terms(offer)
        found[int(protocol.registry.termsIdOf(digest))] = offer
    return found


@pytest.fixture(scope="module")
def others(protocol: DeployedProtocol, catalogue: dict[int, Terms]) -> dict[int, Terms]:
    """One licence with each offer, a day older than the one whose life is told."""
    offers = list(catalogue.values())
    return dict(zip(licenses(protocol, offers, at=START - DAY), offers, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_a_random_life_is_the_models_and_its_past_stands(
    protocol: DeployedProtocol, catalogue: dict[int, Terms], others: dict[int, Terms], seed: int
) -> None:
    dice = random.Random(seed)
    first = dice.choice(list(catalogue))
    document = keccak(b"first document")
    paid = split((ARTIST, 1_000_000)).digest()
    next_at(START)
    tx = protocol.registry.mint(
        ARTIST, catalogue[first].digest(), paid, document, CONTENT, {"from": ARTIST}
    )
    life = Life(
        protocol=protocol,
        sender={"from": ARTIST},
        disputes={"from": accounts.at(protocol.disputes.address, force=True)},
        terms=catalogue,
        license_id=int(tx.return_value),
        history=LicenseHistory.mint(
            terms_id=first, terms=catalogue[first], document=document, now=START
        ),
        now=START,
        others=others,
    )
    life.check()
    acts = 0
    while acts < 25 and life.done < 10 and not life.ended:
        life.act(dice)
        life.check()
        life.check_prices(dice)
        acts += 1
    for _ in range(3):  # what a licence that has ended still takes is nothing
        life.act(dice)
        life.check()
