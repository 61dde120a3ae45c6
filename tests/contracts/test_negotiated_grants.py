"""Grants that a licensor approves one by one: ask, approve through three doors, pay."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import NOT_OFFERED, Flag, Tier
from obbligato.protocol.grants import request_digest
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.typed_data import ApproveGrant
from tests.contracts.contest import check_books, escrow
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOCUMENT,
    DOLLAR,
    LABEL,
    MODEL,
    PLATFORM_ADMIN,
    RELAY,
    REPORTER,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    SOCIETY,
    STRANGER,
    DeployedProtocol,
    refused,
    split,
    terms,
)

ADMIN = {"from": PLATFORM_ADMIN}
OWNER = {"from": ARTIST}
GENERATIVE = int(Tier.GENERATIVE)
YEAR = 365 * DAY
START = 2_000_000_000
FEE = 7 * DOLLAR
PAYS = split((ARTIST, 1_000_000))
NEW = keccak(b"new document")


def offer(flags: int = Flag.GRANT_APPROVAL, **members: Any) -> Terms:
    """GENERATIVE by a grant that has no price but what is agreed."""
    card = RateCard(training_run=0, generation=0, playback=0, grant_fee=NOT_OFFERED)
    return terms({Tier.GENERATIVE: card}, flags=int(Flag.GRANT_REQUIRED | flags), **members)


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform whose admin has a hundred dollars."""
    registered = protocol.platform()
    protocol.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(protocol: DeployedProtocol, platform: int) -> int:
    next_at(START)
    return protocol.license(offer(), PAYS, document=DOCUMENT)


@pytest.fixture
def request_id(protocol: DeployedProtocol, platform: int, licence: int) -> int:
    """The platform's request for seven dollars."""
    return int(ask(protocol, platform, licence).return_value)


def ask(
    protocol: DeployedProtocol,
    platform: int,
    license_id: int,
    *,
    model: bytes = MODEL,
    tier: int = GENERATIVE,
    fee: int = FEE,
    sender: dict[str, str] = ADMIN,
) -> Any:
    return protocol.grants.ask(platform, license_id, tier, model, fee, sender)


def approve(protocol: DeployedProtocol, request_id: int, sender: dict[str, str]) -> Any:
    """Approve what the request means now."""
    digest = protocol.grants.requestDigest(request_id)
    return protocol.grants.approve(request_id, digest, sender)


def approval(protocol: DeployedProtocol, platform: int, one: int, **changes: Any) -> ApproveGrant:
    """What a licensor signs: the request in full, not its id."""
    fields = {
        "account": ARTIST,
        "license_id": one,
        "current_document": document_of(protocol, one),
        "tier": Tier.GENERATIVE,
        "platform_id": platform,
        "platform_admin": PLATFORM_ADMIN,
        "model_id": MODEL,
        "fee": FEE,
        "nonce": next(protocol.nonces),
        "deadline": protocol.deadline(),
    }
    return ApproveGrant(**{**fields, **changes})


def relay(
    protocol: DeployedProtocol, request_id: int, message: ApproveGrant, by: str | None = None
) -> Any:
    return protocol.grants.approveBySignature(
        request_id, message.current_document, protocol.signed(message, by), {"from": RELAY}
    )


# ---- the whole way --------------------------------------------------------------------------------------------------


def test_what_is_asked_approved_and_paid_is_granted(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    tx = ask(protocol, platform, licence)
    assert dict(tx.events["GrantAsked"]) == {
        "requestId": 1,
        "licenseId": licence,
        "platformId": platform,
        "tier": GENERATIVE,
        "modelId": "0x" + MODEL.hex(),
        "fee": FEE,
    }
    assert protocol.grants.requestCount() == 1
    tx = approve(protocol, 1, OWNER)
    assert dict(tx.events["GrantApproved"]) == {
        "requestId": 1,
        "licenseId": licence,
        "licensor": ARTIST,
    }
    # Nothing is paid or granted before the platform pays.
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    now = START + 50 * DAY
    next_at(now)
    before = escrow(protocol, platform)
    tx = protocol.grants.pay(1, ADMIN)
    event = tx.events["Granted"]
    assert (event["start"], event["end"], event["fee"]) == (now, START + YEAR, FEE)
    assert event["requestId"] == 1
    split_id = protocol.split_id(PAYS)
    assert tuple(tx.events["PaidIn"].values()) == (PLATFORM_ADMIN, split_id, FEE)
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 93 * DOLLAR
    assert escrow(protocol, platform) == before
    assert protocol.vault.receivedOf(split_id) == FEE
    check_books(protocol)
    assert protocol.grants.covers(licence, GENERATIVE, platform, MODEL, now, now + 1)


def test_requests_are_numbered_and_each_its_own(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    found = [ask(protocol, platform, licence, fee=fee).return_value for fee in (0, FEE, FEE)]
    assert found == [1, 2, 3]
    approve(protocol, 2, OWNER)
    for other in (1, 3):
        with refused("RequestNotApproved", other):
            protocol.grants.pay(other, ADMIN)
    protocol.grants.pay(2, ADMIN)


def test_a_grant_may_be_negotiated_where_it_is_also_sold(
    protocol: DeployedProtocol, platform: int
) -> None:
    license_id = protocol.license(offer(0), PAYS)
    request_id = ask(protocol, platform, license_id, fee=1).return_value
    approve(protocol, request_id, OWNER)
    protocol.grants.pay(request_id, ADMIN)
    assert protocol.vault.receivedOf(protocol.split_id(PAYS)) == 1


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_only_the_admin_asks_and_pays_for_a_platform(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    approve(protocol, request_id, OWNER)
    for account in (STRANGER, REPORTER, ARTIST):
        with refused("NotPlatformAdmin", platform, account):
            ask(protocol, platform, licence, sender={"from": account})
        with refused("NotPlatformAdmin", platform, account):
            protocol.grants.pay(request_id, {"from": account})


def test_nothing_is_asked_that_could_not_be_granted(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    with refused("NoConsent", licence, int(Tier.VOICE)):
        ask(protocol, platform, licence, tier=int(Tier.VOICE))
    open_to_all = protocol.license()
    with refused("GrantNotRequired", open_to_all, GENERATIVE):
        ask(protocol, platform, open_to_all)
    bound = protocol.license(offer(Flag.GRANT_APPROVAL | Flag.MODEL_BOUND), PAYS)
    with refused("ModelMissing", bound, GENERATIVE):
        ask(protocol, platform, bound, model=bytes(32))
    assert protocol.grants.requestCount() == 0


# ---- approving ------------------------------------------------------------------------------------------------------


def test_an_operator_approves(protocol: DeployedProtocol, request_id: int) -> None:
    protocol.registry.setApprovalForAll(SOCIETY, True, OWNER)
    tx = approve(protocol, request_id, {"from": SOCIETY})
    assert tx.events["GrantApproved"]["licensor"] == SOCIETY
    protocol.grants.pay(request_id, ADMIN)


def test_nobody_else_approves(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    protocol.registry.approve(SOCIETY, licence, OWNER)
    for account in (STRANGER, PLATFORM_ADMIN, SOCIETY):
        with refused("NotLicensor", licence, account):
            approve(protocol, request_id, {"from": account})
    message = approval(protocol, platform, licence, account=STRANGER)
    with refused("NotLicensor", licence, STRANGER):
        relay(protocol, request_id, message)
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, request_id, approval(protocol, platform, licence), STRANGER)


def agreed(protocol: DeployedProtocol, platform: int, licence: int, **changes: Any) -> bytes:
    """The digest of the request for seven dollars, or of another."""
    fields: dict[str, Any] = {
        "license_id": licence,
        "document": DOCUMENT,
        "tier": Tier.GENERATIVE,
        "platform_id": platform,
        "platform_admin": PLATFORM_ADMIN,
        "model_id": MODEL,
        "fee": FEE,
    }
    return request_digest(**{**fields, **changes})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license_id", 2),
        ("document", NEW),
        ("tier", Tier.STYLE),
        ("platform_id", 2),
        ("platform_admin", RIVAL_ADMIN),
        ("model_id", bytes(32)),
        ("fee", FEE - 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_approval_is_for_what_was_asked(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int, field: str, value: Any
) -> None:
    current = agreed(protocol, platform, licence)
    assert "0x" + current.hex() == str(protocol.grants.requestDigest(request_id))
    other = agreed(protocol, platform, licence, **{field: value})
    with refused("RequestMismatch", request_id, current, other):
        protocol.grants.approve(request_id, other, OWNER)
    protocol.grants.approve(request_id, current, OWNER)


def test_an_approval_is_withdrawn_until_it_is_paid(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    with refused("NothingToWithdraw", request_id):
        protocol.grants.withdrawApproval(request_id, OWNER)
    approve(protocol, request_id, OWNER)
    for account in (STRANGER, PLATFORM_ADMIN):
        with refused("NotLicensor", licence, account):
            protocol.grants.withdrawApproval(request_id, {"from": account})
    tx = protocol.grants.withdrawApproval(request_id, OWNER)
    assert dict(tx.events["ApprovalWithdrawn"]) == {
        "requestId": request_id,
        "licenseId": licence,
        "licensor": ARTIST,
    }
    with refused("RequestNotApproved", request_id):
        protocol.grants.pay(request_id, ADMIN)
    with refused("NothingToWithdraw", request_id):
        protocol.grants.withdrawApproval(request_id, OWNER)
    # Approved again, it is paid; then it is too late.
    approve(protocol, request_id, OWNER)
    protocol.grants.pay(request_id, ADMIN)
    with refused("RequestClosed", request_id):
        protocol.grants.withdrawApproval(request_id, OWNER)


def test_anyone_relays_the_licensors_signature(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    message = approval(protocol, platform, licence)
    tx = relay(protocol, request_id, message)
    assert tx.events["GrantApproved"]["licensor"] == ARTIST
    assert protocol.grants.isNonceUsed(ARTIST, message.nonce)
    protocol.grants.pay(request_id, ADMIN)


def test_a_wallet_that_owns_the_licence_approves_with_its_key(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    wallet = deploy("TestWallet", LABEL)
    protocol.registry.transferFrom(ARTIST, wallet, licence, OWNER)
    message = approval(protocol, platform, licence, account=wallet.address)
    relay(protocol, request_id, message, LABEL)
    protocol.grants.pay(request_id, ADMIN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license_id", 2),
        ("tier", Tier.STYLE),
        ("platform_id", 2),
        ("platform_admin", RIVAL_ADMIN),
        ("model_id", bytes(32)),
        ("fee", FEE - 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_signature_is_for_what_was_asked(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int, field: str, value: Any
) -> None:
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, request_id, approval(protocol, platform, licence, **{field: value}))


def test_a_signature_is_for_the_admin_who_asked(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    message = approval(protocol, platform, licence)
    protocol.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    protocol.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, request_id, message)


def test_a_signature_approves_once(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    message = approval(protocol, platform, licence)
    relay(protocol, request_id, message)
    again = ask(protocol, platform, licence).return_value
    with refused("NonceUsed", ARTIST, message.nonce):
        relay(protocol, again, message)


def test_a_signed_approval_has_a_deadline_and_can_be_withdrawn(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    now = protocol.now() + 1_000
    late = approval(protocol, platform, licence, deadline=now - 1)
    next_at(now)
    with refused("SignatureExpired", ARTIST, now - 1):
        relay(protocol, request_id, late)
    cancelled = approval(protocol, platform, licence)
    protocol.grants.cancelNonce(cancelled.nonce, OWNER)
    with refused("NonceUsed", ARTIST, cancelled.nonce):
        relay(protocol, request_id, cancelled)
    now += 1_000
    in_time = approval(protocol, platform, licence, deadline=now)
    next_at(now)
    relay(protocol, request_id, in_time)


def test_a_signature_about_another_document_is_refused(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    message = approval(protocol, platform, licence, current_document=NEW)
    with refused("DocumentMismatch", licence, DOCUMENT, NEW):
        relay(protocol, request_id, message)


# ---- paying ---------------------------------------------------------------------------------------------------------


def test_an_approval_ends_where_the_document_changes(
    protocol: DeployedProtocol, platform: int, licence: int, request_id: int
) -> None:
    approve(protocol, request_id, OWNER)
    protocol.registry.amend(licence, offer().digest(), NEW, OWNER)
    with refused("DocumentMismatch", licence, NEW, DOCUMENT):
        protocol.grants.pay(request_id, ADMIN)
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    # Approved again, it holds.
    approve(protocol, request_id, OWNER)
    protocol.grants.pay(request_id, ADMIN)


def test_an_approval_ends_in_the_second_an_amendment_takes_effect(
    protocol: DeployedProtocol, licence: int, request_id: int
) -> None:
    dearer = offer(cap=1)
    protocol.intern_terms(dearer)
    protocol.registry.amend(licence, dearer.digest(), NEW, OWNER)
    approve(protocol, request_id, OWNER)
    next_at(START + YEAR)
    with refused("DocumentMismatch", licence, NEW, DOCUMENT):
        protocol.grants.pay(request_id, ADMIN)


def test_a_request_is_paid_once(protocol: DeployedProtocol, request_id: int) -> None:
    approve(protocol, request_id, OWNER)
    protocol.grants.pay(request_id, ADMIN)
    with refused("RequestClosed", request_id):
        protocol.grants.pay(request_id, ADMIN)
    with refused("RequestClosed", request_id):
        approve(protocol, request_id, OWNER)


def test_a_request_that_nobody_made_is_unknown(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    for unknown in (0, 1):
        with refused("UnknownRequest", unknown):
            protocol.grants.approve(unknown, bytes(32), OWNER)
        with refused("UnknownRequest", unknown):
            protocol.grants.requestDigest(unknown)
        with refused("UnknownRequest", unknown):
            protocol.grants.withdrawApproval(unknown, OWNER)
        with refused("UnknownRequest", unknown):
            protocol.grants.pay(unknown, ADMIN)
        with refused("UnknownRequest", unknown):
            relay(protocol, unknown, approval(protocol, platform, licence))


def test_consent_is_asked_for_again_when_paying(
    protocol: DeployedProtocol, licence: int, request_id: int
) -> None:
    approve(protocol, request_id, OWNER)
    protocol.registry.revoke(licence, OWNER)
    next_at(START + YEAR)
    with refused("NoConsent", licence, GENERATIVE):
        protocol.grants.pay(request_id, ADMIN)


def test_an_admin_one_unit_short_pays_nothing_and_the_request_stays_open(
    protocol: DeployedProtocol, licence: int
) -> None:
    poor = protocol.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    protocol.fund_account(RIVAL_ADMIN, FEE - 1)
    request_id = ask(protocol, poor, licence, sender=sender).return_value
    approve(protocol, request_id, OWNER)
    with refused("ERC20InsufficientBalance", RIVAL_ADMIN, FEE - 1, FEE):
        protocol.grants.pay(request_id, sender)
    protocol.fund_account(RIVAL_ADMIN, 1)
    protocol.grants.pay(request_id, sender)
    assert protocol.vault.receivedOf(protocol.split_id(PAYS)) == FEE


def test_a_free_request_asks_for_no_money(protocol: DeployedProtocol, licence: int) -> None:
    poor = protocol.platform(0, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    protocol.token.approve(protocol.vault, 0, sender)
    request_id = ask(protocol, poor, licence, fee=0, sender=sender).return_value
    approve(protocol, request_id, OWNER)
    assert "PaidIn" not in protocol.grants.pay(request_id, sender).events
