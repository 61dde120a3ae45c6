"""Who takes part: the roles' accounts, the artists and everybody they share with, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from obbligato.documents.wording import terms_with_legal_text
from obbligato.protocol.constants import NOT_OFFERED, Flag, Role, Tier
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard, Terms
from scripts.demo.catalog import RecordingFacts

Account.enable_unaudited_hdwallet_features()
MNEMONIC = "test test test test test test test test test test test junk"
"""Every anvil starts with it: its accounts hold play money."""


def node_account(index: int) -> LocalAccount:
    """One of the accounts that the node gave play money to."""
    account: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return account


DEPLOYER, PROPOSER, GUARDIAN, ARBITER = (node_account(index) for index in range(4))
ATTESTERS = tuple(node_account(index) for index in range(4, 8))
RELAY = node_account(8)
SOCIETY = node_account(11)


def person(name: str) -> LocalAccount:
    """An account of somebody's own, made from a name: it never needs gas."""
    account: LocalAccount = Account.from_key(keccak(f"obbligato demo: {name}".encode()))
    return account


@dataclass(frozen=True)
class PlatformPlan:
    """A platform of the demo: who runs it and with which model."""

    name: str
    admin: LocalAccount
    reporter: LocalAccount
    model: bytes
    deposit: int


METERED_PLATFORM = PlatformPlan(
    "Nightjar", node_account(9), person("Nightjar reporter"), keccak(b"nightjar-gen-2"), 0
)
POOL_PLATFORM = PlatformPlan(
    "Lyra", node_account(10), person("Lyra reporter"), keccak(b"lyra-train-1"), 0
)

# Prices of one whole unit in millionths of a dollar.
_ANALYSIS = RateCard(training_run=250_000, generation=NOT_OFFERED, playback=3, grant_fee=0)
_TRAINING = RateCard(training_run=2_000_000, generation=0, playback=1, grant_fee=0)
_GENERATIVE = RateCard(training_run=5_000_000, generation=2_400, playback=40, grant_fee=0)
_DEARER = RateCard(training_run=9_000_000, generation=6_500, playback=90, grant_fee=0)
_STYLE = RateCard(training_run=NOT_OFFERED, generation=20_000, playback=150, grant_fee=25_000_000)

OFFERS: dict[str, Terms] = {
    "No AI": terms_with_legal_text({}, term_days=1096, flags=Flag(0)),
    "Analysis only": terms_with_legal_text(
        {Tier.ANALYSIS: _ANALYSIS}, term_days=365, flags=Flag(0)
    ),
    "Train, don't imitate": terms_with_legal_text(
        {Tier.ANALYSIS: _ANALYSIS, Tier.TRAINING: _TRAINING, Tier.GENERATIVE: _GENERATIVE},
        term_days=365,
        flags=Flag.POOL | Flag.ATTRIBUTION_REQUIRED,
    ),
    "Everything but my voice": terms_with_legal_text(
        {
            Tier.ANALYSIS: _ANALYSIS,
            Tier.TRAINING: _TRAINING,
            Tier.GENERATIVE: _DEARER,
            Tier.STYLE: _STYLE,
            Tier.STEMS: _DEARER,
        },
        term_days=730,
        flags=Flag.POOL | Flag.COMMERCIAL | Flag.ATTRIBUTION_REQUIRED,
        influence_cap_bps=2_500,
    ),
    "By agreement": terms_with_legal_text(
        {
            Tier.GENERATIVE: RateCard(
                training_run=0, generation=1_200, playback=20, grant_fee=150_000_000
            )
        },
        term_days=365,
        flags=Flag.GRANT_REQUIRED | Flag.MODEL_BOUND,
    ),
}

_ORDER = (
    "Train, don't imitate",
    "Everything but my voice",
    "Train, don't imitate",
    "Analysis only",
    "By agreement",
)
_BANDS: tuple[tuple[tuple[Role, int], ...], ...] = (
    ((Role.PERFORMER, 1_000_000),),
    ((Role.PERFORMER, 650_000), (Role.LABEL, 350_000)),
    ((Role.PERFORMER, 333_334), (Role.COMPOSER, 333_333), (Role.PRODUCER, 333_333)),
    (
        (Role.PERFORMER, 400_000),
        (Role.COMPOSER, 250_000),
        (Role.PUBLISHER, 150_000),
        (Role.LABEL, 200_000),
    ),
    (
        (Role.PERFORMER, 300_000),
        (Role.COMPOSER, 200_000),
        (Role.LYRICIST, 200_000),
        (Role.PRODUCER, 100_000),
        (Role.LABEL, 200_000),
    ),
    (
        (Role.PERFORMER, 250_000),
        (Role.COMPOSER, 200_000),
        (Role.LYRICIST, 150_000),
        (Role.SESSION_MUSICIAN, 50_000),
        (Role.PRODUCER, 150_000),
        (Role.LABEL, 200_000),
    ),
    (
        (Role.PERFORMER, 250_000),
        (Role.COMPOSER, 150_000),
        (Role.LYRICIST, 100_000),
        (Role.ARRANGER, 50_000),
        (Role.SESSION_MUSICIAN, 50_001),
        (Role.PRODUCER, 149_999),
        (Role.LABEL, 250_000),
    ),
    (
        (Role.PERFORMER, 300_000),
        (Role.COMPOSER, 120_000),
        (Role.LYRICIST, 80_000),
        (Role.ARRANGER, 40_000),
        (Role.SESSION_MUSICIAN, 60_000),
        (Role.PRODUCER, 100_000),
        (Role.PUBLISHER, 100_000),
        (Role.LABEL, 200_000),
    ),
)
"""Splits of one to eight payees, in parts per million."""


@dataclass(frozen=True)
class Entry:
    """One recording of the demo with who licenses it, how, and who is paid."""

    facts: RecordingFacts
    owner: LocalAccount
    offer: str
    terms: Terms
    split: Split
    names: dict[str, str]
    """What to call each payee, by account."""
    by_society: bool


def cast(recordings: Sequence[RecordingFacts], *, society_members: int) -> list[Entry]:
    """An entry for each recording. The last `society_members` are minted by a society for its members."""
    entries = []
    for number, facts in enumerate(recordings):
        offer = "No AI" if number == len(recordings) // 2 else _ORDER[number % len(_ORDER)]
        artist = facts.artist or "unknown artist"
        owner = person(f"artist {artist}")
        payees: list[Payee] = []
        names: dict[str, str] = {}
        for role, share in _BANDS[number % len(_BANDS)]:
            account, name = _payee(role, number, artist, owner)
            payees.append(Payee(account=account.address, share=share, role=role))
            names[account.address] = name
        entries.append(
            Entry(
                facts=facts,
                owner=owner,
                offer=offer,
                terms=OFFERS[offer],
                split=Split.of(payees),
                names=names,
                by_society=number >= len(recordings) - society_members,
            )
        )
    return entries


def _payee(role: Role, number: int, artist: str, owner: LocalAccount) -> tuple[LocalAccount, str]:
    """The performer is the artist; labels, publishers and producers are shared by several recordings."""
    if role is Role.PERFORMER:
        return owner, artist
    shared = {Role.LABEL: 6, Role.PUBLISHER: 4, Role.PRODUCER: 10, Role.SESSION_MUSICIAN: 8}.get(
        role
    )
    word = role.name.lower().replace("_", " ")
    name = f"{word} {number % shared + 1}" if shared else f"{word} of {artist}"
    return person(name), name
