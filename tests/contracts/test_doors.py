"""Three doors to every act on a licence: its owner, an operator for all, a signature. Nobody else gets in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.eip712 import Message
from obbligato.protocol.splits import Split
from obbligato.protocol.typed_data import Amend, ApproveOperator, ChangeSplit, Reinstate, Revoke
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARTIST,
    DOCUMENT,
    LABEL,
    RELAY,
    SOCIETY,
    STRANGER,
    DeployedProtocol,
    raw_split,
    refused,
    split,
    terms,
)

NEW = keccak(b"new document")
OFFER = terms(cap=5)
PAID = split((LABEL, 1_000_000))
"""Whom every licence here pays: not its owner, so that no act needs a payee's consent."""


@dataclass(frozen=True)
class Act:
    """One act, through the direct door and as the message and call of the signed one."""

    name: str
    direct: Callable[[DeployedProtocol, int, dict[str, Any]], Any]
    message: Callable[..., Message]
    relayed: Callable[[DeployedProtocol, Any, tuple[Any, ...]], Any]
    revoked: bool = False
    """Whether it is done to a revoked licence."""

    def __str__(self) -> str:
        return self.name


def _amend(protocol: DeployedProtocol, license_id: int, sender: dict[str, Any]) -> Any:
    return protocol.registry.amend(license_id, OFFER.digest(), NEW, sender)


def _amend_message(**who: Any) -> Message:
    return Amend(terms=OFFER, document=NEW, **who)


def _relay_amend(protocol: DeployedProtocol, m: Amend, signed: tuple[Any, ...]) -> Any:
    return protocol.registry.amendBySignature(
        m.license_id, m.current_document, m.terms.digest(), m.document, signed, {"from": RELAY}
    )


def _relay_revoke(protocol: DeployedProtocol, m: Revoke, signed: tuple[Any, ...]) -> Any:
    return protocol.registry.revokeBySignature(
        m.license_id, m.current_document, signed, {"from": RELAY}
    )


def _relay_reinstate(protocol: DeployedProtocol, m: Reinstate, signed: tuple[Any, ...]) -> Any:
    return protocol.registry.reinstateBySignature(
        m.license_id, m.current_document, signed, {"from": RELAY}
    )


def _change_split(protocol: DeployedProtocol, license_id: int, sender: dict[str, Any]) -> Any:
    return protocol.registry.changeSplit(license_id, raw_split(PAID), raw_split(PAID), [], sender)


def _change_split_message(**who: Any) -> Message:
    return ChangeSplit(from_split=PAID, to_split=PAID, **who)


def _relay_change_split(protocol: DeployedProtocol, m: ChangeSplit, signed: tuple[Any, ...]) -> Any:
    return protocol.registry.changeSplitBySignature(
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
def offer(protocol: DeployedProtocol) -> None:
    protocol.intern_terms(OFFER)


def licence(
    protocol: DeployedProtocol,
    act: Act | None = None,
    owner: str = ARTIST,
    pays: Split = PAID,
    **named: Any,
) -> int:
    """A licence that the act may be done to."""
    license_id = protocol.license(terms(), pays, owner=owner, **named)
    if act is not None and act.revoked:
        protocol.registry.revoke(license_id, {"from": owner})
    return license_id


def signed_act(
    protocol: DeployedProtocol, act: Act, license_id: int, account: str = ARTIST, **changes: Any
) -> Any:
    """The message of an act on a licence as it stands."""
    fields = {
        "account": account,
        "license_id": license_id,
        "current_document": document_of(protocol, license_id),
        "nonce": next(protocol.nonces),
        "deadline": protocol.deadline(),
    }
    return act.message(**{**fields, **changes})


def relay(protocol: DeployedProtocol, act: Act, message: Any, by: str | None = None) -> Any:
    return act.relayed(protocol, message, protocol.signed(message, by))


# ---- who gets in ----------------------------------------------------------------------------------------------------


@every_act
def test_the_owner_acts(protocol: DeployedProtocol, act: Act) -> None:
    act.direct(protocol, licence(protocol, act), {"from": ARTIST})


@every_act
def test_an_operator_for_all_acts(protocol: DeployedProtocol, act: Act) -> None:
    license_id = licence(protocol, act)
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    act.direct(protocol, license_id, {"from": SOCIETY})


@every_act
def test_anyone_relays_the_owners_signature(protocol: DeployedProtocol, act: Act) -> None:
    license_id = licence(protocol, act)
    message = signed_act(protocol, act, license_id)
    tx = relay(protocol, act, message)
    assert dict(tx.events["NonceConsumed"]) == {"account": ARTIST, "nonce": message.nonce}
    with refused("NonceUsed", ARTIST, message.nonce):
        relay(protocol, act, message)


@every_act
def test_an_operators_signature_counts_as_the_operator(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    message = signed_act(protocol, act, license_id, SOCIETY)
    with refused("NotLicensor", license_id, SOCIETY):
        relay(protocol, act, message)
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    relay(protocol, act, message)


@every_act
def test_a_wallet_that_owns_a_licence_signs_with_its_key(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    wallet = deploy("TestWallet", SOCIETY)
    protocol.registry.transferFrom(ARTIST, wallet, license_id, {"from": ARTIST})
    message = signed_act(protocol, act, license_id, wallet.address)
    with refused("SignatureInvalid", wallet.address):
        relay(protocol, act, message, ARTIST)
    relay(protocol, act, message, SOCIETY)


def test_an_operator_is_approved_and_dismissed_by_signature(protocol: DeployedProtocol) -> None:
    license_id = licence(protocol)
    for approved, nonce in ((True, 1), (False, 2)):
        message = ApproveOperator(
            account=ARTIST,
            operator=SOCIETY,
            approved=approved,
            nonce=nonce,
            deadline=protocol.deadline(),
        )
        tx = protocol.registry.approveOperatorBySignature(
            SOCIETY, approved, protocol.signed(message), {"from": RELAY}
        )
        event = tx.events["ApprovalForAll"]
        assert (event["owner"], event["operator"]) == (ARTIST, SOCIETY)
        assert event["approved"] is approved
        assert protocol.registry.isApprovedForAll(ARTIST, SOCIETY) is approved
        assert protocol.registry.isLicensor(license_id, SOCIETY) is approved
    with refused("NonceUsed", ARTIST, 2):
        protocol.registry.approveOperatorBySignature(
            SOCIETY, False, protocol.signed(message), {"from": RELAY}
        )


def test_an_operators_approval_covers_the_operator_and_the_answer(
    protocol: DeployedProtocol,
) -> None:
    message = ApproveOperator(
        account=ARTIST, operator=SOCIETY, approved=False, nonce=1, deadline=protocol.deadline()
    )
    for operator, approved in ((SOCIETY, True), (STRANGER, False)):
        with refused("SignatureInvalid", ARTIST):
            protocol.registry.approveOperatorBySignature(
                operator, approved, protocol.signed(message), {"from": RELAY}
            )
    nobody = message.model_copy(update={"operator": "0x" + "00" * 20})
    with refused("ERC721InvalidOperator"):
        protocol.registry.approveOperatorBySignature(
            nobody.operator, False, protocol.signed(nobody), {"from": RELAY}
        )


# ---- who does not ---------------------------------------------------------------------------------------------------


@every_act
def test_a_stranger_does_not_act(protocol: DeployedProtocol, act: Act) -> None:
    license_id = licence(protocol, act)
    for account in (STRANGER, LABEL, RELAY):
        with refused("NotLicensor", license_id, account):
            act.direct(protocol, license_id, {"from": account})
    with refused("NotLicensor", license_id, STRANGER):
        relay(protocol, act, signed_act(protocol, act, license_id, STRANGER))
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, act, signed_act(protocol, act, license_id), STRANGER)


@every_act
def test_an_artist_does_not_touch_anothers_licence(protocol: DeployedProtocol, act: Act) -> None:
    mine, theirs = licence(protocol, act), licence(protocol, act, LABEL)
    act.direct(protocol, mine, {"from": ARTIST})
    with refused("NotLicensor", theirs, ARTIST):
        act.direct(protocol, theirs, {"from": ARTIST})
    with refused("NotLicensor", theirs, ARTIST):
        relay(protocol, act, signed_act(protocol, act, theirs, ARTIST))


@every_act
def test_approval_for_one_token_moves_it_and_does_not_control_its_terms(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    protocol.registry.approve(SOCIETY, license_id, {"from": ARTIST})
    assert not protocol.registry.isLicensor(license_id, SOCIETY)
    with refused("NotLicensor", license_id, SOCIETY):
        act.direct(protocol, license_id, {"from": SOCIETY})
    with refused("NotLicensor", license_id, SOCIETY):
        relay(protocol, act, signed_act(protocol, act, license_id, SOCIETY))
    protocol.registry.transferFrom(ARTIST, SOCIETY, license_id, {"from": SOCIETY})
    act.direct(protocol, license_id, {"from": SOCIETY})


@every_act
def test_after_a_transfer_the_new_owner_acts_and_the_old_one_no_longer(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    before = signed_act(protocol, act, license_id)
    protocol.registry.transferFrom(ARTIST, LABEL, license_id, {"from": ARTIST})
    for account in (ARTIST, SOCIETY):
        assert not protocol.registry.isLicensor(license_id, account)
        with refused("NotLicensor", license_id, account):
            act.direct(protocol, license_id, {"from": account})
    with refused("NotLicensor", license_id, ARTIST):
        relay(protocol, act, before)
    assert protocol.registry.isLicensor(license_id, LABEL)
    act.direct(protocol, license_id, {"from": LABEL})


# ---- what a signature is about --------------------------------------------------------------------------------------


@every_act
def test_a_signature_is_about_one_licence_even_if_a_reorg_gives_its_id_to_another(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    current, other = document_of(protocol, license_id), keccak(b"the document that was at this id")
    message = signed_act(protocol, act, license_id, current_document=other)
    with refused("DocumentMismatch", license_id, current, other):
        relay(protocol, act, message)


@every_act
def test_a_signature_about_an_older_document_is_refused(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, document=DOCUMENT)
    message = signed_act(protocol, act, license_id)
    protocol.registry.amend(license_id, terms().digest(), NEW, {"from": ARTIST})
    with refused("DocumentMismatch", license_id, NEW, DOCUMENT):
        relay(protocol, act, message)


def test_a_signature_is_outdated_in_the_second_an_amendment_takes_effect(
    protocol: DeployedProtocol,
) -> None:
    license_id = licence(protocol, document=DOCUMENT)
    act = ACTS[1]
    message = signed_act(protocol, act, license_id)
    protocol.registry.amend(license_id, OFFER.digest(), NEW, {"from": ARTIST})
    end = protocol.registry.termEndOf(license_id)
    mine_at(end)
    with refused("DocumentMismatch", license_id, NEW, DOCUMENT):
        relay(protocol, act, message)


@every_act
def test_a_signature_covers_the_licence_and_everything_beside_it(
    protocol: DeployedProtocol, act: Act
) -> None:
    license_id = licence(protocol, act)
    message = signed_act(protocol, act, license_id)
    signature = protocol.sign(message)
    for name, value in (("nonce", 99), ("deadline", message.deadline - 1)):
        changed = message.model_copy(update={name: value})
        signed = (changed.account, changed.nonce, changed.deadline, signature)
        with refused("SignatureInvalid", ARTIST):
            act.relayed(protocol, changed, signed)
    for name, value in (("license_id", license_id + 1), ("current_document", NEW)):
        changed = message.model_copy(update={name: value})
        with refused("SignatureInvalid", ARTIST):
            act.relayed(protocol, changed, protocol.signed(message))


def test_a_signed_amendment_covers_its_terms_and_document(protocol: DeployedProtocol) -> None:
    license_id = licence(protocol)
    act = ACTS[0]
    message = signed_act(protocol, act, license_id)
    for name, value in (("terms", terms()), ("document", DOCUMENT)):
        changed = message.model_copy(update={name: value})
        with refused("SignatureInvalid", ARTIST):
            act.relayed(protocol, changed, protocol.signed(message))


def test_a_revocation_is_no_reinstatement(protocol: DeployedProtocol) -> None:
    license_id = licence(protocol)
    message = signed_act(protocol, ACTS[1], license_id)
    with refused("SignatureInvalid", ARTIST):
        ACTS[2].relayed(protocol, message, protocol.signed(message))
    relay(protocol, ACTS[1], message)


def test_one_nonce_is_good_for_one_act_of_any_kind(protocol: DeployedProtocol) -> None:
    license_id = licence(protocol)
    relay(protocol, ACTS[1], signed_act(protocol, ACTS[1], license_id, nonce=500))
    with refused("NonceUsed", ARTIST, 500):
        relay(protocol, ACTS[2], signed_act(protocol, ACTS[2], license_id, nonce=500))


@every_act
def test_a_signature_has_a_deadline(protocol: DeployedProtocol, act: Act) -> None:
    license_id = licence(protocol, act)
    moment = protocol.now() + 100
    late = signed_act(protocol, act, license_id, deadline=moment - 1)
    next_at(moment)
    with refused("SignatureExpired", ARTIST, moment - 1):
        relay(protocol, act, late)
    moment += 100
    in_time = signed_act(protocol, act, license_id, deadline=moment)
    next_at(moment)
    relay(protocol, act, in_time)


@every_act
def test_a_licence_that_does_not_exist_has_no_licensor(
    protocol: DeployedProtocol, act: Act
) -> None:
    message = signed_act(protocol, act, 77)
    with refused("UnknownLicense", 77):
        relay(protocol, act, message)
    with refused("UnknownLicense", 77):
        act.direct(protocol, 77, {"from": ARTIST})
