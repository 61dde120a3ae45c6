"""Minting prepared lines: as transactions of the caller's own wallet, or as acts to be signed one by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from backend.actions.calls import REGISTRY, Call, Prerequisite, hexadecimal, split_step, terms_step
from backend.actions.license_acts import document_of, mint_of
from backend.actions.store import missing_block, store_act
from backend.db.service_db import Act, CatalogueLine, CatalogueState, LineState
from backend.http.callers import Caller
from backend.imports.permissions import Mintable, SkippedLines, already_minted, mintable
from backend.imports.store import find
from backend.imports.worker import WRITERS
from backend.services import Services
from obbligato.documents.cid import cid_from_digest
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.act_states import ActState
from obbligato.server.http import Problem
from obbligato.store import StoreError

MOST_IN_BATCH: Final = 140
"""Licences of one transaction: to a new owner each takes 102 000 gas, wallets add a tenth, and a transaction has at
most 16 777 216 (EIP-7825)."""
MOST_ACTS: Final = 100

_DEAD: Final = (ActState.FAILED, ActState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Batch:
    """What to send, in this order, and what it mints."""

    calls: list[tuple[str, Call]]
    """Each with its purpose in words."""
    lines: list[CatalogueLine]
    left_out: list[SkippedLines]


def prepare_batch(
    services: Services, caller: Caller, catalogue_id: str, most: int, *, again: bool
) -> Batch:
    """Up to `most` lines of owners who let the caller mint, as transactions of its wallet.

    `again`: of those that were handed out before and are not minted. Raises NotFound, Problem 403 and 409, ChainError,
    StoreError; nothing is handed out then.
    """
    chosen = _choose_lines(services, caller, catalogue_id, most, again=again)
    _check_blocks(services, chosen.lines)
    if not chosen.lines:
        return Batch([], [], chosen.left_out)
    calls = [
        (f"intern {step.purpose}", step.call)
        for step in _steps(chosen.lines)
        if not step.is_done(services.chain)
    ]
    items = [
        [
            line.owner,
            _digest(line.terms),
            _digest(line.split),
            hexadecimal(line.document or b""),
            hexadecimal(line.content or b""),
        ]
        for line in chosen.lines
    ]
    calls.append((f"mint {len(items)} licences", Call(REGISTRY, "mintBatch", [items])))
    _mark(services, catalogue_id, chosen.lines)
    return Batch(calls, chosen.lines, chosen.left_out)


def prepare_acts(
    services: Services, caller: Caller, catalogue_id: str, most: int, *, again: bool
) -> list[Act]:
    """Up to `most` of the caller's own lines as acts that it signs; one that still waits for that is not made anew.

    Raises as `offer_batch` does.
    """
    chosen = _choose_lines(services, caller, catalogue_id, most, again=again, own=True)
    acts = []
    for line in chosen.lines:
        act = _open_act(services, catalogue_id, line) or _new_act(services, caller, line)
        _mark(services, catalogue_id, [line])
        acts.append(act)
    return acts


def _choose_lines(
    services: Services,
    caller: Caller,
    catalogue_id: str,
    most: int,
    *,
    again: bool,
    own: bool = False,
) -> Mintable:
    catalogue = find(services, caller, catalogue_id)
    if catalogue.state == CatalogueState.WITHDRAWN:
        raise Problem(409, "Withdrawn", "This catalogue is withdrawn.", field="catalogue_id")
    states = [LineState.OFFERED if again else LineState.PREPARED]
    # Who did not make the catalogue is here for lines of its own.
    own = own or catalogue.made_by != caller.account
    chosen = mintable(services, caller.account, catalogue_id, states, most, own=own)
    minted = already_minted(services, chosen.lines)
    return Mintable([each for each in chosen.lines if each.line not in minted], chosen.left_out)


def _check_blocks(services: Services, lines: Sequence[CatalogueLine]) -> None:
    """Raises StoreError where a document cannot be read: it would be minted with nothing behind it."""
    cids = [cid_from_digest(line.document or b"") for line in lines]
    with ThreadPoolExecutor(WRITERS) as readers:
        for reason in readers.map(lambda cid: missing_block(services.store, [cid]), cids):
            if reason is not None:
                raise StoreError(f"nothing was handed out, try again: {reason}")


def _steps(lines: Sequence[CatalogueLine]) -> list[Prerequisite]:
    """The terms and splits to intern, once each."""
    steps: dict[str, Prerequisite] = {}
    for line in lines:
        for digest, make in (
            (_digest(line.terms), _terms_step),
            (_digest(line.split), _split_step),
        ):
            if digest not in steps:
                steps[digest] = make(line)
    return list(steps.values())


def _terms_step(line: CatalogueLine) -> Prerequisite:
    return terms_step(Terms.read(_without_digest(line.terms)))


def _split_step(line: CatalogueLine) -> Prerequisite:
    return split_step(split_of(line))


def split_of(line: CatalogueLine) -> Split:
    """Who is paid for a prepared line."""
    return Split.read(_without_digest(line.split))


def _without_digest(stored: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (stored or {}).items() if name != "digest"}


def _digest(stored: dict[str, Any] | None) -> str:
    return str((stored or {})["digest"])


def _open_act(services: Services, catalogue_id: str, line: CatalogueLine) -> Act | None:
    """The act of this line that waits for a signature or was signed."""
    with services.service_db.reading() as session:
        acts = session.scalars(
            select(Act)
            .where(
                Act.document == line.document,
                Act.catalogue_id == catalogue_id,
                Act.account == line.owner,
                Act.state.not_in(_DEAD),
            )
            .order_by(Act.created_at.desc())
        ).all()
    now = services.now()
    return next((a for a in acts if a.state != ActState.PREPARED or a.deadline > now), None)


def _new_act(services: Services, caller: Caller, line: CatalogueLine) -> Act:
    document = document_of(services.store, line.document or b"")
    prepared = mint_of(services, caller.account, document, split_of(line), line.catalogue_id)
    return store_act(services, caller, prepared)


def _mark(services: Services, catalogue_id: str, lines: Collection[CatalogueLine]) -> None:
    """Mark lines as offered; those that left the state PREPARED meanwhile stay as they are."""
    with services.service_db.work() as session:
        rows = session.scalars(
            select(CatalogueLine)
            .where(
                CatalogueLine.catalogue_id == catalogue_id,
                CatalogueLine.line.in_([line.line for line in lines]),
                CatalogueLine.state == LineState.PREPARED,
            )
            .with_for_update()
        )
        for row in rows:
            row.state = LineState.OFFERED
