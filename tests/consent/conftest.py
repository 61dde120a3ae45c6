"""Licences with a past: amended, revoked, reinstated, voided, claimed by rivals, sold by grant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text, terms_with_legal_text
from obbligato.errors import ContractRefused
from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.terms import RateCard, Terms
from scripts.demo.cast import ARBITER, POOL_PLATFORM, RELAY
from tests.onchain import ARTIST, DOLLARS, DUO, STRANGER, Acts, raw_terms
from tests.scenario import MODEL, OPEN, WIDER, Scenario

CLAIMED_TWICE, RENEWED = "QZABC2600001", "QZABC2600002"

_CARD = RateCard(training_run=7, generation=NOT_OFFERED, playback=11, grant_fee=3 * DOLLARS)
BY_GRANT_FOR_ANY = terms_with_legal_text(
    {Tier.TRAINING: _CARD, Tier.STYLE: _CARD}, term_days=365, flags=Flag.GRANT_REQUIRED | Flag.POOL
)
DEARER = terms_with_legal_text({Tier.GENERATIVE: _CARD}, term_days=400, flags=Flag(0))


@dataclass(frozen=True)
class Past:
    """What happened: licences by the role they play, and the platform that bought grants."""

    scenario: Scenario
    began: int
    amended: int
    rival: int
    renewed: int
    granted: int
    platform_id: int

    @property
    def acts(self) -> Acts:
        return self.scenario.acts

    @property
    def ended(self) -> int:
        return self.acts.now()

    def consent_at(self, license_id: int, tier: Tier, moment: int) -> bool:
        """What the registry says."""
        answer = self.acts.chain.call("LicenseRegistry", "consentAt", license_id, int(tier), moment)
        return bool(answer)

    def granted_in(self, license_id: int, tier: Tier, period: tuple[int, int]) -> bool:
        """Whether the platform holds a grant for the model, or any, in the period."""
        use = (license_id, int(tier), self.platform_id, MODEL)
        return bool(self.acts.chain.call("Grants", "covers", *use, *period))

    def refusal(
        self, use: tuple[int, Tier, Metric], period: tuple[int, int], pricing: Pricing, model: bytes
    ) -> str | None:
        """Why the contracts accept no row of this use: the name of their error; None if they do."""
        license_id, tier, metric = use
        packed = pack_rows([Row(license_id, tier, metric, 1)])
        chain = self.acts.chain
        try:
            # A row of the smallest quantity and a pool of a dollar: no reserve price is in the way.
            _, _, granted = chain.call(
                "LicenseRegistry", "price", packed, *period, int(pricing), DOLLARS
            )
        except ContractRefused as refused:
            return refused.error
        covered = chain.call(
            "Grants", "covers", license_id, int(tier), self.platform_id, model, *period
        )
        return "NotGranted" if granted[0] and not covered else None


def document_of(acts: Acts, terms: Terms, title: str, isrc: str | None) -> tuple[bytes, bytes]:
    """Store a licence's document that names an ISRC; its digest and the content hash."""
    content = hashlib.sha256(title.encode()).digest()
    recording = Recording(title=title, artists=("Somebody",), content_hash=content, isrc=isrc)
    document = license_document(recording=recording, terms=terms)
    acts.protocol.store.put(legal_text(terms))
    acts.protocol.store.put(document.to_bytes())
    return document.digest(), content


def mint_with(acts: Acts, owner: LocalAccount, terms: Terms, document: tuple[bytes, bytes]) -> int:
    """Mint a licence that pays its owner alone; its id."""
    payees = [(owner.address, 1_000_000, 4)]
    acts.chain.transact(
        owner,
        "LicenseRegistry",
        "mintWith",
        owner.address,
        raw_terms(terms),
        payees,
        *document,
    )
    return int(acts.chain.call("LicenseRegistry", "licenseCount"))


def mint(acts: Acts, owner: LocalAccount, terms: Terms, title: str, isrc: str | None) -> int:
    """Mint a licence whose document is in the store."""
    return mint_with(acts, owner, terms, document_of(acts, terms, title, isrc))


def amend(acts: Acts, license_id: int, terms: Terms, title: str, isrc: str | None) -> None:
    acts.chain.transact(RELAY, "LicenseRegistry", "internTerms", raw_terms(terms))
    digest, _ = document_of(acts, terms, title, isrc)
    acts.chain.transact(ARTIST, "LicenseRegistry", "amend", license_id, terms.digest(), digest)


@pytest.fixture(scope="module")
def past(scenario: Scenario) -> Iterator[Past]:
    """About six years of licences after the story; undone in the end."""
    acts = Acts(scenario.protocol)
    with acts.undone():
        yield _live(scenario, acts)


def _live(scenario: Scenario, acts: Acts) -> Past:
    began = acts.now()
    amended = mint(acts, ARTIST, OPEN, "amended", RENEWED)
    acts.wait(10)
    amend(acts, amended, WIDER, "amended", RENEWED)  # adds a tier: at once
    rival = mint(acts, STRANGER, OPEN, "rival", CLAIMED_TWICE)
    mint(acts, DUO, OPEN, "true", CLAIMED_TWICE)
    granted = mint(acts, DUO, BY_GRANT_FOR_ANY, "granted", None)
    admin = POOL_PLATFORM.admin
    platform_id = acts.platform(admin, STRANGER, 0)
    _buy(acts, platform_id, granted, Tier.TRAINING, MODEL)
    acts.wait(20)
    amend(acts, amended, DEARER, "amended", RENEWED)  # other terms: from the next term
    _void(acts, rival)
    acts.wait(400)
    _buy(acts, platform_id, granted, Tier.STYLE, bytes(32))
    acts.chain.transact(ARTIST, "LicenseRegistry", "revoke", amended)
    acts.wait(5)
    acts.chain.transact(ARTIST, "LicenseRegistry", "reinstate", amended)
    acts.wait(5)
    acts.chain.transact(ARTIST, "LicenseRegistry", "revoke", amended)
    acts.wait(500)
    renewed = mint(acts, ARTIST, OPEN, "minted again", RENEWED)
    acts.wait(30)
    return Past(scenario, began, amended, rival, renewed, granted, platform_id)


def _buy(acts: Acts, platform_id: int, license_id: int, tier: Tier, model: bytes) -> None:
    fee = 3 * DOLLARS
    acts.dollars(POOL_PLATFORM.admin, fee)
    arguments: tuple[Any, ...] = (platform_id, license_id, int(tier), model, fee)
    acts.chain.transact(POOL_PLATFORM.admin, "Grants", "buy", *arguments)


def _void(acts: Acts, license_id: int) -> None:
    acts.dollars(DUO, 5 * DOLLARS)
    evidence = hashlib.sha256(b"the true owner").digest()
    acts.chain.transact(DUO, "Disputes", "claimRecording", license_id, evidence)
    claim_id = acts.chain.call("Disputes", "claimCount")
    acts.chain.transact(ARBITER, "Disputes", "ruleRecording", claim_id, True)
