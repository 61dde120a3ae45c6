"""One small story that touches every kind of event that moves money; its sums are worked by hand.

Prices of one unit, in millionths of a dollar: GENERATIVE generation 2 400 and playback 40, TRAINING playback 1; the
licence by grant 1 200 a generation and 150 dollars a grant. Splits: 1 the artist alone; 2 the duo 65 % and the label
35 %; 3 the artist by grant 333 334, the label and the producer 333 333 each.

    report 1, METERED:   licence 1  10 000 generations   24 000 000   ruled up to 14 000: 33 600 000
                         licence 2     500 generations    1 200 000   ruled down to 300:     720 000
                         licence 2  12 345 playbacks        493 800   a draw at 12 346:      493 840
                         licence 3   1 000 generations    1 200 000
    report 2, POOL of 1 000 003 by 3 : 7:
                         licence 1       3 playbacks        300 000   held, lapses, paid
                         licence 2       7 playbacks        700 003
    report 3, METERED:   licence 1   1 000 generations    2 400 000   ruled up to 500 000: 1 200 000 000, in arrears
    report 4, METERED:   licence 1     100 generations      240 000   unfunded, then funded
    report 5:            a zero statement
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from eth_hash.auto import keccak

from obbligato.chain.client import Chain
from obbligato.documents.wording import terms_with_legal_text
from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.terms import RateCard
from obbligato.protocol.typed_data import Challenge, Claim
from scripts.demo.cast import ARBITER, METERED_PLATFORM, POOL_PLATFORM, RELAY
from tests.onchain import (
    ARTIST,
    BY_GRANT,
    COLD,
    DOLLARS,
    DUO,
    FAR,
    LABEL,
    PRODUCER,
    STRANGER,
    UNIT,
    Acts,
    DeployedProtocol,
    Report,
    raw_terms,
    split,
)

GENERATED = (Tier.GENERATIVE, Metric.GENERATION)
PLAYED = (Tier.GENERATIVE, Metric.PLAYBACK)
TRAINED = (Tier.TRAINING, Metric.PLAYBACK)

_GENERATIVE = RateCard(training_run=5_000_000, generation=2_400, playback=40, grant_fee=0)
_TRAINING = RateCard(training_run=2_000_000, generation=NOT_OFFERED, playback=1, grant_fee=0)
_ANALYSIS = RateCard(training_run=250_000, generation=0, playback=3, grant_fee=0)
_GRANTED = RateCard(training_run=0, generation=1_200, playback=20, grant_fee=150 * DOLLARS)

OPEN = terms_with_legal_text(
    {Tier.TRAINING: _TRAINING, Tier.GENERATIVE: _GENERATIVE}, term_days=365, flags=Flag.POOL
)
WIDER = terms_with_legal_text(
    {Tier.ANALYSIS: _ANALYSIS, Tier.TRAINING: _TRAINING, Tier.GENERATIVE: _GENERATIVE},
    term_days=365,
    flags=Flag.POOL,
)
GRANTED = terms_with_legal_text(
    {Tier.GENERATIVE: _GRANTED}, term_days=365, flags=Flag.GRANT_REQUIRED | Flag.MODEL_BOUND
)
NOTHING = terms_with_legal_text({}, term_days=1096, flags=Flag(0))

MODEL, OTHER_MODEL = keccak(b"model one"), keccak(b"model two")

RECEIVED = {
    # 33 600 000 + 300 000 + 1 200 000 000 + 240 000
    1: 1_234_140_000,
    # 720 000 + 493 840 + 700 003, and half of the bond of 5 dollars that a rival claim lost
    2: 4_413_843,
    # 1 200 000 and the fee of the grant
    3: 151_200_000,
    4: 0,
}
"""By split; the fourth is of the licence that allows nothing."""


@dataclass
class Scenario:
    """The story once it has been told."""

    protocol: DeployedProtocol
    acts: Acts
    reports: list[Report]
    rich: int
    """The platform with escrow to spare, now closed; `poor` is the other."""
    poor: int


def tell(protocol: DeployedProtocol) -> Scenario:
    """Everything, in order."""
    acts = Acts(protocol)
    chain = acts.chain
    alone, duo = split((ARTIST, 1_000_000)), split((DUO, 650_000), (LABEL, 350_000))
    three = split((BY_GRANT, 333_334), (LABEL, 333_333), (PRODUCER, 333_333))
    for owner, terms, pays, title in (
        (ARTIST, OPEN, alone, "one"),
        (DUO, OPEN, duo, "two"),
        (BY_GRANT, GRANTED, three, "three"),
        (STRANGER, NOTHING, split((STRANGER, 1_000_000)), "four [not for machines]"),
    ):
        acts.mint(owner, terms, pays, title)
    first, second = METERED_PLATFORM, POOL_PLATFORM
    rich = acts.platform(first.admin, first.reporter, 1_000 * DOLLARS)
    poor = acts.platform(second.admin, second.reporter, 2_400_000)
    fee = 150 * DOLLARS
    # The fee of a grant is the admin's own money, not the platform's escrow.
    acts.dollars(first.admin, fee)
    chain.transact(first.admin, "Grants", "buy", rich, 3, int(Tier.GENERATIVE), MODEL, fee)

    # A month of use, reported.
    start, end = acts.now(), acts.wait(30)
    uses = [
        (1, *GENERATED, 10_000),
        (2, *GENERATED, 500),
        (2, *PLAYED, 12_345),
        (3, *GENERATED, 1_000),
    ]
    metered = acts.report(rich, first.reporter, MODEL, uses, (start, end))
    pool = acts.report(
        rich,
        first.reporter,
        OTHER_MODEL,
        [(1, *TRAINED, 3), (2, *TRAINED, 7)],
        (start, end),
        pricing=Pricing.POOL,
        pool=1_000_003,
    )
    paid = acts.report(poor, second.reporter, MODEL, [(1, *GENERATED, 1_000)], (start, end))
    short = acts.report(poor, second.reporter, OTHER_MODEL, [(1, *GENERATED, 100)], (start, end))
    acts.deposit(second.admin, poor, 240_000)
    chain.transact(RELAY, "UsageOracle", "fund", short.report_id)

    _contest_in_the_window(acts, metered, pool)
    acts.wait(8)
    for report in (metered, pool, paid, short):
        acts.settle(report)
    _rule_into_arrears(acts, second.admin, poor, paid)
    zero = acts.report(rich, first.reporter, MODEL, [], (end, acts.now()))
    acts.wait(10)
    chain.transact(RELAY, "Disputes", "lapse", 4)
    _challenge_on_credit(acts, pool)
    _licences_change(acts)
    _claims(acts)
    _leave(acts, rich)
    return Scenario(protocol, acts, [metered, pool, paid, short, zero], rich, poor)


def _contest_in_the_window(acts: Acts, metered: Report, pool: Report) -> None:
    """Challenges 1 to 4: down, up, a draw; and one that nobody will rule on."""
    chain = acts.chain
    for account in (STRANGER, ARTIST):
        acts.dollars(account, 100 * DOLLARS)
    acts.challenge(STRANGER, metered, (2, *GENERATED), 300)
    acts.challenge(ARTIST, metered, (1, *GENERATED), 15_000)
    acts.challenge(STRANGER, metered, (2, *PLAYED), 12_347)
    acts.challenge(STRANGER, pool, (1, *TRAINED), 1)
    _rule(chain, 1, 300 * UNIT)
    _rule(chain, 2, 14_000 * UNIT)
    _rule(chain, 3, 12_346 * UNIT)


def _rule(chain: Chain, challenge_id: int, quantity: int) -> None:
    digest = chain.challenge(challenge_id).digest
    chain.transact(ARBITER, "Disputes", "rule", challenge_id, quantity, digest)


def _rule_into_arrears(acts: Acts, admin: object, poor: int, paid: Report) -> None:
    """Challenge 5: worth more than the platform has, bond included; it pays the rest later."""
    chain = acts.chain
    acts.challenge(ARTIST, paid, (1, *GENERATED), 500_000)
    _rule(chain, 5, 500_000 * UNIT)
    # 1 197 600 000 for the row, of which the bond paid 1 000 000 000; the stake is half of a tenth.
    acts.deposit(POOL_PLATFORM.admin, poor, 197_600_000 + 59_880_000)
    # In two parts: the first ends within the penalty.
    chain.transact(RELAY, "Disputes", "payArrears", 5, 200_000_000)
    chain.transact(RELAY, "Disputes", "payArrears", 5, 2**64 - 1)


def _challenge_on_credit(acts: Acts, pool: Report) -> None:
    """Challenge 6, by signature, its bond out of what the artist has earned; it stays open."""
    chain = acts.chain
    evidence = hashlib.sha256(b"found later").digest()
    document = chain.call("LicenseRegistry", "documentOf", 1)
    message = Challenge(
        account=ARTIST.address,
        report_id=pool.report_id,
        license_id=1,
        current_document=bytes(document),
        tier=Tier.TRAINING,
        metric=Metric.PLAYBACK,
        claimed_quantity=4 * UNIT,
        evidence=evidence,
        maximum_bond=2_500_000,
        nonce=next(acts.nonces),
        deadline=FAR,
    )
    claim = (1, int(Tier.TRAINING), int(Metric.PLAYBACK), 4 * UNIT, evidence)
    signed = acts.signed(message, ARTIST)
    chain.transact(
        RELAY,
        "Disputes",
        "challengeBySignature",
        pool.case,
        claim,
        document,
        2_500_000,
        [1],
        signed,
    )


def _licences_change(acts: Acts) -> None:
    """A tier is added at once, a licence is revoked and reinstated, others are claimed by rivals."""
    chain = acts.chain
    chain.transact(RELAY, "LicenseRegistry", "internTerms", raw_terms(WIDER))
    wider, _ = acts.document(WIDER, "one")
    chain.transact(ARTIST, "LicenseRegistry", "amend", 1, WIDER.digest(), wider)
    chain.transact(DUO, "LicenseRegistry", "revoke", 2)
    chain.transact(DUO, "LicenseRegistry", "reinstate", 2)
    chain.transact(BY_GRANT, "LicenseRegistry", "revoke", 3)
    evidence = hashlib.sha256(b"a contract of 1987").digest()
    for license_id, upheld in ((2, False), (4, True)):
        acts.dollars(STRANGER, 5 * DOLLARS)
        chain.transact(STRANGER, "Disputes", "claimRecording", license_id, evidence)
        claim_id = chain.call("Disputes", "claimCount")
        chain.transact(ARBITER, "Disputes", "ruleRecording", claim_id, upheld)


def _claims(acts: Acts) -> None:
    """By anyone, to another address, by signature; some leave theirs where it is."""
    chain = acts.chain
    chain.transact(LABEL, "RoyaltyVault", "redirect", COLD.address)
    chain.transact(RELAY, "RoyaltyVault", "claim", LABEL.address, [2, 3])
    chain.transact(RELAY, "RoyaltyVault", "claim", BY_GRANT.address, [3, 3])
    message = Claim(
        account=ARTIST.address,
        to=COLD.address,
        minimum=0,
        nonce=next(acts.nonces),
        deadline=FAR,
    )
    signed = acts.signed(message, ARTIST)
    chain.transact(RELAY, "RoyaltyVault", "claimBySignature", COLD.address, 0, [1], signed)
    chain.transact(RELAY, "RoyaltyVault", "claim", STRANGER.address, [])


def _leave(acts: Acts, rich: int) -> None:
    """A platform takes its money out: first what is available, then, closed, its bond."""
    chain, admin = acts.chain, METERED_PLATFORM.admin
    available = chain.escrow(rich).available_units
    chain.transact(admin, "RoyaltyVault", "thaw", rich, 10 * DOLLARS)
    chain.transact(admin, "RoyaltyVault", "cancelThaw", rich)
    chain.transact(admin, "RoyaltyVault", "thaw", rich, available)
    acts.wait(29)
    chain.transact(admin, "RoyaltyVault", "withdraw", rich, admin.address)
    chain.transact(admin, "RoyaltyVault", "close", rich)
    acts.wait(202)
    chain.transact(admin, "RoyaltyVault", "withdrawBond", rich, admin.address)
