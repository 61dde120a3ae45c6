"""Submitting: who signed it, where it stands in its stream, what it says, what it costs."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.eip712 import Contract, Domain
from obbligato.rules.quorum import CURVE_ORDER, recover_signer
from obbligato.typed_data import Attestation, sign
from tests.contracts.contest import PENDING, deploy, escrow, standing, state, stream
from tests.contracts.house import (
    ATTESTERS,
    DAY,
    DOLLAR,
    KEY_OF,
    MODEL,
    PLATFORM_ADMIN,
    REPORTER,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    STRANGER,
    UNIT,
    House,
    refused,
    row,
)
from tests.contracts.moments import mine_at, next_at

WINDOW = 7 * DAY


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    return house.license()


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    """A platform with a thousand dollars, thirty days after the licence was minted."""
    made = house.platform(1_000 * DOLLAR)
    house.wait(30 * DAY)
    return made


# ---- what is recorded ---------------------------------------------------------------------------------------------


def test_a_report_is_recorded_priced_and_reserved(
    house: House, platform: int, license_id: int
) -> None:
    report = house.report(platform, [row(license_id, 3 * UNIT)])
    tx = house.submit(report, sender=STRANGER)
    assert bytes(tx.return_value) == house.report_id(report)
    stored = house.oracle.reportOf(house.report_id(report))
    expected = (1).to_bytes(4, "big") + (3_000).to_bytes(8, "big")
    assert bytes(stored[0]) == keccak(expected)
    # state, platform, total, end of the window, held rows, version
    assert stored[1:] == (PENDING, platform, 3_000, tx.timestamp + WINDOW, 0, 1)
    event = tx.events["ReportSubmitted"]
    assert (event["platformId"], event["reporter"], event["configVersion"]) == (
        platform,
        REPORTER,
        1,
    )
    assert bytes(event["modelId"]) == MODEL
    assert bytes(event["rows"]) == report.rows
    assert bytes(event["credits"]) == expected
    assert event["report"][0] == platform
    assert event["report"][10] == 3_000
    assert tx.events["ReportFunded"]["end"] == tx.timestamp + WINDOW
    assert escrow(house, platform).available == 1_000 * DOLLAR - 3_000
    assert house.vault.reservedOf(house.oracle, platform) == 3_000
    assert stream(house, platform) == (house.report_id(report), 1, report.header.period_end)


def test_a_report_submitted_twice_is_refused_by_its_id(
    house: House, platform: int, license_id: int
) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    house.submit(report)
    before = standing(house, platform)
    with refused("ReportExists", house.report_id(report)):
        house.submit(report)
    # Other attesters of the same report make no other report.
    with refused("ReportExists", house.report_id(report)):
        house.submit(report, signers=ATTESTERS[1:])
    assert standing(house, platform) == before


def test_rows_of_no_price_are_recorded_and_pay_nothing(
    house: House, platform: int, license_id: int
) -> None:
    # One millionth of a generation at a thousandth of a dollar is less than one unit of money.
    report = house.report(platform, [row(license_id, 999)])
    house.submit(report)
    assert (report.header.total, state(house, report)) == (0, PENDING)
    house.pass_window()
    assert house.settle(report).events["ReportSettled"]["credited"] == 0


# ---- who signed ---------------------------------------------------------------------------------------------------


def test_only_a_reporter_of_this_platform_signs_its_reports(
    house: House, platform: int, license_id: int
) -> None:
    house.platform(DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    report = house.report(platform, [row(license_id, UNIT)])
    before = standing(house, platform)
    for account in (STRANGER, PLATFORM_ADMIN, RIVAL_REPORTER):
        with refused("ReporterUnknown", platform, account):
            house.submit(report, reporter=account)
    with refused("ReporterUnknown", 99, REPORTER):
        house.submit(house.report(99, [row(license_id, UNIT)]))
    good = house.sign(report.header, REPORTER)
    upper = CURVE_ORDER - int.from_bytes(good[32:64], "big")
    high = good[:32] + upper.to_bytes(32, "big") + bytes([55 - good[64]])
    for forged in (house.sign(report.header, STRANGER), b"", b"\0" * 65, good[:-1], high):
        with refused("ReporterSignatureInvalid", REPORTER):
            house.submit(report, signature=forged)
    house.vault.setReporter(platform, REPORTER, False, {"from": PLATFORM_ADMIN})
    with refused("ReporterUnknown", platform, REPORTER):
        house.submit(report)
    assert standing(house, platform) == before


def test_a_wallet_contract_may_be_a_reporter(house: House, platform: int, license_id: int) -> None:
    wallet = deploy("TestWallet", RIVAL_REPORTER)
    house.vault.setReporter(platform, wallet, True, {"from": PLATFORM_ADMIN})
    report = house.report(platform, [row(license_id, UNIT)])
    with refused("ReporterSignatureInvalid", wallet.address):
        house.submit(report, reporter=wallet.address, signature=house.sign(report.header, STRANGER))
    signature = house.sign(report.header, RIVAL_REPORTER)
    tx = house.submit(report, reporter=wallet.address, signature=signature)
    assert tx.events["ReportSubmitted"]["reporter"] == wallet.address


def test_the_zero_address_reports_nothing_even_if_listed(
    house: House, platform: int, license_id: int
) -> None:
    nobody = "0x" + "00" * 20
    house.vault.setReporter(platform, nobody, True, {"from": PLATFORM_ADMIN})
    with refused("ReporterSignatureInvalid", nobody):
        house.submit(
            house.report(platform, [row(license_id, UNIT)]),
            reporter=nobody,
            signature=b"\1" * 64 + b"\x1b",
        )


def test_signatures_for_another_contract_or_chain_count_for_nothing(
    house: House, platform: int, license_id: int
) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    here = house.domains[Contract.USAGE_ORACLE]
    before = standing(house, platform)
    for changed in ({"chain_id": 1}, {"address": house.vault.address}):
        there = Domain(**{**here.model_dump(), **changed})
        with refused("ReporterSignatureInvalid", REPORTER):
            house.submit(report, signature=sign(report.header, there, KEY_OF[REPORTER]))
        message = Attestation(report_id=house.report_id(report), config_version=1)
        ordered = sorted(ATTESTERS, key=lambda account: int(account, 16))
        packed = b"".join(sign(message, there, KEY_OF[one]) for one in ordered)
        # Read as signatures of this deployment's message they are the signatures of addresses that nobody holds.
        nobody = recover_signer(message.digest(here), packed[:65])
        with refused("SignerUnknown", nobody, 1):
            house.submit(report, attestations=packed)
    assert standing(house, platform) == before


# ---- the quorum ---------------------------------------------------------------------------------------------------


def test_one_attester_counts_once(house: House, platform: int, license_id: int) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    first, second = sorted(ATTESTERS, key=lambda account: int(account, 16))[:2]
    a, b = house.attest(report, [first]), house.attest(report, [second])
    with refused("SignersNotAscending", first):
        house.submit(report, attestations=a + a + b)
    with refused("SignersNotAscending", first):
        house.submit(report, attestations=b + a + a)
    with refused("QuorumMissing", 2, 3):
        house.submit(report, attestations=a + b)
    with refused("QuorumMissing", 0, 3):
        house.submit(report, attestations=b"")


def test_a_stranger_is_no_attester(house: House, platform: int, license_id: int) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    for outsider in (STRANGER, REPORTER):
        with refused("SignerUnknown", outsider, 1):
            house.submit(report, signers=[*ATTESTERS[:2], outsider])


def test_signatures_of_another_length_or_in_the_upper_half_are_refused(
    house: House, platform: int, license_id: int
) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    good = house.attest(report)
    with refused("AttestationsMalformed", 194):
        house.submit(report, attestations=good[:-1])
    with refused("AttestationsMalformed", 1):
        house.submit(report, attestations=b"\0")
    with refused("AttestationInvalid", 0):
        house.submit(report, attestations=b"\0" * 195)
    # The same curve point with s in the upper half: a second encoding of one signature.
    r, s, v = good[130:162], int.from_bytes(good[162:194], "big"), good[194]
    high = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    with refused("AttestationInvalid", 2):
        house.submit(report, attestations=good[:130] + high)
    house.submit(report, attestations=good)


def test_all_attesters_may_sign(house: House, platform: int, license_id: int) -> None:
    report = house.report(platform, [row(license_id, UNIT)])
    house.submit(report, signers=ATTESTERS)
    assert state(house, report) == PENDING


# ---- in time ------------------------------------------------------------------------------------------------------


def test_a_deadline_of_now_is_in_time_and_a_second_ago_is_not(
    house: House, platform: int, license_id: int
) -> None:
    deadline = house.now() + 100
    report = house.report(platform, [row(license_id, UNIT)], deadline=deadline)
    mine_at(deadline - 1)
    next_at(deadline)
    house.submit(report)
    late = house.report(platform, [row(license_id, UNIT)], end=deadline, deadline=deadline)
    next_at(deadline + 1)
    with refused("DeadlinePassed", house.report_id(late), deadline):
        house.submit(late)
    assert stream(house, platform)[1] == 1
