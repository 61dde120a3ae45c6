"""Claims: what a payee may take, once, whoever asks and in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from obbligato.protocol.splits import divide, entitlement
from obbligato.protocol.typed_data import Claim, GuardClaims, Redirect
from tests.contracts.contest import check_books, deploy, own_contracts, packed_credits
from tests.contracts.protocol import (
    ARTIST,
    DOLLAR,
    GOVERNOR,
    KEY_OF,
    LABEL,
    PLATFORM_ADMIN,
    PRODUCER,
    RELAY,
    SOCIETY,
    STRANGER,
    DeployedProtocol,
    raw_split,
    refused,
    row,
    split,
)

ZERO = "0x" + "00" * 20


@pytest.fixture(scope="module")
def lane(protocol: DeployedProtocol) -> tuple[Any, int]:
    """A module that can credit splits without reports, and its platform."""
    platform = protocol.platform(10_000 * DOLLAR)
    lane = deploy("TestModule", protocol.vault)
    protocol.vault.listModule(lane, {"from": GOVERNOR})
    protocol.wait(protocol.parameters.module_delay)
    protocol.vault.enableModule(platform, lane, True, {"from": PLATFORM_ADMIN})
    lane.reserve(platform, 10_000 * DOLLAR, {"from": RELAY})
    return lane, platform


@pytest.fixture(scope="module")
def pays(protocol: DeployedProtocol) -> list[int]:
    """Six splits that share payees, from whole to a millionth."""
    made = [
        split((ARTIST, 333_333), (LABEL, 333_333), (PRODUCER, 333_334)),
        split((ARTIST, 500_000), (LABEL, 500_000)),
        split((ARTIST, 1), (LABEL, 999_999)),
        split((ARTIST, 1_000_000)),
        split((ARTIST, 999_999), (PRODUCER, 1)),
        split((LABEL, 142_857), (ARTIST, 857_143)),
    ]
    return [
        int(protocol.vault.internSplit(raw_split(one), {"from": RELAY}).return_value)
        for one in made
    ]


def pay(lane: tuple[Any, int], *pairs: tuple[int, int]) -> None:
    lane[0].credit(lane[1], packed_credits(*pairs), {"from": RELAY})


def claim(protocol: DeployedProtocol, payee: str, ids: list[int], sender: str = RELAY) -> Any:
    return protocol.vault.claim(payee, ids, {"from": sender})


# ---- entitlement --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "paid", "left"),
    # 1: a third of one unit is nothing. 100: 33.3 and 33.3334 are 33 each, one unit stays until more comes in.
    [(1, (0, 0, 0), 1), (100, (33, 33, 33), 1), (1_000_000, (333_333, 333_333, 333_334), 0)],
)
def test_a_three_way_split_never_pays_more_than_came_in(
    protocol: DeployedProtocol,
    lane: tuple[Any, int],
    pays: list[int],
    received: int,
    paid: tuple[int, ...],
    left: int,
) -> None:
    pay(lane, (pays[0], received))
    found = tuple(
        claim(protocol, payee, [pays[0]]).return_value for payee in (ARTIST, LABEL, PRODUCER)
    )
    assert found == paid
    assert received - sum(found) == left
    check_books(protocol, modules=[lane[0].address])


def test_what_was_rounded_away_is_paid_once_enough_has_come_in(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    paid = []
    for _ in range(7):
        pay(lane, (pays[0], 1))
        paid.append(claim(protocol, ARTIST, [pays[0]]).return_value)
    # floor(n * 333 333 / 1 000 000) first grows at n = 4 and at n = 7.
    assert paid == [0, 0, 0, 1, 0, 0, 1]


CREDITS = [(i % 6, 7 * i * i + 13) for i in range(12)]
"""Which of the six splits receives how much, in order."""
SHARES = [333_333, 500_000, 1, 1_000_000, 999_999, 857_143]
"""The artist's shares of the six splits."""


@pytest.mark.parametrize(
    ("batches", "claims"),
    [
        ([CREDITS], [[0, 1, 2, 3, 4, 5]]),  # all in, all out
        (
            [[credit] for credit in CREDITS],
            [[5], [4], [3], [2], [1], [0]],
        ),  # one by one, and backwards
        ([CREDITS[:5], CREDITS[5:]], [[3, 4, 5], [0, 1, 2]]),
        ([CREDITS[::-1]], [[0, 2, 4], [1, 3, 5], [0, 1, 2, 3, 4, 5]]),
    ],
)
def test_order_batching_and_caller_of_claims_change_nothing(
    protocol: DeployedProtocol,
    lane: tuple[Any, int],
    pays: list[int],
    batches: list[list[tuple[int, int]]],
    claims: list[list[int]],
) -> None:
    received = [sum(amount for split, amount in CREDITS if split == number) for number in range(6)]
    expected = sum(
        entitlement(came_in, share) for came_in, share in zip(received, SHARES, strict=True)
    )
    callers = itertools.cycle([ARTIST, STRANGER, LABEL])
    for batch in batches:
        pay(lane, *[(pays[number], amount) for number, amount in batch])
        if len(batches) > 1:  # claiming between the credits changes nothing either
            claim(protocol, ARTIST, [pays[batch[0][0]]], next(callers))
    for numbers in claims:
        claim(protocol, ARTIST, [pays[number] for number in numbers], next(callers))
    assert protocol.token.balanceOf(ARTIST) == expected
    check_books(protocol, modules=[lane[0].address])


def test_claimable_is_what_a_claim_then_pays(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, *[(one, 1_000_003) for one in pays])
    promised = protocol.vault.claimable(LABEL, [pays[0], pays[1], pays[5]])
    assert promised == 333_333 + 500_001 + 142_857
    assert (
        protocol.vault.claimable(LABEL, [pays[0], pays[1], pays[5], pays[0], pays[1]]) == promised
    )
    assert claim(protocol, LABEL, [pays[0], pays[1], pays[5]]).return_value == promised
    assert protocol.vault.claimable(LABEL, [pays[0], pays[1], pays[5]]) == 0


# ---- claiming -----------------------------------------------------------------------------------------------------


def test_many_splits_are_one_transfer_and_one_event(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, *[(one, 1_000_000) for one in pays])
    tx = claim(protocol, ARTIST, pays)
    # 333 333 + 500 000 + 1 + 1 000 000 + 999 999 + 857 143
    assert tx.return_value == 3_690_476
    assert len(tx.events["Transfer"]) == len(tx.events["Claimed"]) == 1
    event = tx.events["Claimed"]
    assert (event["payee"], event["to"], event["amount"], event["refunds"]) == (
        ARTIST,
        ARTIST,
        3_690_476,
        0,
    )
    assert list(event["splitIds"]) == pays
    assert protocol.token.balanceOf(ARTIST) == 3_690_476


def test_a_second_claim_pays_nothing_and_moves_nothing(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 500))
    assert claim(protocol, ARTIST, [pays[3]]).return_value == 500
    again = claim(protocol, ARTIST, [pays[3]])
    assert again.return_value == 0
    assert len(again.events) == 0
    assert claim(protocol, ARTIST, []).return_value == 0
    assert protocol.token.balanceOf(ARTIST) == 500


def test_a_split_named_twice_in_one_claim_is_paid_once(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 500))
    assert claim(protocol, ARTIST, [pays[3], pays[3], pays[3]]).return_value == 500
    check_books(protocol, modules=[lane[0].address])


def test_a_stranger_may_ask_but_the_money_goes_to_the_payee(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 500))
    claim(protocol, ARTIST, [pays[3]], STRANGER)
    assert protocol.token.balanceOf(ARTIST) == 500
    assert protocol.token.balanceOf(STRANGER) == 0


def test_whoever_is_no_payee_is_refused_by_split(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 500))
    with refused("NotPayee", pays[3], STRANGER):
        claim(protocol, STRANGER, [pays[3]], STRANGER)
    with refused("NotPayee", pays[3], LABEL):
        claim(protocol, LABEL, [pays[1], pays[3]])
    with refused("NotPayee", 2**32 - 1, ARTIST):
        claim(protocol, ARTIST, [2**32 - 1])
    with refused("NotPayee", 0, ARTIST):
        protocol.vault.claimable(ARTIST, [0])


def test_a_settled_report_pays_what_the_rules_say(
    protocol: DeployedProtocol, lane: tuple[Any, int]
) -> None:
    shares = split((ARTIST, 333_333), (LABEL, 333_333), (PRODUCER, 333_334))
    license_id = protocol.license(pays=shares)
    platform = protocol.platform(DOLLAR)
    protocol.wait(86_400)
    protocol.settled(platform, [row(license_id, 100_001)])
    # 100 001 millionths at 1 000 are 100.001 units, of which 100 are paid.
    for payee, due in divide(100, shares).items():
        assert claim(protocol, payee, [protocol.split_id(shares)]).return_value == due == 33


# ---- redirecting --------------------------------------------------------------------------------------------------


def test_a_redirected_payee_is_paid_where_it_chose_until_it_undoes_it(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    assert protocol.vault.recipientOf(ARTIST) == ARTIST
    tx = protocol.vault.redirect(SOCIETY, {"from": ARTIST})
    assert (tx.events["Redirected"]["payee"], tx.events["Redirected"]["to"]) == (ARTIST, SOCIETY)
    pay(lane, (pays[3], 70))
    assert claim(protocol, ARTIST, [pays[3]], STRANGER).events["Claimed"]["to"] == SOCIETY
    assert (protocol.token.balanceOf(SOCIETY), protocol.token.balanceOf(ARTIST)) == (70, 0)

    protocol.vault.redirect(ZERO, {"from": ARTIST})
    assert protocol.vault.recipientOf(ARTIST) == ARTIST
    pay(lane, (pays[3], 5))
    claim(protocol, ARTIST, [pays[3]])
    assert (protocol.token.balanceOf(SOCIETY), protocol.token.balanceOf(ARTIST)) == (70, 5)


def test_money_is_never_sent_where_nobody_could_take_it_out(protocol: DeployedProtocol) -> None:
    for to in own_contracts(protocol):
        with refused("RecipientInvalid", to):
            protocol.vault.redirect(to, {"from": ARTIST})
    # Nothing is ever owed to an account that could not take it.
    for payee in (ZERO, *own_contracts(protocol)):
        assert protocol.vault.claim(payee, [], {"from": RELAY}).return_value == 0


def redirect_message(protocol: DeployedProtocol, to: str, **changes: Any) -> Redirect:
    made = Redirect(
        account=ARTIST, to=to, nonce=next(protocol.nonces), deadline=protocol.deadline()
    )
    return made.model_copy(update=changes)


def test_a_signed_redirect_may_be_relayed_once(protocol: DeployedProtocol) -> None:
    message = redirect_message(protocol, SOCIETY)
    protocol.vault.redirectBySignature(SOCIETY, protocol.signed(message), {"from": STRANGER})
    assert protocol.vault.recipientOf(ARTIST) == SOCIETY
    protocol.vault.redirect(ZERO, {"from": ARTIST})
    with refused("NonceUsed", ARTIST, message.nonce):
        protocol.vault.redirectBySignature(SOCIETY, protocol.signed(message), {"from": STRANGER})
    assert protocol.vault.recipientOf(ARTIST) == ARTIST


def test_nobody_else_redirects_a_payee(protocol: DeployedProtocol) -> None:
    forged = redirect_message(protocol, STRANGER)
    with refused("SignatureInvalid", ARTIST):
        protocol.vault.redirectBySignature(
            STRANGER, protocol.signed(forged, by=STRANGER), {"from": STRANGER}
        )
    signed = protocol.signed(redirect_message(protocol, SOCIETY))
    with refused("SignatureInvalid", ARTIST):
        protocol.vault.redirectBySignature(STRANGER, signed, {"from": STRANGER})
    assert protocol.vault.recipientOf(ARTIST) == ARTIST


# ---- guarding -----------------------------------------------------------------------------------------------------


def test_nobody_else_claims_for_a_guarded_payee(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    assert protocol.vault.areClaimsGuarded(ARTIST) is False
    tx = protocol.vault.guardClaims(True, {"from": ARTIST})
    assert dict(tx.events["ClaimsGuarded"]) == {"payee": ARTIST, "guarded": True}
    assert protocol.vault.areClaimsGuarded(ARTIST) is True
    pay(lane, (pays[0], 900))
    for by in (STRANGER, LABEL, PLATFORM_ADMIN):
        with refused("ClaimsAreGuarded", ARTIST):
            claim(protocol, ARTIST, [pays[0]], by)
    # The others of the split are claimed for as before; the payee itself and its signature are not stopped.
    claim(protocol, LABEL, [pays[0]], STRANGER)
    assert protocol.token.balanceOf(LABEL) == 299
    claim(protocol, ARTIST, [pays[0]], ARTIST)
    assert protocol.token.balanceOf(ARTIST) == 299
    pay(lane, (pays[3], 7))
    signed = protocol.signed(claim_message(protocol, to=SOCIETY, minimum=7))
    protocol.vault.claimBySignature(SOCIETY, 7, [pays[3]], signed, {"from": RELAY})
    assert protocol.token.balanceOf(SOCIETY) == 7

    protocol.vault.guardClaims(False, {"from": ARTIST})
    pay(lane, (pays[3], 5))
    claim(protocol, ARTIST, [pays[3]], STRANGER)
    assert protocol.token.balanceOf(ARTIST) == 304


def test_a_guarded_payee_keeps_where_its_claims_go(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    protocol.vault.redirect(SOCIETY, {"from": ARTIST})
    protocol.vault.guardClaims(True, {"from": ARTIST})
    assert protocol.vault.recipientOf(ARTIST) == SOCIETY
    protocol.vault.redirect(ZERO, {"from": ARTIST})
    assert protocol.vault.areClaimsGuarded(ARTIST) is True
    # Whoever the money goes to starts no claim either.
    protocol.vault.redirect(SOCIETY, {"from": ARTIST})
    with refused("ClaimsAreGuarded", ARTIST):
        claim(protocol, ARTIST, [pays[3]], SOCIETY)


def test_a_signed_guard_may_be_relayed_once(protocol: DeployedProtocol) -> None:
    message = GuardClaims(
        account=ARTIST, guarded=True, nonce=next(protocol.nonces), deadline=protocol.deadline()
    )
    signed = protocol.signed(message)
    with refused("SignatureInvalid", ARTIST):
        protocol.vault.guardClaimsBySignature(False, signed, {"from": STRANGER})
    protocol.vault.guardClaimsBySignature(True, signed, {"from": STRANGER})
    protocol.vault.guardClaims(False, {"from": ARTIST})
    with refused("NonceUsed", ARTIST, message.nonce):
        protocol.vault.guardClaimsBySignature(True, signed, {"from": STRANGER})
    with refused("SignatureInvalid", ARTIST):
        protocol.vault.guardClaimsBySignature(
            True, protocol.signed(message, by=STRANGER), {"from": STRANGER}
        )


# ---- claiming by signature ----------------------------------------------------------------------------------------


def claim_message(protocol: DeployedProtocol, **changes: Any) -> Claim:
    made = Claim(
        account=ARTIST,
        to=SOCIETY,
        minimum=0,
        nonce=next(protocol.nonces),
        deadline=protocol.deadline(),
    )
    return made.model_copy(update=changes)


def claim_signed(protocol: DeployedProtocol, message: Claim, ids: list[int], **changes: Any) -> Any:
    to, minimum = changes.get("to", message.to), changes.get("minimum", message.minimum)
    by = changes.get("signed") or protocol.signed(message)
    return protocol.vault.claimBySignature(to, minimum, ids, by, {"from": RELAY})


def test_a_signed_claim_pays_the_address_it_names_even_if_redirected(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    protocol.vault.redirect(LABEL, {"from": ARTIST})
    pay(lane, (pays[3], 900))
    tx = claim_signed(protocol, claim_message(protocol, minimum=900), [pays[3]])
    assert tx.return_value == 900
    assert (tx.events["Claimed"]["payee"], tx.events["Claimed"]["to"]) == (ARTIST, SOCIETY)
    assert protocol.token.balanceOf(SOCIETY) == 900


def test_a_signed_claim_below_its_minimum_is_refused_and_stays_usable(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 899))
    message = claim_message(protocol, minimum=900)
    with refused("ClaimBelowMinimum", ARTIST, 899, 900):
        claim_signed(protocol, message, [pays[3]])
    assert not protocol.vault.isNonceUsed(ARTIST, message.nonce)
    pay(lane, (pays[3], 1))
    assert claim_signed(protocol, message, [pays[3]]).return_value == 900
    assert protocol.vault.isNonceUsed(ARTIST, message.nonce)
    with refused("NonceUsed", ARTIST, message.nonce):
        claim_signed(protocol, message, [pays[3]])


def test_a_relay_cannot_change_where_or_how_much_a_signed_claim_pays(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 900))
    message = claim_message(protocol, minimum=500)
    with refused("SignatureInvalid", ARTIST):
        claim_signed(protocol, message, [pays[3]], to=RELAY)
    with refused("SignatureInvalid", ARTIST):
        claim_signed(protocol, message, [pays[3]], minimum=0)
    account, nonce, deadline, signature = protocol.signed(message)
    with refused("SignatureInvalid", ARTIST):
        claim_signed(protocol, message, [pays[3]], signed=(account, nonce + 1, deadline, signature))
    with refused("SignatureInvalid", LABEL):
        claim_signed(protocol, message, [pays[3]], signed=(LABEL, nonce, deadline, signature))
    assert protocol.token.balanceOf(RELAY) == 0


def test_a_signed_claim_is_never_paid_to_a_contract_of_the_deployment_the_token_or_nobody(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    pay(lane, (pays[3], 900))
    for to in (ZERO, *own_contracts(protocol)):
        with refused("RecipientInvalid", to):
            claim_signed(protocol, claim_message(protocol, to=to), [pays[3]])


def test_a_withdrawn_or_late_signature_claims_nothing(
    protocol: DeployedProtocol, lane: tuple[Any, int], pays: list[int]
) -> None:
    withdrawn = claim_message(protocol)
    protocol.vault.cancelNonce(withdrawn.nonce, {"from": ARTIST})
    with refused("NonceUsed", ARTIST, withdrawn.nonce):
        claim_signed(protocol, withdrawn, [pays[3]])
    late = claim_message(protocol, deadline=protocol.now() - 1)
    with refused("SignatureExpired", ARTIST, late.deadline):
        claim_signed(protocol, late, [pays[3]])


def test_a_wallet_contract_signs_its_claim(
    protocol: DeployedProtocol, lane: tuple[Any, int]
) -> None:
    wallet = deploy("TestWallet", ARTIST)
    paid = protocol.vault.internSplit(
        raw_split(split((wallet.address, 1_000_000))), {"from": RELAY}
    ).return_value
    pay(lane, (paid, 40))
    message = claim_message(protocol, account=wallet.address)
    assert KEY_OF.get(wallet.address) is None
    by = protocol.signed(message, by=ARTIST)
    assert claim_signed(protocol, message, [paid], signed=by).return_value == 40
    assert protocol.token.balanceOf(SOCIETY) == 40
