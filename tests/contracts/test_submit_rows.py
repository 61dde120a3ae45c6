"""Rows of a report: what is refused by name, what they cost, and a thousand of them."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.eip712 import Contract
from obbligato.protocol.rows import Row, unpack_credits
from obbligato.protocol.typed_data import Attestation
from tests.contracts.contest import deploy, standing
from tests.contracts.licensing import packed_row
from tests.contracts.protocol import (
    ARTIST,
    ATTESTERS,
    CONTENT,
    DAY,
    DOLLAR,
    KEY_OF,
    RELAY,
    REPORTER,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
    terms,
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


# ---- rows ---------------------------------------------------------------------------------------------------------


def test_header_and_rows_must_agree(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    rows = [row(license_id, UNIT)]
    with refused("RowCountMismatch", 2, 1):
        protocol.submit(protocol.report(platform, rows, row_count=2))
    with refused("RowCountMismatch", 0, 1):
        protocol.submit(protocol.report(platform, rows, row_count=0))
    wrong = keccak(b"other rows")
    with refused("RowsDigestMismatch", wrong, keccak(protocol.report(platform, rows).rows)):
        protocol.submit(protocol.report(platform, rows, rows_digest=wrong))


def test_a_total_one_unit_off_is_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    before = standing(protocol, platform)
    for total in (999, 1_001):
        with refused("TotalMismatch", total, 1_000):
            protocol.submit(protocol.report(platform, [row(license_id, UNIT)], total=total))
    assert standing(protocol, platform) == before


def test_bad_rows_are_refused_by_name(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    g, m = int(Tier.GENERATIVE), int(Metric.GENERATION)
    good = packed_row(license_id, g, m, UNIT)
    before = standing(protocol, platform)
    cases = [
        ("UnknownLicense", (999,), packed_row(999, g, m, UNIT)),
        ("NoConsent", (license_id, 6, m), packed_row(license_id, 6, m, UNIT)),
        ("UnknownTier", (license_id, 7), packed_row(license_id, 7, m, UNIT)),
        ("UnknownMetric", (license_id, g, 4), packed_row(license_id, g, 4, UNIT)),
        ("UnknownMetric", (license_id, g, 0), packed_row(license_id, g, 0, UNIT)),
        ("QuantityZero", (license_id, g, m), packed_row(license_id, g, m, 0)),
        ("RowsNotAscending", (license_id, g, m), good + good),
        ("RowsNotAscending", (license_id, 2, m), good + packed_row(license_id, 2, m, UNIT)),
        ("AmountTooLarge", (license_id, g, 1), packed_row(license_id, g, 1, 2**64 - 1)),
        ("RowsMalformed", (15,), good + b"\0"),
    ]
    for name, arguments, packed in cases:
        with refused(name, *arguments):
            protocol.submit(protocol.report(platform, packed, total=0))
    with refused("UnknownPricing", 3):
        submit_with_pricing(protocol, protocol.report(platform, [row(license_id, UNIT)]), 3)
    assert standing(protocol, platform) == before


def submit_with_pricing(protocol: DeployedProtocol, report: Report, pricing: int) -> None:
    """A pricing that the library would not sign: the struct's hash by hand."""
    header = report.header
    words = [header.type_hash]
    raw = [*report.raw[:7], pricing, *report.raw[8:]]
    words += [
        value if isinstance(value, bytes) else int(value).to_bytes(32, "big") for value in raw
    ]
    domain = protocol.domains[Contract.USAGE_ORACLE]
    digest = keccak(b"\x19\x01" + domain.separator + keccak(b"".join(words)))
    signed = KEY_OF[REPORTER].unsafe_sign_hash(digest).signature
    message = Attestation(report_id=digest, config_version=1)
    ordered = sorted(ATTESTERS[:3], key=lambda account: int(account, 16))
    packed = b"".join(protocol.sign(message, one) for one in ordered)
    protocol.oracle.submit(
        tuple(raw), report.rows, REPORTER, bytes(signed), 1, packed, {"from": RELAY}
    )


def test_the_credits_are_those_of_the_rules(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    second = protocol.license(owner=STRANGER)
    rows = [
        row(license_id, 333_333, Tier.TRAINING, Metric.TRAINING_RUN),
        row(license_id, 1_999_999, Tier.GENERATIVE, Metric.PLAYBACK),
        Row(license_id=second, tier=Tier.GENERATIVE, metric=Metric.GENERATION, quantity=7 * UNIT),
    ]
    protocol.wait(10)
    report = protocol.report(platform, rows)
    protocol.submit(report)
    # 0.333333 x 2 dollars, 1.999999 x 500, 7 x 1 000: 666 666.0, 999.9995 and 7 000.
    assert [credit.amount for credit in unpack_credits(report.credits)] == [666_666, 999, 7_000]
    assert report.header.total == 674_665
    assert [credit.split_id for credit in unpack_credits(report.credits)] == [
        protocol.registry.licenseOf(one)[6] for one in (license_id, license_id, second)
    ]


# ---- a thousand rows ----------------------------------------------------------------------------------------------

TRANSACTION_GAS = 16_777_216
"""EIP-7825: no transaction may use more."""


def test_a_thousand_rows_of_splits_that_share_no_storage_fit_in_a_transaction(
    protocol: DeployedProtocol,
) -> None:
    # The dearest report there is: each row is another licence and pays another split, every fourth of those that
    # exist, so that each credit writes a storage word of its own, and none of the splits was ever paid before.
    first = 0x10000
    bulk = deploy("BulkSplits")
    before = protocol.vault.splitCount()
    for start in range(0, 4_000, 500):
        bulk.internEach(protocol.vault, first + start, 500, {"from": RELAY})
    assert protocol.vault.splitCount() == before + 4_000
    offer = protocol.intern_terms(terms())
    accounts = [f"0x{first + number:040x}" for number in range(0, 4_000, 4)]
    items = [
        (ARTIST, offer, split((account, 1_000_000)).digest(), keccak(account.encode()), CONTENT)
        for account in accounts
    ]
    minted: list[int] = []
    for start in range(0, 1_000, 250):
        batch = protocol.registry.mintBatch(items[start : start + 250], {"from": ARTIST})
        minted += range(batch.return_value, batch.return_value + 250)
    platform = protocol.platform(DOLLAR)
    protocol.wait(DAY)
    report = protocol.report(platform, [row(one, UNIT) for one in minted])
    assert report.header.total == 1_000 * 1_000
    assert protocol.submit(report).gas_used < TRANSACTION_GAS
    protocol.pass_window()
    assert protocol.settle(report).gas_used < TRANSACTION_GAS
    assert {
        protocol.vault.receivedOf(one[6]) for one in map(protocol.registry.licenseOf, minted[::100])
    } == {1_000}


def test_one_row_more_than_a_thousand_is_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    packed = b"".join(packed_row(license_id + number, 3, 2, UNIT) for number in range(1_001))
    with refused("TooManyRows", 1_001, 1_000):
        protocol.submit(protocol.report(platform, packed, total=0))
