"""Which lines of a catalogue somebody may mint: their own, and those of owners who made them their operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from backend.actions.calls import REGISTRY
from backend.db.head import read_head
from backend.db.index_db import License, Operator
from backend.db.service_db import CatalogueLine
from backend.imports.mint_tracker import Mint, living_mints
from backend.services import Services
from obbligato.chain.follower import BlockId, events_after

MOST_SKIPPED: Final = 100
"""The most owners without approval that an answer lists."""
_MOST_OWNERS: Final = 400


@dataclass(frozen=True, slots=True)
class SkippedLines:
    """Lines of one owner that cannot be minted by the caller."""

    owner: str
    lines: int
    first_line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Mintable:
    """Lines that can be minted now, in the order of the file, and the owners whose lines cannot."""

    lines: list[CatalogueLine]
    left_out: list[SkippedLines]


def mintable(
    services: Services,
    account: str,
    catalogue_id: str,
    states: Sequence[str],
    most: int,
    *,
    own: bool,
) -> Mintable:
    """Up to `most` lines in these states; `own`: only those of the account itself. Raises ChainError, NotFound.

    The index names the operators; the chain confirms them for the owners whose lines are chosen.
    """
    if own:
        return Mintable(_lines(services, catalogue_id, states, [account], most), [])
    owners = _owners(services, catalogue_id, states)
    with services.index_db.reading() as session:
        head = read_head(session)
        approved = set(
            session.scalars(
                select(Operator.owner).where(
                    Operator.operator == account, Operator.approved.is_(True)
                )
            )
        )
    unknown = [owner for owner in owners if owner not in approved and owner != account]
    # Who approved a moment ago is not in the index yet: the chain is asked about the first of them.
    approved.update(_approving_owners(services, account, unknown[:MOST_SKIPPED]))
    allowed = [owner for owner in owners if owner == account or owner in approved]
    refused = [owner for owner in owners if owner != account and owner not in approved]
    chosen = _lines(services, catalogue_id, states, allowed, most)
    others = sorted({str(line.owner) for line in chosen} - {account})
    sure = {account, *_approving_owners(services, account, others)}
    refused += [owner for owner in others if owner not in sure]
    lines = [line for line in chosen if line.owner in sure]
    reason = f"has not made {account} its operator (as of block {head.head_number}): ask for its signature first"
    left_out = [SkippedLines(owner, *owners[owner], reason) for owner in refused[:MOST_SKIPPED]]
    return Mintable(lines, left_out)


def already_minted(services: Services, lines: Sequence[CatalogueLine]) -> set[int]:
    """The lines that are licences already without being marked as minted, also in blocks that the index has not read.

    Raises ChainError, NotFound.
    """
    if not lines:
        return set()
    contents = sorted({bytes(line.content or b"") for line in lines})
    with services.index_db.reading() as session:
        head = read_head(session)
        known = living_mints(session, License.content.in_(contents), head.head_time)
    events = events_after(
        services.chain,
        BlockId(head.head_number, head.head_hash),
        finality=services.settings.finality,
        contracts=[REGISTRY],
    )
    later = [
        Mint(event["licenseId"], event["owner"], event["document"], event["content"], event.block)
        for event in events
        if event.name == "LicenseMinted"
    ]
    mints = [*known, *later]
    return {line.line for line in lines if any(mint.is_of(line) for mint in mints)}


def _owners(
    services: Services, catalogue_id: str, states: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """By owner, how many lines and the first of them; in the order of the file."""
    first = func.min(CatalogueLine.line)
    with services.service_db.reading() as session:
        rows = session.execute(
            select(CatalogueLine.owner, func.count(), first)
            .where(CatalogueLine.catalogue_id == catalogue_id, CatalogueLine.state.in_(states))
            .group_by(CatalogueLine.owner)
            .order_by(first)
        )
        return {str(owner): (number, line) for owner, number, line in rows}


def _approving_owners(services: Services, account: str, owners: Sequence[str]) -> set[str]:
    """The owners who have the account as their operator, as the chain says right now."""
    return {
        owner
        for owner in owners
        if services.chain.call(REGISTRY, "isApprovedForAll", owner, account)
    }


def _lines(
    services: Services,
    catalogue_id: str,
    states: Sequence[str],
    owners: Sequence[str],
    most: int,
) -> list[CatalogueLine]:
    lines: list[CatalogueLine] = []
    with services.service_db.reading() as session:
        for start in range(0, len(owners), _MOST_OWNERS):
            lines += session.scalars(
                select(CatalogueLine)
                .where(
                    CatalogueLine.catalogue_id == catalogue_id,
                    CatalogueLine.state.in_(states),
                    CatalogueLine.owner.in_(owners[start : start + _MOST_OWNERS]),
                )
                .order_by(CatalogueLine.line)
                .limit(most)
            ).all()
    return sorted(lines, key=lambda line: line.line)[:most]
