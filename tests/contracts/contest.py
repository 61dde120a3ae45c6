"""What the tests of money and disputes share: challenges in one call, and the books that must always balance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from brownie import Wei, accounts, project
from eth_hash.auto import keccak

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rulings import challenge_digest
from tests.contracts.moments import ask_all
from tests.contracts.protocol import DEPLOYER, KEYS, MODEL, DeployedProtocol, Report

DEAD = "0x000000000000000000000000000000000000dEaD"
EVIDENCE = keccak(b"what the challenger knows")
MINIMUM = 5_000_000
"""The minimum bond of a challenge: five dollars."""


def own_contracts(protocol: DeployedProtocol) -> list[str]:
    """The contracts of a deployment and its token: money sent to one of them is lost."""
    p = protocol
    parts = (p.token, p.vault, p.registry, p.grants, p.oracle, p.disputes)
    return [part.address for part in parts]


class Escrow(NamedTuple):
    """A platform's money outside of reserves."""

    available: int
    thawing: int
    bond: int
    thaw_ends_at: int
    obligations: int


class Challenge(NamedTuple):
    """A challenge as the chain keeps it, in the order of `Types.sol`."""

    report_id: Any
    row_key: Any
    challenger: str
    opened_at: int
    platform: int
    state: int
    reported: int
    claimed: int
    amount: int
    bond: int
    numerator: int
    denominator: int
    split_id: int
    disputed_since: int


class RowRecord(NamedTuple):
    """What rulings have made of a row."""

    quantity: int
    amount: int
    reopen_until: int
    open_challenge: int
    open_reduction: int
    ruled: bool


class Arrears(NamedTuple):
    """What a platform still owes from a ruling."""

    platform: int
    split_id: int
    owed: int
    penalty: int
    challenger: str


OPEN, RULED, LAPSED = 1, 2, 3
"""States of a challenge and of a rival claim."""
NONE, UNFUNDED, PENDING, SETTLED = range(4)
"""States of a report."""


def deploy(name: str, *arguments: Any) -> Any:
    """A contract of the project by its name."""
    return getattr(project.get_loaded_projects()[0], name).deploy(*arguments, {"from": DEPLOYER})


def acting_as(contract: Any) -> dict[str, Any]:
    """Transaction settings that let a contract of the deployment call, as no code of its own would."""
    return {"from": accounts.at(contract.address, force=True)}


def escrow(protocol: DeployedProtocol, platform: int) -> Escrow:
    return Escrow(*_plain(protocol.vault.escrowOf(platform)))


def _plain(found: Iterable[Any]) -> list[Any]:
    """Brownie's own kind of integer as plain ones, which the rules ask for."""
    return [int(value) if type(value) is Wei else value for value in found]


def received(protocol: DeployedProtocol, license_id: int) -> int:
    """Token units that the licence's split has been paid so far."""
    return int(protocol.vault.receivedOf(protocol.registry.licenseOf(license_id)[6]))


def window_end(protocol: DeployedProtocol, report: Report) -> int:
    """When the challenge window of a report ends."""
    return int(protocol.oracle.reportOf(protocol.report_id(report))[4])


def state(protocol: DeployedProtocol, report: Report) -> int:
    return int(protocol.oracle.reportOf(protocol.report_id(report))[1])


def stream(
    protocol: DeployedProtocol, platform: int, model: bytes = MODEL
) -> tuple[bytes, int, int]:
    """(last report, sequence, covered until)"""
    last, sequence, covered = protocol.oracle.streamOf(platform, model)
    return bytes(last), int(sequence), int(covered)


def standing(protocol: DeployedProtocol, platform: int) -> tuple[Any, ...]:
    """What a refused submission must leave as it was."""
    reserved = protocol.vault.reservedOf(protocol.oracle, platform)
    return stream(protocol, platform), escrow(protocol, platform), reserved


def challenge_of(protocol: DeployedProtocol, challenge_id: int) -> Challenge:
    return Challenge(*_plain(protocol.disputes.challengeOf(challenge_id)))


def rule_challenge(
    protocol: DeployedProtocol, challenge_id: int, quantity: int, settings: dict[str, Any]
) -> Any:
    """Rule on a challenge as it stands."""
    c = challenge_of(protocol, challenge_id)
    digest = challenge_digest(
        bytes(c.row_key), challenger=c.challenger, reported=c.reported, claimed=c.claimed
    )
    return protocol.disputes.rule(challenge_id, quantity, digest, settings)


def arrears_of(protocol: DeployedProtocol, challenge_id: int) -> Arrears:
    return Arrears(*_plain(protocol.disputes.arrearsOf(challenge_id)))


def record_of(
    protocol: DeployedProtocol,
    report: Report,
    license_id: int,
    tier: Tier = Tier.GENERATIVE,
    metric: Metric = Metric.GENERATION,
) -> RowRecord:
    found = protocol.disputes.rowRecordOf(
        protocol.report_id(report), license_id, int(tier), int(metric)
    )
    return RowRecord(*_plain(found))


def row_claim(
    license_id: int,
    quantity: int,
    tier: int = Tier.GENERATIVE,
    metric: int = Metric.GENERATION,
) -> tuple[Any, ...]:
    """The `RowClaim` struct."""
    return (license_id, int(tier), int(metric), quantity, EVIDENCE)


def challenge(
    protocol: DeployedProtocol,
    report: Report,
    license_id: int,
    quantity: int,
    *,
    by: str,
    tier: int = Tier.GENERATIVE,
    metric: int = Metric.GENERATION,
    bond_splits: Sequence[int] = (),
    case: tuple[Any, ...] | None = None,
) -> int:
    """Challenge a row directly. The challenge's id."""
    tx = protocol.disputes.challenge(
        report.case if case is None else case,
        row_claim(license_id, quantity, tier, metric),
        list(bond_splits),
        {"from": by},
    )
    return int(tx.return_value)


def packed_credits(*pairs: tuple[int, int]) -> bytes:
    """Credits as the chain packs them, `splitId 4 | amount 8`, valid or not."""
    return b"".join(split.to_bytes(4, "big") + amount.to_bytes(8, "big") for split, amount in pairs)


def check_books(
    protocol: DeployedProtocol,
    payees: Iterable[str] = (),
    modules: Iterable[str] = (),
    stranded: int = 0,
) -> None:
    """All that the vault owes anyone is exactly what it holds, and no split has paid more than it received.

    `stranded` is what came in for splits that were full: the vault holds it and owes it to nobody.
    """
    v = protocol.vault
    platforms = range(1, v.platformCount() + 1)
    splits = range(1, v.splitCount() + 1)
    people = [*(key.address for key in KEYS), DEAD, *payees]
    core = [protocol.oracle.address, protocol.disputes.address, *modules]

    escrows = [Escrow(*found) for found in ask_all([(v.escrowOf, (p,)) for p in platforms])]
    reserved = ask_all([(v.reservedOf, (m, p)) for m in core for p in platforms])
    received = ask_all([(v.receivedOf, (s,)) for s in splits])
    positions = ask_all([(v.positionOf, (s, a)) for s in splits for a in people])
    refunds = ask_all([(v.refundOf, (a,)) for a in people])

    claimed = [
        sum(positions[i * len(people) + j][1] for j in range(len(people)))
        for i in range(len(splits))
    ]
    for split_id, taken, came_in in zip(splits, claimed, received, strict=True):
        assert taken <= came_in, f"split {split_id} paid {taken} of {came_in}"
    owed = (
        sum(e.available + e.thawing + e.bond for e in escrows)
        + sum(reserved)
        + v.challengeBonds()
        + sum(received)
        - sum(claimed)
        + sum(refunds)
    )
    assert protocol.token.balanceOf(v) == owed + stranded
