"""A licence moves to another split only with the signature of everyone who would get less."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.rules.splits import Payee, Split
from obbligato.typed_data import AcceptSplit, ChangeSplit
from obbligato.words import Role
from tests.contracts.house import (
    ARTIST,
    DOCUMENT,
    LABEL,
    PRODUCER,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    House,
    raw_split,
    refused,
    row,
    split,
    terms,
)
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import next_at

BAND = split((ARTIST, 500_000), (LABEL, 300_000), (PRODUCER, 200_000))
DAY = 86_400


@pytest.fixture
def licence(house: House) -> int:
    """The artist's licence; it pays the band."""
    return house.license(terms(), BAND, document=DOCUMENT)


def acceptance(
    house: House, one: int, account: str, to: Split, *, by: str | None = None, **changes: Any
) -> tuple[str, int, int, bytes]:
    """A payee's signed acceptance of a split."""
    fields = {
        "account": account,
        "license_id": one,
        "current_document": document_of(house, one),
        "from_split": BAND.digest(),
        "to_split": to.digest(),
        "nonce": next(house.nonces),
        "deadline": house.deadline(),
    }
    return house.signed(AcceptSplit(**{**fields, **changes}), by)


def change(
    house: House,
    license_id: int,
    to: Split,
    acceptances: list[Any] | None = None,
    *,
    sender: str = ARTIST,
    start: Split = BAND,
) -> Any:
    return house.registry.changeSplit(
        license_id, raw_split(start), raw_split(to), acceptances or [], {"from": sender}
    )


def split_of(house: House, license_id: int) -> int:
    return int(house.registry.licenseOf(license_id)["splitId"])


def ascending(*accounts: str) -> list[str]:
    return sorted(accounts, key=lambda account: int(account, 16))


def test_the_owner_gives_of_its_own_share_without_asking(house: House, licence: int) -> None:
    to = split((ARTIST, 400_000), (LABEL, 300_000), (PRODUCER, 200_000), (SOCIETY, 100_000))
    before = split_of(house, licence)
    tx = change(house, licence, to)
    assert dict(tx.events["SplitChanged"]) == {
        "licenseId": licence,
        "fromSplitId": before,
        "toSplitId": house.split_id(to),
    }
    assert split_of(house, licence) == house.split_id(to) != before
    assert tx.events["SplitInterned"]["splitId"] == house.split_id(to)


@pytest.mark.parametrize(
    "to",
    [
        split((ARTIST, 500_001), (LABEL, 299_999), (PRODUCER, 200_000)),
        split((ARTIST, 800_000), (PRODUCER, 200_000)),
        split((ARTIST, 500_000), (SOCIETY, 300_000), (PRODUCER, 200_000)),
    ],
    ids=["one part less", "dropped", "replaced"],
)
def test_whoever_would_get_less_must_sign(house: House, licence: int, to: Split) -> None:
    before = split_of(house, licence)
    with refused("PayeeConsentMissing", licence, LABEL):
        change(house, licence, to)
    assert split_of(house, licence) == before
    signed = acceptance(house, licence, LABEL, to)
    change(house, licence, to, [signed])
    assert split_of(house, licence) == house.split_id(to)
    assert house.registry.isNonceUsed(LABEL, signed[1])


def test_whoever_gets_more_or_the_same_need_not_sign(house: House, licence: int) -> None:
    to = split((ARTIST, 400_000), (LABEL, 300_000), (PRODUCER, 300_000))
    change(house, licence, to)
    # Another role at the same share is no loss.
    roles = Split.of(
        Payee(account=payee.account, share=payee.share, role=Role.COMPOSER) for payee in to.payees
    )
    change(house, licence, roles, start=to)
    assert split_of(house, licence) == house.split_id(roles)


def test_each_of_several_losers_signs_in_order_of_account(house: House, licence: int) -> None:
    to = split((ARTIST, 1_000_000))
    first, second = ascending(LABEL, PRODUCER)
    both = [acceptance(house, licence, account, to) for account in (first, second)]
    with refused("PayeeConsentMissing", licence, first):
        change(house, licence, to)
    with refused("PayeeConsentMissing", licence, second):
        change(house, licence, to, both[:1])
    with refused("PayeeConsentMissing", licence, first):
        change(house, licence, to, both[1:])
    with refused("PayeeConsentMissing", licence, first):
        change(house, licence, to, both[::-1])
    with refused("PayeeConsentMissing", licence, second):
        change(house, licence, to, [both[0], both[0]])
    change(house, licence, to, both)
    assert split_of(house, licence) == house.split_id(to)


def test_the_whole_split_may_be_replaced(house: House, licence: int) -> None:
    # New payees before, between and after all the old ones.
    others = [f"0x{number:040x}" for number in (1, 2, 3)]
    high = "0x" + "ff" * 20
    to = split(*((account, 100_000) for account in others), (high, 700_000))
    losers = [acceptance(house, licence, one, to) for one in ascending(LABEL, PRODUCER)]
    change(house, licence, to, losers)
    assert split_of(house, licence) == house.split_id(to)


def test_an_operator_does_not_sign_for_the_owner_who_loses(house: House, licence: int) -> None:
    house.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    to = split((ARTIST, 490_000), (LABEL, 300_000), (PRODUCER, 210_000))
    with refused("PayeeConsentMissing", licence, ARTIST):
        change(house, licence, to, sender=SOCIETY)
    change(house, licence, to, [acceptance(house, licence, ARTIST, to)], sender=SOCIETY)
    assert split_of(house, licence) == house.split_id(to)


def test_an_operator_that_is_paid_gives_of_its_own_share(house: House, licence: int) -> None:
    house.registry.setApprovalForAll(LABEL, True, {"from": ARTIST})
    to = split((ARTIST, 600_000), (LABEL, 200_000), (PRODUCER, 200_000))
    change(house, licence, to, sender=LABEL)
    assert split_of(house, licence) == house.split_id(to)


def test_by_signature_the_signer_counts_as_having_signed(house: House, licence: int) -> None:
    to = split((ARTIST, 450_000), (LABEL, 250_000), (PRODUCER, 300_000))
    message = ChangeSplit(
        account=ARTIST,
        license_id=licence,
        current_document=DOCUMENT,
        from_split=BAND.digest(),
        to_split=to.digest(),
        nonce=1,
        deadline=house.deadline(),
    )

    def relay(acceptances: list[Any], target: Split = to) -> Any:
        return house.registry.changeSplitBySignature(
            licence,
            DOCUMENT,
            raw_split(BAND),
            raw_split(target),
            acceptances,
            house.signed(message),
            {"from": RELAY},
        )

    with refused("PayeeConsentMissing", licence, LABEL):
        relay([])
    with refused("SignatureInvalid", ARTIST):
        relay([], split((ARTIST, 500_000), (LABEL, 200_000), (PRODUCER, 300_000)))
    relay([acceptance(house, licence, LABEL, to)])
    assert split_of(house, licence) == house.split_id(to)


def test_a_payee_that_is_a_wallet_accepts_with_its_key(house: House) -> None:
    wallet = deploy("TestWallet", LABEL)
    start = split((ARTIST, 500_000), (wallet.address, 500_000))
    to = split((ARTIST, 1_000_000))
    license_id = house.license(terms(), start)
    signed = acceptance(house, license_id, wallet.address, to, by=LABEL, from_split=start.digest())
    change(house, license_id, to, [signed], start=start)
    assert split_of(house, license_id) == house.split_id(to)


# ---- what an acceptance is about ------------------------------------------------------------------------------------

LESS = split((ARTIST, 600_000), (LABEL, 200_000), (PRODUCER, 200_000))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license_id", 2),
        ("current_document", keccak(b"another document")),
        ("from_split", LESS.digest()),
        ("to_split", split((ARTIST, 600_000), (LABEL, 400_000)).digest()),
    ],
)
def test_an_acceptance_is_for_one_licence_document_and_change(
    house: House, licence: int, field: str, value: Any
) -> None:
    with refused("SignatureInvalid", LABEL):
        change(house, licence, LESS, [acceptance(house, licence, LABEL, LESS, **{field: value})])


def test_an_acceptance_about_an_older_document_is_refused(house: House, licence: int) -> None:
    signed = acceptance(house, licence, LABEL, LESS)
    house.registry.amend(licence, terms().digest(), keccak(b"newer"), {"from": ARTIST})
    with refused("SignatureInvalid", LABEL):
        change(house, licence, LESS, [signed])


def test_nobody_else_accepts_for_a_payee(house: House, licence: int) -> None:
    with refused("SignatureInvalid", LABEL):
        change(house, licence, LESS, [acceptance(house, licence, LABEL, LESS, by=STRANGER)])
    with refused("PayeeConsentMissing", licence, LABEL):
        change(house, licence, LESS, [acceptance(house, licence, STRANGER, LESS)])
    # The owner's own signed change is no payee's acceptance.
    message = ChangeSplit(
        account=LABEL,
        license_id=licence,
        current_document=DOCUMENT,
        from_split=BAND.digest(),
        to_split=LESS.digest(),
        nonce=1,
        deadline=house.deadline(),
    )
    with refused("SignatureInvalid", LABEL):
        change(house, licence, LESS, [house.signed(message)])


def test_an_acceptance_has_a_deadline(house: House, licence: int) -> None:
    now = house.now() + 1_000
    late = acceptance(house, licence, LABEL, LESS, deadline=now - 1)
    next_at(now)
    with refused("SignatureExpired", LABEL, now - 1):
        change(house, licence, LESS, [late])
    now += 1_000
    in_time = acceptance(house, licence, LABEL, LESS, deadline=now)
    next_at(now)
    change(house, licence, LESS, [in_time])


def test_an_acceptance_is_used_once(house: House, licence: int) -> None:
    signed = acceptance(house, licence, LABEL, LESS)
    change(house, licence, LESS, [signed])
    # Back again: only the owner gives, so nobody need sign. Then the same acceptance once more.
    change(house, licence, BAND, start=LESS)
    with refused("NonceUsed", LABEL, signed[1]):
        change(house, licence, LESS, [signed])


def test_a_payee_takes_its_acceptance_back(house: House, licence: int) -> None:
    signed = acceptance(house, licence, LABEL, LESS)
    house.registry.cancelNonce(signed[1], {"from": LABEL})
    with refused("NonceUsed", LABEL, signed[1]):
        change(house, licence, LESS, [signed])


def test_an_acceptance_nobody_needed_is_not_used_up(house: House, licence: int) -> None:
    to = split((ARTIST, 400_000), (LABEL, 400_000), (PRODUCER, 200_000))
    signed = acceptance(house, licence, LABEL, to)
    change(house, licence, to, [signed])
    assert not house.registry.isNonceUsed(LABEL, signed[1])


# ---- both splits ----------------------------------------------------------------------------------------------------


def test_the_split_given_must_be_the_licences(house: House, licence: int) -> None:
    current = split_of(house, licence)
    with refused("SplitMismatch", licence, current, 0):
        change(house, licence, BAND, start=LESS)
    house.intern_split(LESS)
    with refused("SplitMismatch", licence, current, house.split_id(LESS)):
        change(house, licence, BAND, start=LESS)
    without_losers = [payee for payee in raw_split(BAND) if payee[0] != LABEL]
    with refused("SplitMismatch", licence, current, 0):
        house.registry.changeSplit(licence, without_losers, raw_split(LESS), [], {"from": ARTIST})


def test_the_new_split_must_be_one(house: House, licence: int) -> None:
    for payees, name in (
        ([(ARTIST, 999_999, 1)], "SharesNotWhole"),
        ([], "PayeeCountInvalid"),
        ([(ARTIST, 1_000_000, 0)], "RoleInvalid"),
        (raw_split(BAND)[::-1], "PayeesNotAscending"),
    ):
        with refused(name):
            house.registry.changeSplit(licence, raw_split(BAND), payees, [], {"from": ARTIST})


def test_usage_that_was_submitted_keeps_the_split_it_was_priced_with(
    house: House, licence: int
) -> None:
    platform = house.platform()
    house.wait(30 * DAY)
    # 1 000 units at 1 000 millionths: one dollar.
    earlier = house.report(platform, [row(licence, 1_000 * UNIT)])
    house.submit(earlier)
    change(house, licence, LESS, [acceptance(house, licence, LABEL, LESS)])
    house.pass_window()
    later = house.report(platform, [row(licence, 3_000 * UNIT)])
    house.submit(later)
    house.settle(earlier)
    house.pass_window()
    house.settle(later)
    assert house.vault.receivedOf(house.split_id(BAND)) == 1_000_000
    assert house.vault.receivedOf(house.split_id(LESS)) == 3_000_000
    assert house.vault.claimable(LABEL, [house.split_id(BAND), house.split_id(LESS)]) == 900_000
