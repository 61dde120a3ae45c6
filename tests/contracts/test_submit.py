"""Submitting: who signed it, where it stands in its stream, what it says, what it costs."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.quorum import CURVE_ORDER, recover_signer
from obbligato.protocol.typed_data import Attestation, sign
from tests.contracts.contest import PENDING, deploy, escrow, standing, state, stream
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
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
    DeployedProtocol,
    refused,
    row,
)

WINDOW = 7 * DAY


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license()


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    """A platform with a thousand dollars, thirty days after the licence was minted."""
    made = protocol.platform(1_000 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


# ---- what is recorded ---------------------------------------------------------------------------------------------


def test_a_report_is_recorded_priced_and_reserved(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, 3 * UNIT)])
    tx = protocol.submit(report, sender=STRANGER)
    assert bytes(tx.return_value) == protocol.report_id(report)
    stored = protocol.oracle.reportOf(protocol.report_id(report))
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
    assert escrow(protocol, platform).available == 1_000 * DOLLAR - 3_000
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 3_000
    assert stream(protocol, platform) == (protocol.report_id(report), 1, report.header.period_end)


def test_a_report_submitted_twice_is_refused_by_its_id(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    protocol.submit(report)
    before = standing(protocol, platform)
    with refused("ReportExists", protocol.report_id(report)):
        protocol.submit(report)
    # Other attesters of the same report make no other report.
    with refused("ReportExists", protocol.report_id(report)):
        protocol.submit(report, signers=ATTESTERS[1:])
    assert standing(protocol, platform) == before


def test_rows_of_no_price_are_recorded_and_pay_nothing(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    # One millionth of a generation at a thousandth of a dollar is less than one unit of money.
    report = protocol.report(platform, [row(license_id, 999)])
    protocol.submit(report)
    assert (report.header.total, state(protocol, report)) == (0, PENDING)
    protocol.pass_window()
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 0


# ---- who signed ---------------------------------------------------------------------------------------------------


def test_only_a_reporter_of_this_platform_signs_its_reports(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    protocol.platform(DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    report = protocol.report(platform, [row(license_id, UNIT)])
    before = standing(protocol, platform)
    for account in (STRANGER, PLATFORM_ADMIN, RIVAL_REPORTER):
        with refused("ReporterUnknown", platform, account):
            protocol.submit(report, reporter=account)
    with refused("ReporterUnknown", 99, REPORTER):
        protocol.submit(protocol.report(99, [row(license_id, UNIT)]))
    good = protocol.sign(report.header, REPORTER)
    upper = CURVE_ORDER - int.from_bytes(good[32:64], "big")
    high = good[:32] + upper.to_bytes(32, "big") + bytes([55 - good[64]])
    for forged in (protocol.sign(report.header, STRANGER), b"", b"\0" * 65, good[:-1], high):
        with refused("ReporterSignatureInvalid", REPORTER):
            protocol.submit(report, signature=forged)
    protocol.vault.setReporter(platform, REPORTER, False, {"from": PLATFORM_ADMIN})
    with refused("ReporterUnknown", platform, REPORTER):
        protocol.submit(report)
    assert standing(protocol, platform) == before


def test_a_wallet_contract_may_be_a_reporter(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    wallet = deploy("TestWallet", RIVAL_REPORTER)
    protocol.vault.setReporter(platform, wallet, True, {"from": PLATFORM_ADMIN})
    report = protocol.report(platform, [row(license_id, UNIT)])
    with refused("ReporterSignatureInvalid", wallet.address):
        protocol.submit(
            report, reporter=wallet.address, signature=protocol.sign(report.header, STRANGER)
        )
    signature = protocol.sign(report.header, RIVAL_REPORTER)
    tx = protocol.submit(report, reporter=wallet.address, signature=signature)
    assert tx.events["ReportSubmitted"]["reporter"] == wallet.address


def test_the_zero_address_reports_nothing_even_if_listed(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    nobody = "0x" + "00" * 20
    protocol.vault.setReporter(platform, nobody, True, {"from": PLATFORM_ADMIN})
    with refused("ReporterSignatureInvalid", nobody):
        protocol.submit(
            protocol.report(platform, [row(license_id, UNIT)]),
            reporter=nobody,
            signature=b"\1" * 64 + b"\x1b",
        )


def test_signatures_for_another_contract_or_chain_count_for_nothing(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    here = protocol.domains[Contract.USAGE_ORACLE]
    before = standing(protocol, platform)
    for changed in ({"chain_id": 1}, {"address": protocol.vault.address}):
        there = Domain(**{**here.model_dump(), **changed})
        with refused("ReporterSignatureInvalid", REPORTER):
            protocol.submit(report, signature=sign(report.header, there, KEY_OF[REPORTER]))
        message = Attestation(report_id=protocol.report_id(report), config_version=1)
        ordered = sorted(ATTESTERS, key=lambda account: int(account, 16))
        packed = b"".join(sign(message, there, KEY_OF[one]) for one in ordered)
        # Read as signatures of this deployment's message they are the signatures of addresses that nobody holds.
        nobody = recover_signer(message.digest(here), packed[:65])
        with refused("SignerUnknown", nobody, 1):
            protocol.submit(report, attestations=packed)
    assert standing(protocol, platform) == before


# ---- the quorum ---------------------------------------------------------------------------------------------------


def test_one_attester_counts_once(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    first, second = sorted(ATTESTERS, key=lambda account: int(account, 16))[:2]
    a, b = protocol.attest(report, [first]), protocol.attest(report, [second])
    with refused("SignersNotAscending", first):
        protocol.submit(report, attestations=a + a + b)
    with refused("SignersNotAscending", first):
        protocol.submit(report, attestations=b + a + a)
    with refused("QuorumMissing", 2, 3):
        protocol.submit(report, attestations=a + b)
    with refused("QuorumMissing", 0, 3):
        protocol.submit(report, attestations=b"")


def test_a_stranger_is_no_attester(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    for outsider in (STRANGER, REPORTER):
        with refused("SignerUnknown", outsider, 1):
            protocol.submit(report, signers=[*ATTESTERS[:2], outsider])


def test_signatures_of_another_length_or_in_the_upper_half_are_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    good = protocol.attest(report)
    with refused("AttestationsMalformed", 194):
        protocol.submit(report, attestations=good[:-1])
    with refused("AttestationsMalformed", 1):
        protocol.submit(report, attestations=b"\0")
    with refused("AttestationInvalid", 0):
        protocol.submit(report, attestations=b"\0" * 195)
    # The same curve point with s in the upper half: a second encoding of one signature.
    r, s, v = good[130:162], int.from_bytes(good[162:194], "big"), good[194]
    high = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    with refused("AttestationInvalid", 2):
        protocol.submit(report, attestations=good[:130] + high)
    protocol.submit(report, attestations=good)


def test_all_attesters_may_sign(protocol: DeployedProtocol, platform: int, license_id: int) -> None:
    report = protocol.report(platform, [row(license_id, UNIT)])
    protocol.submit(report, signers=ATTESTERS)
    assert state(protocol, report) == PENDING


# ---- in time ------------------------------------------------------------------------------------------------------


def test_a_deadline_of_now_is_in_time_and_a_second_ago_is_not(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    deadline = protocol.now() + 100
    report = protocol.report(platform, [row(license_id, UNIT)], deadline=deadline)
    mine_at(deadline - 1)
    next_at(deadline)
    protocol.submit(report)
    late = protocol.report(platform, [row(license_id, UNIT)], end=deadline, deadline=deadline)
    next_at(deadline + 1)
    with refused("DeadlinePassed", protocol.report_id(late), deadline):
        protocol.submit(late)
    assert stream(protocol, platform)[1] == 1
