"""Grants that a licensor approves one by one: ask, approve through three doors, pay."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.rules.terms import RateCard, Terms
from obbligato.typed_data import ApproveGrant
from obbligato.words import NOT_OFFERED, Flag, Tier
from tests.contracts.contest import check_books, escrow
from tests.contracts.house import (
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
    House,
    refused,
    split,
    terms,
)
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import next_at

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
def platform(house: House) -> int:
    """A platform whose admin has a hundred dollars."""
    registered = house.platform()
    house.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(house: House, platform: int) -> int:
    next_at(START)
    return house.license(offer(), PAYS, document=DOCUMENT)


@pytest.fixture
def request_id(house: House, platform: int, licence: int) -> int:
    """The platform's request for seven dollars."""
    return int(ask(house, platform, licence).return_value)


def ask(
    house: House,
    platform: int,
    license_id: int,
    *,
    model: bytes = MODEL,
    tier: int = GENERATIVE,
    fee: int = FEE,
    sender: dict[str, str] = ADMIN,
) -> Any:
    return house.grants.ask(platform, license_id, tier, model, fee, sender)


def approval(house: House, platform: int, one: int, **changes: Any) -> ApproveGrant:
    """What a licensor signs: the request in full, not its id."""
    fields = {
        "account": ARTIST,
        "license_id": one,
        "current_document": document_of(house, one),
        "tier": Tier.GENERATIVE,
        "platform_id": platform,
        "platform_admin": PLATFORM_ADMIN,
        "model_id": MODEL,
        "fee": FEE,
        "nonce": next(house.nonces),
        "deadline": house.deadline(),
    }
    return ApproveGrant(**{**fields, **changes})


def relay(house: House, request_id: int, message: ApproveGrant, by: str | None = None) -> Any:
    return house.grants.approveBySignature(
        request_id, message.current_document, house.signed(message, by), {"from": RELAY}
    )


# ---- the whole way --------------------------------------------------------------------------------------------------


def test_what_is_asked_approved_and_paid_is_granted(
    house: House, platform: int, licence: int
) -> None:
    tx = ask(house, platform, licence)
    assert dict(tx.events["GrantAsked"]) == {
        "requestId": 1,
        "licenseId": licence,
        "platformId": platform,
        "tier": GENERATIVE,
        "modelId": "0x" + MODEL.hex(),
        "fee": FEE,
    }
    assert house.grants.requestCount() == 1
    tx = house.grants.approve(1, OWNER)
    assert dict(tx.events["GrantApproved"]) == {
        "requestId": 1,
        "licenseId": licence,
        "licensor": ARTIST,
    }
    # Nothing is paid or granted before the platform pays.
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    now = START + 50 * DAY
    next_at(now)
    before = escrow(house, platform)
    tx = house.grants.pay(1, ADMIN)
    event = tx.events["Granted"]
    assert (event["start"], event["end"], event["fee"]) == (now, now + YEAR, FEE)
    split_id = house.split_id(PAYS)
    assert tuple(tx.events["PaidIn"].values()) == (PLATFORM_ADMIN, split_id, FEE)
    assert house.token.balanceOf(PLATFORM_ADMIN) == 93 * DOLLAR
    assert escrow(house, platform) == before
    assert house.vault.receivedOf(split_id) == FEE
    check_books(house)
    assert house.grants.covers(licence, GENERATIVE, platform, MODEL, now, now + 1)


def test_requests_are_numbered_and_each_its_own(house: House, platform: int, licence: int) -> None:
    found = [ask(house, platform, licence, fee=fee).return_value for fee in (0, FEE, FEE)]
    assert found == [1, 2, 3]
    house.grants.approve(2, OWNER)
    for other in (1, 3):
        with refused("RequestNotApproved", other):
            house.grants.pay(other, ADMIN)
    house.grants.pay(2, ADMIN)


def test_a_grant_may_be_negotiated_where_it_is_also_sold(house: House, platform: int) -> None:
    license_id = house.license(offer(0), PAYS)
    request_id = ask(house, platform, license_id, fee=1).return_value
    house.grants.approve(request_id, OWNER)
    house.grants.pay(request_id, ADMIN)
    assert house.vault.receivedOf(house.split_id(PAYS)) == 1


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_only_the_admin_asks_and_pays_for_a_platform(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    house.grants.approve(request_id, OWNER)
    for account in (STRANGER, REPORTER, ARTIST):
        with refused("NotPlatformAdmin", platform, account):
            ask(house, platform, licence, sender={"from": account})
        with refused("NotPlatformAdmin", platform, account):
            house.grants.pay(request_id, {"from": account})


def test_nothing_is_asked_that_could_not_be_granted(
    house: House, platform: int, licence: int
) -> None:
    with refused("NoConsent", licence, int(Tier.VOICE)):
        ask(house, platform, licence, tier=int(Tier.VOICE))
    open_to_all = house.license()
    with refused("GrantNotRequired", open_to_all, GENERATIVE):
        ask(house, platform, open_to_all)
    bound = house.license(offer(Flag.GRANT_APPROVAL | Flag.MODEL_BOUND), PAYS)
    with refused("ModelMissing", bound, GENERATIVE):
        ask(house, platform, bound, model=bytes(32))
    assert house.grants.requestCount() == 0


# ---- approving ------------------------------------------------------------------------------------------------------


def test_an_operator_approves(house: House, request_id: int) -> None:
    house.registry.setApprovalForAll(SOCIETY, True, OWNER)
    tx = house.grants.approve(request_id, {"from": SOCIETY})
    assert tx.events["GrantApproved"]["licensor"] == SOCIETY
    house.grants.pay(request_id, ADMIN)


def test_nobody_else_approves(house: House, platform: int, licence: int, request_id: int) -> None:
    house.registry.approve(SOCIETY, licence, OWNER)
    for account in (STRANGER, PLATFORM_ADMIN, SOCIETY):
        with refused("NotLicensor", licence, account):
            house.grants.approve(request_id, {"from": account})
    message = approval(house, platform, licence, account=STRANGER)
    with refused("NotLicensor", licence, STRANGER):
        relay(house, request_id, message)
    with refused("SignatureInvalid", ARTIST):
        relay(house, request_id, approval(house, platform, licence), STRANGER)


def test_anyone_relays_the_licensors_signature(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    message = approval(house, platform, licence)
    tx = relay(house, request_id, message)
    assert tx.events["GrantApproved"]["licensor"] == ARTIST
    assert house.grants.isNonceUsed(ARTIST, message.nonce)
    house.grants.pay(request_id, ADMIN)


def test_a_wallet_that_owns_the_licence_approves_with_its_key(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    wallet = deploy("TestWallet", LABEL)
    house.registry.transferFrom(ARTIST, wallet, licence, OWNER)
    message = approval(house, platform, licence, account=wallet.address)
    relay(house, request_id, message, LABEL)
    house.grants.pay(request_id, ADMIN)


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
    house: House, platform: int, licence: int, request_id: int, field: str, value: Any
) -> None:
    with refused("SignatureInvalid", ARTIST):
        relay(house, request_id, approval(house, platform, licence, **{field: value}))


def test_a_signature_is_for_the_admin_who_asked(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    message = approval(house, platform, licence)
    house.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    house.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    with refused("SignatureInvalid", ARTIST):
        relay(house, request_id, message)


def test_a_signature_approves_once(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    message = approval(house, platform, licence)
    relay(house, request_id, message)
    again = ask(house, platform, licence).return_value
    with refused("NonceUsed", ARTIST, message.nonce):
        relay(house, again, message)


def test_a_signed_approval_has_a_deadline_and_can_be_withdrawn(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    now = house.now() + 1_000
    late = approval(house, platform, licence, deadline=now - 1)
    next_at(now)
    with refused("SignatureExpired", ARTIST, now - 1):
        relay(house, request_id, late)
    cancelled = approval(house, platform, licence)
    house.grants.cancelNonce(cancelled.nonce, OWNER)
    with refused("NonceUsed", ARTIST, cancelled.nonce):
        relay(house, request_id, cancelled)
    now += 1_000
    in_time = approval(house, platform, licence, deadline=now)
    next_at(now)
    relay(house, request_id, in_time)


def test_a_signature_about_another_document_is_refused(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    message = approval(house, platform, licence, current_document=NEW)
    with refused("DocumentMismatch", licence, DOCUMENT, NEW):
        relay(house, request_id, message)


# ---- paying ---------------------------------------------------------------------------------------------------------


def test_an_approval_ends_where_the_document_changes(
    house: House, platform: int, licence: int, request_id: int
) -> None:
    house.grants.approve(request_id, OWNER)
    house.registry.amend(licence, offer().digest(), NEW, OWNER)
    with refused("DocumentMismatch", licence, NEW, DOCUMENT):
        house.grants.pay(request_id, ADMIN)
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    # Approved again, it holds.
    house.grants.approve(request_id, OWNER)
    house.grants.pay(request_id, ADMIN)


def test_an_approval_ends_in_the_second_an_amendment_takes_effect(
    house: House, licence: int, request_id: int
) -> None:
    dearer = offer(cap=1)
    house.intern_terms(dearer)
    house.registry.amend(licence, dearer.digest(), NEW, OWNER)
    house.grants.approve(request_id, OWNER)
    next_at(START + YEAR)
    with refused("DocumentMismatch", licence, NEW, DOCUMENT):
        house.grants.pay(request_id, ADMIN)


def test_a_request_is_paid_once(house: House, request_id: int) -> None:
    house.grants.approve(request_id, OWNER)
    house.grants.pay(request_id, ADMIN)
    with refused("RequestClosed", request_id):
        house.grants.pay(request_id, ADMIN)
    with refused("RequestClosed", request_id):
        house.grants.approve(request_id, OWNER)


def test_a_request_that_nobody_made_is_unknown(house: House, platform: int, licence: int) -> None:
    for unknown in (0, 1):
        with refused("UnknownRequest", unknown):
            house.grants.approve(unknown, OWNER)
        with refused("UnknownRequest", unknown):
            house.grants.pay(unknown, ADMIN)
        with refused("UnknownRequest", unknown):
            relay(house, unknown, approval(house, platform, licence))


def test_consent_is_asked_for_again_when_paying(
    house: House, licence: int, request_id: int
) -> None:
    house.grants.approve(request_id, OWNER)
    house.registry.revoke(licence, OWNER)
    next_at(START + YEAR)
    with refused("NoConsent", licence, GENERATIVE):
        house.grants.pay(request_id, ADMIN)


def test_an_admin_one_unit_short_pays_nothing_and_the_request_stays_open(
    house: House, licence: int
) -> None:
    poor = house.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    house.fund_account(RIVAL_ADMIN, FEE - 1)
    request_id = ask(house, poor, licence, sender=sender).return_value
    house.grants.approve(request_id, OWNER)
    with refused("ERC20InsufficientBalance", RIVAL_ADMIN, FEE - 1, FEE):
        house.grants.pay(request_id, sender)
    house.fund_account(RIVAL_ADMIN, 1)
    house.grants.pay(request_id, sender)
    assert house.vault.receivedOf(house.split_id(PAYS)) == FEE


def test_a_free_request_asks_for_no_money(house: House, licence: int) -> None:
    poor = house.platform(0, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    house.token.approve(house.vault, 0, sender)
    request_id = ask(house, poor, licence, fee=0, sender=sender).return_value
    house.grants.approve(request_id, OWNER)
    assert "PaidIn" not in house.grants.pay(request_id, sender).events
