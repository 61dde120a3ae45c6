"""Three doors to every act on a licence: its owner, an operator for all, a signature. Nobody else gets in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.eip712 import Message
from obbligato.rules.splits import Split
from obbligato.typed_data import Amend, ApproveOperator, ChangeSplit, Reinstate, Revoke
from tests.contracts.house import (
    ARTIST,
    DOCUMENT,
    LABEL,
    RELAY,
    SOCIETY,
    STRANGER,
    House,
    raw_split,
    refused,
    split,
    terms,
)
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import mine_at, next_at

NEW = keccak(b"new document")
OFFER = terms(cap=5)
PAID = split((LABEL, 1_000_000))
"""Whom every licence here pays: not its owner, so that no act needs a payee's consent."""


@dataclass(frozen=True)
class Act:
    """One act, through the direct door and as the message and call of the signed one."""

    name: str
    direct: Callable[[House, int, dict[str, Any]], Any]
    message: Callable[..., Message]
    relayed: Callable[[House, Any, tuple[Any, ...]], Any]
    revoked: bool = False
    """Whether it is done to a revoked licence."""

    def __str__(self) -> str:
        return self.name


def _amend(house: House, license_id: int, sender: dict[str, Any]) -> Any:
    return house.registry.amend(license_id, OFFER.digest(), NEW, sender)


def _amend_message(**who: Any) -> Message:
    return Amend(terms=OFFER.digest(), document=NEW, **who)


def _relay_amend(house: House, m: Amend, signed: tuple[Any, ...]) -> Any:
    return house.registry.amendBySignature(
        m.license_id, m.current_document, m.terms, m.document, signed, {"from": RELAY}
    )


def _relay_revoke(house: House, m: Revoke, signed: tuple[Any, ...]) -> Any:
    return house.registry.revokeBySignature(
        m.license_id, m.current_document, signed, {"from": RELAY}
    )


def _relay_reinstate(house: House, m: Reinstate, signed: tuple[Any, ...]) -> Any:
    return house.registry.reinstateBySignature(
        m.license_id, m.current_document, signed, {"from": RELAY}
    )


def _change_split(house: House, license_id: int, sender: dict[str, Any]) -> Any:
    return house.registry.changeSplit(license_id, raw_split(PAID), raw_split(PAID), [], sender)


def _change_split_message(**who: Any) -> Message:
    return ChangeSplit(from_split=PAID.digest(), to_split=PAID.digest(), **who)


def _relay_change_split(house: House, m: ChangeSplit, signed: tuple[Any, ...]) -> Any:
    return house.registry.changeSplitBySignature(
        m.license_id,
        m.current_document,
        raw_split(PAID),
        raw_split(PAID),
        [],
        signed,
        {"from": RELAY},
    )


ACTS = [
    Act("amend", _amend, _amend_message, _relay_amend),
    Act("revoke", lambda h, i, s: h.registry.revoke(i, s), Revoke, _relay_revoke),
    Act(
        "reinstate",
        lambda h, i, s: h.registry.reinstate(i, s),
        Reinstate,
        _relay_reinstate,
        revoked=True,
    ),
    Act("change split", _change_split, _change_split_message, _relay_change_split),
]
every_act = pytest.mark.parametrize("act", ACTS, ids=str)


@pytest.fixture(scope="module", autouse=True)
def offer(house: House) -> None:
    house.intern_terms(OFFER)


def licence(
    house: House, act: Act | None = None, owner: str = ARTIST, pays: Split = PAID, **named: Any
) -> int:
    """A licence that the act may be done to."""
    license_id = house.license(terms(), pays, owner=owner, **named)
    if act is not None and act.revoked:
        house.registry.revoke(license_id, {"from": owner})
    return license_id


def signed_act(
    house: House, act: Act, license_id: int, account: str = ARTIST, **changes: Any
) -> Any:
    """The message of an act on a licence as it stands."""
    fields = {
        "account": account,
        "license_id": license_id,
        "current_document": document_of(house, license_id),
        "nonce": next(house.nonces),
        "deadline": house.deadline(),
    }
    return act.message(**{**fields, **changes})


def relay(house: House, act: Act, message: Any, by: str | None = None) -> Any:
    return act.relayed(house, message, house.signed(message, by))


# ---- who gets in ----------------------------------------------------------------------------------------------------


@every_act
def test_the_owner_acts(house: House, act: Act) -> None:
    act.direct(house, licence(house, act), {"from": ARTIST})


@every_act
def test_an_operator_for_all_acts(house: House, act: Act) -> None:
    license_id = licence(house, act)
    house.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    act.direct(house, license_id, {"from": SOCIETY})


@every_act
def test_anyone_relays_the_owners_signature(house: House, act: Act) -> None:
    license_id = licence(house, act)
    message = signed_act(house, act, license_id)
    tx = relay(house, act, message)
    assert dict(tx.events["NonceConsumed"]) == {"account": ARTIST, "nonce": message.nonce}
    with refused("NonceUsed", ARTIST, message.nonce):
        relay(house, act, message)


@every_act
def test_an_operators_signature_counts_as_the_operator(house: House, act: Act) -> None:
    license_id = licence(house, act)
    message = signed_act(house, act, license_id, SOCIETY)
    with refused("NotLicensor", license_id, SOCIETY):
        relay(house, act, message)
    house.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    relay(house, act, message)


@every_act
def test_a_wallet_that_owns_a_licence_signs_with_its_key(house: House, act: Act) -> None:
    license_id = licence(house, act)
    wallet = deploy("TestWallet", SOCIETY)
    house.registry.transferFrom(ARTIST, wallet, license_id, {"from": ARTIST})
    message = signed_act(house, act, license_id, wallet.address)
    with refused("SignatureInvalid", wallet.address):
        relay(house, act, message, ARTIST)
    relay(house, act, message, SOCIETY)


def test_an_operator_is_approved_and_dismissed_by_signature(house: House) -> None:
    license_id = licence(house)
    for approved, nonce in ((True, 1), (False, 2)):
        message = ApproveOperator(
            account=ARTIST,
            operator=SOCIETY,
            approved=approved,
            nonce=nonce,
            deadline=house.deadline(),
        )
        tx = house.registry.approveOperatorBySignature(
            SOCIETY, approved, house.signed(message), {"from": RELAY}
        )
        event = tx.events["ApprovalForAll"]
        assert (event["owner"], event["operator"]) == (ARTIST, SOCIETY)
        assert event["approved"] is approved
        assert house.registry.isApprovedForAll(ARTIST, SOCIETY) is approved
        assert house.registry.isLicensor(license_id, SOCIETY) is approved
    with refused("NonceUsed", ARTIST, 2):
        house.registry.approveOperatorBySignature(
            SOCIETY, False, house.signed(message), {"from": RELAY}
        )


def test_an_operators_approval_covers_the_operator_and_the_answer(house: House) -> None:
    message = ApproveOperator(
        account=ARTIST, operator=SOCIETY, approved=False, nonce=1, deadline=house.deadline()
    )
    for operator, approved in ((SOCIETY, True), (STRANGER, False)):
        with refused("SignatureInvalid", ARTIST):
            house.registry.approveOperatorBySignature(
                operator, approved, house.signed(message), {"from": RELAY}
            )
    nobody = message.model_copy(update={"operator": "0x" + "00" * 20})
    with refused("ERC721InvalidOperator"):
        house.registry.approveOperatorBySignature(
            nobody.operator, False, house.signed(nobody), {"from": RELAY}
        )


# ---- who does not ---------------------------------------------------------------------------------------------------


@every_act
def test_a_stranger_does_not_act(house: House, act: Act) -> None:
    license_id = licence(house, act)
    for account in (STRANGER, LABEL, RELAY):
        with refused("NotLicensor", license_id, account):
            act.direct(house, license_id, {"from": account})
    with refused("NotLicensor", license_id, STRANGER):
        relay(house, act, signed_act(house, act, license_id, STRANGER))
    with refused("SignatureInvalid", ARTIST):
        relay(house, act, signed_act(house, act, license_id), STRANGER)


@every_act
def test_an_artist_does_not_touch_anothers_licence(house: House, act: Act) -> None:
    mine, theirs = licence(house, act), licence(house, act, LABEL)
    act.direct(house, mine, {"from": ARTIST})
    with refused("NotLicensor", theirs, ARTIST):
        act.direct(house, theirs, {"from": ARTIST})
    with refused("NotLicensor", theirs, ARTIST):
        relay(house, act, signed_act(house, act, theirs, ARTIST))


@every_act
def test_approval_for_one_token_moves_it_and_does_not_control_its_terms(
    house: House, act: Act
) -> None:
    license_id = licence(house, act)
    house.registry.approve(SOCIETY, license_id, {"from": ARTIST})
    assert not house.registry.isLicensor(license_id, SOCIETY)
    with refused("NotLicensor", license_id, SOCIETY):
        act.direct(house, license_id, {"from": SOCIETY})
    with refused("NotLicensor", license_id, SOCIETY):
        relay(house, act, signed_act(house, act, license_id, SOCIETY))
    house.registry.transferFrom(ARTIST, SOCIETY, license_id, {"from": SOCIETY})
    act.direct(house, license_id, {"from": SOCIETY})


@every_act
def test_after_a_transfer_the_new_owner_acts_and_the_old_one_no_longer(
    house: House, act: Act
) -> None:
    license_id = licence(house, act)
    house.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    before = signed_act(house, act, license_id)
    house.registry.transferFrom(ARTIST, LABEL, license_id, {"from": ARTIST})
    for account in (ARTIST, SOCIETY):
        assert not house.registry.isLicensor(license_id, account)
        with refused("NotLicensor", license_id, account):
            act.direct(house, license_id, {"from": account})
    with refused("NotLicensor", license_id, ARTIST):
        relay(house, act, before)
    assert house.registry.isLicensor(license_id, LABEL)
    act.direct(house, license_id, {"from": LABEL})


# ---- what a signature is about --------------------------------------------------------------------------------------


@every_act
def test_a_signature_is_about_one_licence_even_if_a_reorg_gives_its_id_to_another(
    house: House, act: Act
) -> None:
    license_id = licence(house, act)
    current, other = document_of(house, license_id), keccak(b"the document that was at this id")
    message = signed_act(house, act, license_id, current_document=other)
    with refused("DocumentMismatch", license_id, current, other):
        relay(house, act, message)


@every_act
def test_a_signature_about_an_older_document_is_refused(house: House, act: Act) -> None:
    license_id = licence(house, document=DOCUMENT)
    message = signed_act(house, act, license_id)
    house.registry.amend(license_id, terms().digest(), NEW, {"from": ARTIST})
    with refused("DocumentMismatch", license_id, NEW, DOCUMENT):
        relay(house, act, message)


def test_a_signature_is_outdated_in_the_second_an_amendment_takes_effect(house: House) -> None:
    license_id = licence(house, document=DOCUMENT)
    act = ACTS[1]
    message = signed_act(house, act, license_id)
    house.registry.amend(license_id, OFFER.digest(), NEW, {"from": ARTIST})
    end = house.registry.termEndOf(license_id)
    mine_at(end)
    with refused("DocumentMismatch", license_id, NEW, DOCUMENT):
        relay(house, act, message)


@every_act
def test_a_signature_covers_the_licence_and_everything_beside_it(house: House, act: Act) -> None:
    license_id = licence(house, act)
    message = signed_act(house, act, license_id)
    signature = house.sign(message)
    for name, value in (("nonce", 99), ("deadline", message.deadline - 1)):
        changed = message.model_copy(update={name: value})
        signed = (changed.account, changed.nonce, changed.deadline, signature)
        with refused("SignatureInvalid", ARTIST):
            act.relayed(house, changed, signed)
    for name, value in (("license_id", license_id + 1), ("current_document", NEW)):
        changed = message.model_copy(update={name: value})
        with refused("SignatureInvalid", ARTIST):
            act.relayed(house, changed, house.signed(message))


def test_a_signed_amendment_covers_its_terms_and_document(house: House) -> None:
    license_id = licence(house)
    act = ACTS[0]
    message = signed_act(house, act, license_id)
    for name, value in (("terms", terms().digest()), ("document", DOCUMENT)):
        changed = message.model_copy(update={name: value})
        with refused("SignatureInvalid", ARTIST):
            act.relayed(house, changed, house.signed(message))


def test_a_revocation_is_no_reinstatement(house: House) -> None:
    license_id = licence(house)
    message = signed_act(house, ACTS[1], license_id)
    with refused("SignatureInvalid", ARTIST):
        ACTS[2].relayed(house, message, house.signed(message))
    relay(house, ACTS[1], message)


def test_one_nonce_is_good_for_one_act_of_any_kind(house: House) -> None:
    license_id = licence(house)
    relay(house, ACTS[1], signed_act(house, ACTS[1], license_id, nonce=500))
    with refused("NonceUsed", ARTIST, 500):
        relay(house, ACTS[2], signed_act(house, ACTS[2], license_id, nonce=500))


@every_act
def test_a_signature_has_a_deadline(house: House, act: Act) -> None:
    license_id = licence(house, act)
    moment = house.now() + 100
    late = signed_act(house, act, license_id, deadline=moment - 1)
    next_at(moment)
    with refused("SignatureExpired", ARTIST, moment - 1):
        relay(house, act, late)
    moment += 100
    in_time = signed_act(house, act, license_id, deadline=moment)
    next_at(moment)
    relay(house, act, in_time)


@every_act
def test_a_licence_that_does_not_exist_has_no_licensor(house: House, act: Act) -> None:
    message = signed_act(house, act, 77)
    with refused("UnknownLicense", 77):
        relay(house, act, message)
    with refused("UnknownLicense", 77):
        act.direct(house, 77, {"from": ARTIST})
