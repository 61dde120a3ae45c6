"""A backend that lies gets no signature: everything that is signed is made anew from what was request."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.client.backend import BackendClient
from obbligato.client.errors import ActRefused
from obbligato.client.verify_acts import (
    BoundedChallengeRequest,
    KnownGrantRequest,
    domain_of,
    verify_act,
)
from obbligato.documents.terms_input import terms_from
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.quorum import recover_signer
from obbligato.protocol.typed_data import (
    AcceptSplit,
    Amend,
    ApproveGrant,
    ApproveOperator,
    Challenge,
    ChangeSplit,
    Claim,
    GuardClaims,
    Message,
    Redirect,
    Reinstate,
    Revoke,
)
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.schemas.acts import (
    ActRequest,
    AmendRequest,
    ChangeSplitRequest,
    ClaimRequest,
    GuardClaimsRequest,
    MintRequest,
    OperatorRequest,
    RedirectRequest,
    ReinstateRequest,
    RevokeRequest,
)
from obbligato.schemas.backend import InvitationResponse
from tests.client.backend.conftest import (
    CONTENT,
    DEPLOYMENT,
    NOW,
    OTHER,
    RECORDING,
    SIGNER,
    FakeBackend,
    act_of,
    document,
    invitation,
    pair,
)

REQUEST = MintRequest.of(
    RECORDING, terms_from({"preset": "train-dont-imitate"}), split=pair(650_000)
)
ME, DEADLINE = SIGNER.address, NOW + 3_600
BASE: dict[str, Any] = {"account": ME, "nonce": 3, "deadline": DEADLINE}
CURRENT = b"\x22" * 32


def test_an_honest_mint_is_signed_for_the_deployment_of_the_manifest(
    client: BackendClient, fake: FakeBackend
) -> None:
    act = client.prepare(REQUEST)
    signed = client.sign(act, REQUEST)
    assert signed.state == "signed"
    message = verify_act(act, REQUEST, ME, DEPLOYMENT, fake.shelf)
    digest = message.digest(domain_of(DEPLOYMENT, message.contract))
    assert [recover_signer(digest, each) for each in fake.signatures] == [ME]


@pytest.mark.parametrize(
    ("lies", "field"),
    [
        ({"terms": terms_from({"preset": "everything"})}, "terms"),
        ({"split": pair(1)}, "split"),
        ({"content": b"\x12" * 32}, "content"),
        ({"document": document().digest()}, "document"),
        ({"account": OTHER.address}, "account"),
    ],
)
def test_a_mint_of_something_else_is_not_signed(
    client: BackendClient, fake: FakeBackend, lies: dict[str, Any], field: str
) -> None:
    fake.lies = lies
    act = client.prepare(REQUEST)
    with pytest.raises(ActRefused, match="nothing was signed") as raised:
        client.sign(act, REQUEST)
    assert raised.value.field == field
    assert fake.signatures == []


@pytest.mark.parametrize(
    "domain",
    [
        {"chainId": 1},
        {"verifyingContract": "0x" + "99" * 20},
        {"name": "Obbligato RoyaltyVault"},
        {"version": "2"},
        {"salt": "0x" + "00" * 32},
    ],
)
def test_a_signature_that_counts_elsewhere_is_not_given(
    client: BackendClient, fake: FakeBackend, domain: dict[str, Any]
) -> None:
    fake.domain = domain
    act = client.prepare(REQUEST)
    with pytest.raises(ActRefused) as raised:
        client.sign(act, REQUEST)
    assert raised.value.field == "domain"
    assert fake.signatures == []


def test_a_document_that_nobody_can_read_is_not_licensed(
    client: BackendClient, fake: FakeBackend
) -> None:
    act = client.prepare(REQUEST)
    fake.shelf.blocks.clear()
    with pytest.raises(ActRefused, match="cannot be read, and nothing is licensed before it can"):
        client.sign(act, REQUEST)
    assert fake.signatures == []


def test_tampered_bytes_of_a_document_are_noticed(client: BackendClient, fake: FakeBackend) -> None:
    act = client.prepare(REQUEST)
    (cid,) = fake.shelf.blocks
    fake.shelf.blocks[cid] = fake.shelf.blocks[cid].replace(b"Aurora", b"Borealis")
    with pytest.raises(ActRefused, match="hashes to"):
        client.sign(act, REQUEST)
    assert fake.signatures == []


def test_an_act_of_another_kind_is_not_signed(client: BackendClient, fake: FakeBackend) -> None:
    act = client.prepare(REQUEST)
    with pytest.raises(ActRefused) as raised:
        client.sign(act, RevokeRequest(license_id=1))
    assert raised.value.field == "kind"
    request = RevokeRequest(license_id=1)
    message = Reinstate.read({**BASE, "license_id": 1, "current_document": CURRENT})
    with pytest.raises(ActRefused) as raised:
        client.sign(act_of(fake, request, message), request)
    assert raised.value.field == "primaryType"
    assert fake.signatures == []


def test_a_signature_that_could_be_used_too_long_is_not_given(client: BackendClient) -> None:
    act = client.prepare(REQUEST)
    with pytest.raises(ActRefused) as raised:
        client.sign(act, REQUEST, latest_deadline=DEADLINE - 1)
    assert raised.value.field == "deadline"
    client.sign(act, REQUEST, latest_deadline=DEADLINE)


REPORT = b"\x33" * 32
LICENSED: dict[str, Any] = {**BASE, "license_id": 4, "current_document": CURRENT}
AMENDED = AmendRequest.of(4, document(), terms=terms_from({"preset": "analysis-only"}))
CASES: list[tuple[ActRequest, Message, dict[str, Any]]] = [
    (
        AMENDED,
        Amend.read(
            {
                **LICENSED,
                "terms": terms_from({"preset": "analysis-only"}),
                "document": AMENDED.document().digest(),
            }
        ),
        {"license_id": 5, "terms": terms_from({"preset": "everything"}), "document": CONTENT},
    ),
    (
        RevokeRequest(license_id=4),
        Revoke.read(LICENSED),
        {"license_id": 5, "account": OTHER.address},
    ),
    (ReinstateRequest(license_id=4), Reinstate.read(LICENSED), {"license_id": 5}),
    (
        ChangeSplitRequest.of(4, pair(500_000)),
        ChangeSplit.read({**LICENSED, "from_split": pair(650_000), "to_split": pair(500_000)}),
        {"license_id": 5, "to_split": pair(1)},
    ),
    (
        OperatorRequest(operator=OTHER.address),
        ApproveOperator.read({**BASE, "operator": OTHER.address, "approved": True}),
        {"operator": "0x" + "77" * 20, "approved": False},
    ),
    (
        KnownGrantRequest(
            request_id=9, license_id=4, tier=Tier.STYLE, platform_id=2, fee_units=25_000_000
        ),
        ApproveGrant.read(
            {
                **LICENSED,
                "tier": Tier.STYLE,
                "platform_id": 2,
                "platform_admin": OTHER.address,
                "model_id": CONTENT,
                "fee": 25_000_000,
            }
        ),
        {"license_id": 5, "tier": Tier.VOICE, "platform_id": 3, "fee": 24_999_999},
    ),
    (
        ClaimRequest(minimum_units=5),
        Claim.read({**BASE, "to": ME, "minimum": 5}),
        {"to": OTHER.address, "minimum": 0},
    ),
    (RedirectRequest(to=OTHER.address), Redirect.read({**BASE, "to": OTHER.address}), {"to": ME}),
    (GuardClaimsRequest(), GuardClaims.read({**BASE, "guarded": True}), {"guarded": False}),
    (RedirectRequest(to=ME), Redirect.read({**BASE, "to": ZERO_ADDRESS}), {"to": OTHER.address}),
    (
        BoundedChallengeRequest(
            report_id=REPORT,
            license_id=4,
            tier="GENERATIVE",
            metric="PLAYBACK",
            claimed_quantity=7_000_000,
            evidence_text="heard it",
            most_bond_units=500,
        ),
        Challenge.read(
            {
                **LICENSED,
                "report_id": REPORT,
                "tier": Tier.GENERATIVE,
                "metric": Metric.PLAYBACK,
                "claimed_quantity": 7_000_000,
                # printf 'heard it' | sha256sum
                "evidence": bytes.fromhex(
                    "b0e294db1479351f093d7d8bbf7ebf06ad3da7ef5206f7cea6d32ca89568c9e2"
                ),
                "maximum_bond": 500,
            }
        ),
        {
            "report_id": CONTENT,
            "license_id": 5,
            "tier": Tier.STYLE,
            "metric": Metric.GENERATION,
            "claimed_quantity": 0,
            "evidence": CONTENT,
            "maximum_bond": 501,
        },
    ),
]


@pytest.mark.parametrize(
    ("prepared", "message", "lies"), CASES, ids=lambda each: type(each).__name__
)
def test_every_act_is_signed_as_asked_and_with_no_field_changed(
    client: BackendClient,
    fake: FakeBackend,
    prepared: ActRequest,
    message: Message,
    lies: dict[str, Any],
) -> None:
    if isinstance(prepared, AmendRequest):
        fake.shelf.put(prepared.document().to_bytes())
    client.sign(act_of(fake, prepared, message), prepared)
    for name, value in lies.items():
        fake.lies = {name: value}
        with pytest.raises(ActRefused) as raised:
            client.sign(act_of(fake, prepared, message), prepared)
        assert raised.value.field == name
    assert len(fake.signatures) == 1


def accepting(**changed: Any) -> AcceptSplit:
    given = {**LICENSED, "from_split": pair(650_000), "to_split": pair(500_000)}
    return AcceptSplit.read({**given, **changed})


def test_an_invitation_is_accepted_for_the_payees_that_it_shows(
    client: BackendClient, fake: FakeBackend
) -> None:
    shown = invitation(accepting(), pair(500_000), before=650_000, after=500_000)
    fake.acts[shown["id"]] = shown
    invited = InvitationResponse.model_validate(shown)
    assert client.check_invitation(invited).split == pair(500_000)
    client.accept(invited)
    digest = accepting().digest(domain_of(DEPLOYMENT, AcceptSplit.contract))
    assert [recover_signer(digest, each) for each in fake.signatures] == [ME]


@pytest.mark.parametrize(
    "shown",
    [
        invitation(accepting(), pair(600_000), before=650_000, after=600_000),
        invitation(accepting(), pair(500_000), before=650_000, after=600_000),
        invitation(accepting(account=OTHER.address), pair(500_000), before=650_000, after=500_000),
        invitation(accepting(), pair(500_000), before=1, after=500_000, domain="0x" + "99" * 20),
    ],
    ids=["other payees", "another share", "another account", "another contract"],
)
def test_an_invitation_that_shows_something_else_than_it_signs_is_refused(
    client: BackendClient, fake: FakeBackend, shown: dict[str, Any]
) -> None:
    fake.acts[shown["id"]] = shown
    with pytest.raises(ActRefused, match="nothing was signed"):
        client.accept(InvitationResponse.model_validate(shown))
    assert fake.signatures == []
