"""The shortest whole path: opt in, report, attest, settle, claim."""

from __future__ import annotations

from obbligato.protocol.constants import Pricing
from tests.contracts.protocol import (
    ARTIST,
    ATTESTERS,
    LABEL,
    PLATFORM_ADMIN,
    RELAY,
    UNIT,
    DeployedProtocol,
    refused,
    row,
    split,
)


def test_an_artist_is_paid_for_attested_use(protocol: DeployedProtocol) -> None:
    pays = split((ARTIST, 700_000), (LABEL, 300_000))
    license_id = protocol.license(pays=pays)
    platform = protocol.platform()
    protocol.wait(30 * 86_400)

    # 12 345 generations at 1 000 millionths each: 12.345 dollars.
    report = protocol.settled(platform, [row(license_id, 12_345 * UNIT)])
    assert report.header.total == 12_345_000

    protocol.vault.claim(ARTIST, [protocol.split_id(pays)], {"from": RELAY})
    protocol.vault.claim(LABEL, [protocol.split_id(pays)], {"from": RELAY})
    assert protocol.token.balanceOf(ARTIST) == 8_641_500
    assert protocol.token.balanceOf(LABEL) == 3_703_500


def test_a_report_without_a_quorum_is_refused(protocol: DeployedProtocol) -> None:
    license_id = protocol.license()
    platform = protocol.platform()
    protocol.wait(30 * 86_400)
    report = protocol.report(platform, [row(license_id, UNIT)])
    with refused("QuorumMissing", 2, 3):
        protocol.submit(report, signers=ATTESTERS[:2])
    with refused("EscrowShort", platform, 1_000_000_000, 1_000_000_001):
        protocol.vault.thaw(platform, 1_000_000_001, {"from": PLATFORM_ADMIN})
    with refused("PeriodInvalid", 5, 5):
        protocol.registry.price(b"", 5, 5, 1, 0)


def test_a_pool_is_shared_by_weight(protocol: DeployedProtocol) -> None:
    first, second = protocol.license(), protocol.license()
    platform = protocol.platform()
    protocol.wait(30 * 86_400)
    report = protocol.report(
        platform, [row(first, UNIT), row(second, 2 * UNIT)], pricing=Pricing.POOL, total=10_000
    )
    protocol.submit(report)
    # 10 000 in the ratio 1 : 2, prefix by prefix: 3 333 and 6 667.
    assert report.credits.hex() == "00000001" + f"{3333:016x}" + "00000001" + f"{6667:016x}"
