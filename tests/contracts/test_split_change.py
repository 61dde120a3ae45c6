"""A licence moves to another split only with the signature of everyone who would get less."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Role
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.typed_data import AcceptSplit, ChangeSplit
from tests.contracts.licensing import deploy, document_of
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DOCUMENT,
    LABEL,
    PRODUCER,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    raw_split,
    refused,
    row,
    split,
    terms,
)

BAND = split((ARTIST, 500_000), (LABEL, 300_000), (PRODUCER, 200_000))
DAY = 86_400


@pytest.fixture
def licence(protocol: DeployedProtocol) -> int:
    """The artist's licence; it pays the band."""
    return protocol.license(terms(), BAND, document=DOCUMENT)


def acceptance(
    protocol: DeployedProtocol,
    one: int,
    account: str,
    to: Split,
    *,
    by: str | None = None,
    **changes: Any,
) -> tuple[str, int, int, bytes]:
    """A payee's signed acceptance of a split."""
    fields = {
        "account": account,
        "license_id": one,
        "current_document": document_of(protocol, one),
        "from_split": BAND,
        "to_split": to,
        "nonce": next(protocol.nonces),
        "deadline": protocol.deadline(),
    }
    return protocol.signed(AcceptSplit(**{**fields, **changes}), by)


def change(
    protocol: DeployedProtocol,
    license_id: int,
    to: Split,
    acceptances: list[Any] | None = None,
    *,
    sender: str = ARTIST,
    start: Split = BAND,
) -> Any:
    return protocol.registry.changeSplit(
        license_id, raw_split(start), raw_split(to), acceptances or [], {"from": sender}
    )


def split_of(protocol: DeployedProtocol, license_id: int) -> int:
    return int(protocol.registry.licenseOf(license_id)["splitId"])


def ascending(*accounts: str) -> list[str]:
    return sorted(accounts, key=lambda account: int(account, 16))


def test_the_owner_gives_of_its_own_share_without_asking(
    protocol: DeployedProtocol, licence: int
) -> None:
    to = split((ARTIST, 400_000), (LABEL, 300_000), (PRODUCER, 200_000), (SOCIETY, 100_000))
    before = split_of(protocol, licence)
    tx = change(protocol, licence, to)
    assert dict(tx.events["SplitChanged"]) == {
        "licenseId": licence,
        "fromSplitId": before,
        "toSplitId": protocol.split_id(to),
    }
    assert split_of(protocol, licence) == protocol.split_id(to) != before
    assert tx.events["SplitInterned"]["splitId"] == protocol.split_id(to)


def test_which_split_a_licence_paid_can_be_read_later(
    protocol: DeployedProtocol, licence: int
) -> None:
    more = split((ARTIST, 400_000), (LABEL, 300_000), (PRODUCER, 300_000))
    most = split((ARTIST, 300_000), (LABEL, 300_000), (PRODUCER, 400_000))
    minted = protocol.now()
    protocol.wait(DAY)
    first = int(change(protocol, licence, more).timestamp)
    protocol.wait(DAY)
    second = int(change(protocol, licence, most, start=more).timestamp)
    protocol.wait(DAY)
    band, later, last = (protocol.split_id(one) for one in (BAND, more, most))
    times = (minted, first - 1, first, second - 1, second, protocol.now())
    found = [int(protocol.registry.splitAt(licence, time)) for time in times]
    assert found == [band, band, later, later, last, last]
    assert protocol.registry.splitAt(licence + 1, second) == 0


@pytest.mark.parametrize(
    "to",
    [
        split((ARTIST, 500_001), (LABEL, 299_999), (PRODUCER, 200_000)),
        split((ARTIST, 800_000), (PRODUCER, 200_000)),
        split((ARTIST, 500_000), (SOCIETY, 300_000), (PRODUCER, 200_000)),
    ],
    ids=["one part less", "dropped", "replaced"],
)
def test_whoever_would_get_less_must_sign(
    protocol: DeployedProtocol, licence: int, to: Split
) -> None:
    before = split_of(protocol, licence)
    with refused("PayeeConsentMissing", licence, LABEL):
        change(protocol, licence, to)
    assert split_of(protocol, licence) == before
    signed = acceptance(protocol, licence, LABEL, to)
    change(protocol, licence, to, [signed])
    assert split_of(protocol, licence) == protocol.split_id(to)
    assert protocol.registry.isNonceUsed(LABEL, signed[1])


def test_whoever_gets_more_or_the_same_need_not_sign(
    protocol: DeployedProtocol, licence: int
) -> None:
    to = split((ARTIST, 400_000), (LABEL, 300_000), (PRODUCER, 300_000))
    change(protocol, licence, to)
    # Another role at the same share is no loss.
    roles = Split.of(
        Payee(account=payee.account, share=payee.share, role=Role.COMPOSER) for payee in to.payees
    )
    change(protocol, licence, roles, start=to)
    assert split_of(protocol, licence) == protocol.split_id(roles)


def test_each_of_several_losers_signs_in_order_of_account(
    protocol: DeployedProtocol, licence: int
) -> None:
    to = split((ARTIST, 1_000_000))
    first, second = ascending(LABEL, PRODUCER)
    both = [acceptance(protocol, licence, account, to) for account in (first, second)]
    with refused("PayeeConsentMissing", licence, first):
        change(protocol, licence, to)
    with refused("PayeeConsentMissing", licence, second):
        change(protocol, licence, to, both[:1])
    with refused("PayeeConsentMissing", licence, first):
        change(protocol, licence, to, both[1:])
    with refused("PayeeConsentMissing", licence, first):
        change(protocol, licence, to, both[::-1])
    with refused("PayeeConsentMissing", licence, second):
        change(protocol, licence, to, [both[0], both[0]])
    change(protocol, licence, to, both)
    assert split_of(protocol, licence) == protocol.split_id(to)


def test_the_whole_split_may_be_replaced(protocol: DeployedProtocol, licence: int) -> None:
    # New payees before, between and after all the old ones.
    others = [f"0x{number:040x}" for number in (1, 2, 3)]
    high = "0x" + "ff" * 20
    to = split(*((account, 100_000) for account in others), (high, 700_000))
    losers = [acceptance(protocol, licence, one, to) for one in ascending(LABEL, PRODUCER)]
    change(protocol, licence, to, losers)
    assert split_of(protocol, licence) == protocol.split_id(to)


def test_an_operator_does_not_sign_for_the_owner_who_loses(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    to = split((ARTIST, 490_000), (LABEL, 300_000), (PRODUCER, 210_000))
    with refused("PayeeConsentMissing", licence, ARTIST):
        change(protocol, licence, to, sender=SOCIETY)
    change(protocol, licence, to, [acceptance(protocol, licence, ARTIST, to)], sender=SOCIETY)
    assert split_of(protocol, licence) == protocol.split_id(to)


def test_an_operator_that_is_paid_gives_of_its_own_share(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.registry.setApprovalForAll(LABEL, True, {"from": ARTIST})
    to = split((ARTIST, 600_000), (LABEL, 200_000), (PRODUCER, 200_000))
    change(protocol, licence, to, sender=LABEL)
    assert split_of(protocol, licence) == protocol.split_id(to)


def test_by_signature_the_signer_counts_as_having_signed(
    protocol: DeployedProtocol, licence: int
) -> None:
    to = split((ARTIST, 450_000), (LABEL, 250_000), (PRODUCER, 300_000))
    message = ChangeSplit(
        account=ARTIST,
        license_id=licence,
        current_document=DOCUMENT,
        from_split=BAND,
        to_split=to,
        nonce=1,
        deadline=protocol.deadline(),
    )

    def relay(acceptances: list[Any], target: Split = to) -> Any:
        return protocol.registry.changeSplitBySignature(
            licence,
            DOCUMENT,
            raw_split(BAND),
            raw_split(target),
            acceptances,
            protocol.signed(message),
            {"from": RELAY},
        )

    with refused("PayeeConsentMissing", licence, LABEL):
        relay([])
    with refused("SignatureInvalid", ARTIST):
        relay([], split((ARTIST, 500_000), (LABEL, 200_000), (PRODUCER, 300_000)))
    relay([acceptance(protocol, licence, LABEL, to)])
    assert split_of(protocol, licence) == protocol.split_id(to)


def test_a_payee_that_is_a_wallet_accepts_with_its_key(protocol: DeployedProtocol) -> None:
    wallet = deploy("TestWallet", LABEL)
    start = split((ARTIST, 500_000), (wallet.address, 500_000))
    to = split((ARTIST, 1_000_000))
    license_id = protocol.license(terms(), start)
    signed = acceptance(protocol, license_id, wallet.address, to, by=LABEL, from_split=start)
    change(protocol, license_id, to, [signed], start=start)
    assert split_of(protocol, license_id) == protocol.split_id(to)


# ---- what an acceptance is about ------------------------------------------------------------------------------------

LESS = split((ARTIST, 600_000), (LABEL, 200_000), (PRODUCER, 200_000))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license_id", 2),
        ("current_document", keccak(b"another document")),
        ("from_split", LESS),
        ("to_split", split((ARTIST, 600_000), (LABEL, 400_000))),
    ],
)
def test_an_acceptance_is_for_one_licence_document_and_change(
    protocol: DeployedProtocol, licence: int, field: str, value: Any
) -> None:
    with refused("SignatureInvalid", LABEL):
        change(
            protocol, licence, LESS, [acceptance(protocol, licence, LABEL, LESS, **{field: value})]
        )


def test_an_acceptance_about_an_older_document_is_refused(
    protocol: DeployedProtocol, licence: int
) -> None:
    signed = acceptance(protocol, licence, LABEL, LESS)
    protocol.registry.amend(licence, terms().digest(), keccak(b"newer"), {"from": ARTIST})
    with refused("SignatureInvalid", LABEL):
        change(protocol, licence, LESS, [signed])


def test_nobody_else_accepts_for_a_payee(protocol: DeployedProtocol, licence: int) -> None:
    with refused("SignatureInvalid", LABEL):
        change(protocol, licence, LESS, [acceptance(protocol, licence, LABEL, LESS, by=STRANGER)])
    with refused("PayeeConsentMissing", licence, LABEL):
        change(protocol, licence, LESS, [acceptance(protocol, licence, STRANGER, LESS)])
    # The owner's own signed change is no payee's acceptance.
    message = ChangeSplit(
        account=LABEL,
        license_id=licence,
        current_document=DOCUMENT,
        from_split=BAND,
        to_split=LESS,
        nonce=1,
        deadline=protocol.deadline(),
    )
    with refused("SignatureInvalid", LABEL):
        change(protocol, licence, LESS, [protocol.signed(message)])


def test_an_acceptance_has_a_deadline(protocol: DeployedProtocol, licence: int) -> None:
    now = protocol.now() + 1_000
    late = acceptance(protocol, licence, LABEL, LESS, deadline=now - 1)
    next_at(now)
    with refused("SignatureExpired", LABEL, now - 1):
        change(protocol, licence, LESS, [late])
    now += 1_000
    in_time = acceptance(protocol, licence, LABEL, LESS, deadline=now)
    next_at(now)
    change(protocol, licence, LESS, [in_time])


def test_an_acceptance_is_used_once(protocol: DeployedProtocol, licence: int) -> None:
    signed = acceptance(protocol, licence, LABEL, LESS)
    change(protocol, licence, LESS, [signed])
    # Back again: only the owner gives, so nobody need sign. Then the same acceptance once more.
    change(protocol, licence, BAND, start=LESS)
    with refused("NonceUsed", LABEL, signed[1]):
        change(protocol, licence, LESS, [signed])


def test_a_payee_takes_its_acceptance_back(protocol: DeployedProtocol, licence: int) -> None:
    signed = acceptance(protocol, licence, LABEL, LESS)
    protocol.registry.cancelNonce(signed[1], {"from": LABEL})
    with refused("NonceUsed", LABEL, signed[1]):
        change(protocol, licence, LESS, [signed])


def test_an_acceptance_nobody_needed_is_not_used_up(
    protocol: DeployedProtocol, licence: int
) -> None:
    to = split((ARTIST, 400_000), (LABEL, 400_000), (PRODUCER, 200_000))
    signed = acceptance(protocol, licence, LABEL, to)
    change(protocol, licence, to, [signed])
    assert not protocol.registry.isNonceUsed(LABEL, signed[1])


# ---- both splits ----------------------------------------------------------------------------------------------------


def test_the_split_given_must_be_the_licences(protocol: DeployedProtocol, licence: int) -> None:
    current = split_of(protocol, licence)
    with refused("SplitMismatch", licence, current, 0):
        change(protocol, licence, BAND, start=LESS)
    protocol.intern_split(LESS)
    with refused("SplitMismatch", licence, current, protocol.split_id(LESS)):
        change(protocol, licence, BAND, start=LESS)
    without_losers = [payee for payee in raw_split(BAND) if payee[0] != LABEL]
    with refused("SplitMismatch", licence, current, 0):
        protocol.registry.changeSplit(
            licence, without_losers, raw_split(LESS), [], {"from": ARTIST}
        )


def test_the_new_split_must_be_one(protocol: DeployedProtocol, licence: int) -> None:
    for payees, name in (
        ([(ARTIST, 999_999, 1)], "SharesNotWhole"),
        ([], "PayeeCountInvalid"),
        ([(ARTIST, 1_000_000, 0)], "RoleInvalid"),
        (raw_split(BAND)[::-1], "PayeesNotAscending"),
    ):
        with refused(name):
            protocol.registry.changeSplit(licence, raw_split(BAND), payees, [], {"from": ARTIST})


def test_usage_that_was_submitted_keeps_the_split_it_was_priced_with(
    protocol: DeployedProtocol, licence: int
) -> None:
    platform = protocol.platform()
    protocol.wait(30 * DAY)
    # 1 000 units at 1 000 millionths: one dollar.
    earlier = protocol.report(platform, [row(licence, 1_000 * UNIT)])
    protocol.submit(earlier)
    change(protocol, licence, LESS, [acceptance(protocol, licence, LABEL, LESS)])
    protocol.pass_window()
    later = protocol.report(platform, [row(licence, 3_000 * UNIT)])
    protocol.submit(later)
    protocol.settle(earlier)
    protocol.pass_window()
    protocol.settle(later)
    assert protocol.vault.receivedOf(protocol.split_id(BAND)) == 1_000_000
    assert protocol.vault.receivedOf(protocol.split_id(LESS)) == 3_000_000
    assert (
        protocol.vault.claimable(LABEL, [protocol.split_id(BAND), protocol.split_id(LESS)])
        == 900_000
    )
