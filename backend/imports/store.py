"""Storing, correcting and withdrawing catalogues, each in one unit of work."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.actions.license_acts import forbidden_payees
from backend.db.service_db import Act, Catalogue, CatalogueLine, CatalogueState, LineState
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents.canonical import sha256
from obbligato.documents.catalog_csv import (
    LINE,
    Correction,
    FileLine,
    read_corrections,
    read_file,
)
from obbligato.errors import NotFound
from obbligato.schemas.act_states import ActState
from obbligato.schemas.catalogue_lines import Defaults
from obbligato.server.http import Problem

MOST_ERRORS: Final = 100
"""How many errors the answer to a refused file of corrections lists."""

_NO_KEY: Final = "none "
"""Begins a key that no request can have: headers hold no space."""


def store_catalogue(
    services: Services, caller: Caller, data: bytes, defaults: Defaults, key: str | None
) -> Catalogue:
    """The catalogue of a file, its lines waiting to be checked. The same file under the same key is the same one.

    Raises InputError naming line, column or default, Problem 409 and 413.
    """
    catalogue = Catalogue(
        id=secrets.token_hex(16),
        made_by=caller.account,
        owner=defaults.owner,
        idempotency_key=key or _NO_KEY + secrets.token_hex(16),
        file_digest=sha256(data),
        defaults=defaults.as_json(),
        state=CatalogueState.READING,
        lines=0,
        created_at=services.now(),
    )
    known = _earlier_import(services, catalogue)
    if known is not None:
        return known
    defaults.payees.split(defaults.owner, forbidden=forbidden_payees(services))
    lines = read_file(data)
    catalogue.lines = len(lines)
    try:
        with services.service_db.work() as session:
            session.add(catalogue)
            session.flush()
            session.execute(insert(CatalogueLine), [_row(catalogue.id, each) for each in lines])
    except IntegrityError:
        # The same request, sent twice at once.
        known = _earlier_import(services, catalogue)
        if known is None:
            raise
        return known
    return catalogue


def find(services: Services, caller: Caller, catalogue_id: str) -> Catalogue:
    """A catalogue that the caller may see. Raises NotFound, Problem 403."""
    with services.service_db.reading() as session:
        catalogue = session.get(Catalogue, catalogue_id)
        if catalogue is None:
            raise NotFound("there is no such catalogue")
        if caller.account not in (catalogue.made_by, catalogue.owner) and not _owns_lines(
            session, catalogue_id, caller.account
        ):
            raise Problem(
                403,
                "Not your catalogue",
                "Only who made it may see it, and owners their own lines.",
                field="catalogue_id",
            )
    return catalogue


def find_own_catalogue(services: Services, caller: Caller, catalogue_id: str) -> Catalogue:
    """A catalogue that the caller made. Raises NotFound, Problem 403."""
    catalogue = find(services, caller, catalogue_id)
    if catalogue.made_by != caller.account:
        raise Problem(
            403, "Not your catalogue", "Only who made it can change it.", field="catalogue_id"
        )
    return catalogue


def correct(services: Services, caller: Caller, catalogue_id: str, data: bytes) -> Catalogue:
    """Replace refused lines, which are then validated again: all lines of the file, or none.

    Raises InputError, NotFound, Problem 403, 409 while lines are still being checked, 413, 422 with every line
    that cannot be corrected.
    """
    find_own_catalogue(services, caller, catalogue_id)
    corrections = read_corrections(data)
    with services.service_db.work() as session:
        catalogue = session.get_one(Catalogue, catalogue_id, with_for_update=True)
        if catalogue.state != CatalogueState.READY:
            reason = (
                "It is withdrawn."
                if catalogue.state == CatalogueState.WITHDRAWN
                else "Its lines are still being checked: try again in a moment."
            )
            raise Problem(409, "Not now", reason, field="catalogue_id")
        refused = {
            each.line: each
            for each in session.scalars(
                select(CatalogueLine).where(
                    CatalogueLine.catalogue_id == catalogue_id,
                    CatalogueLine.state == LineState.REFUSED,
                )
            )
        }
        corrected = _cells_by_line(corrections, refused)
        for number, cells in corrected.items():
            _wait_again(refused[number], cells)
        for line in refused.values():
            if any(error.get("other_line") in corrected for error in line.errors):
                _wait_again(line, line.cells)
        catalogue.state = CatalogueState.READING
    return catalogue


def withdraw(services: Services, caller: Caller, catalogue_id: str) -> None:
    """Withdraw a catalogue and its acts that nobody signed. Raises NotFound, Problem 403."""
    find_own_catalogue(services, caller, catalogue_id)
    with services.service_db.work() as session:
        catalogue = session.get_one(Catalogue, catalogue_id, with_for_update=True)
        catalogue.state = CatalogueState.WITHDRAWN
        session.execute(
            update(Act)
            .where(Act.catalogue_id == catalogue_id, Act.state == ActState.PREPARED)
            .values(state=ActState.WITHDRAWN, updated_at=services.now())
        )


def counts(session: Session, catalogue_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many lines of each catalogue are in each state."""
    numbers: dict[str, dict[str, int]] = {each: {} for each in catalogue_ids}
    for catalogue_id, state, number in session.execute(
        select(CatalogueLine.catalogue_id, CatalogueLine.state, func.count())
        .where(CatalogueLine.catalogue_id.in_(catalogue_ids))
        .group_by(CatalogueLine.catalogue_id, CatalogueLine.state)
    ):
        numbers[catalogue_id][state] = number
    return numbers


def _earlier_import(services: Services, catalogue: Catalogue) -> Catalogue | None:
    with services.service_db.reading() as session:
        known = session.scalars(
            select(Catalogue).where(
                Catalogue.made_by == catalogue.made_by,
                Catalogue.idempotency_key == catalogue.idempotency_key,
            )
        ).one_or_none()
    if known is not None and (
        known.file_digest != catalogue.file_digest
        or known.owner != catalogue.owner
        or known.defaults != catalogue.defaults
    ):
        raise Problem(
            409,
            "Another request had this key",
            "This Idempotency-Key was sent before with another file or other defaults: use a new one.",
            field="Idempotency-Key",
        )
    return known


def _owns_lines(session: Session, catalogue_id: str, account: str) -> bool:
    query = select(CatalogueLine.line).where(
        CatalogueLine.catalogue_id == catalogue_id, CatalogueLine.owner == account
    )
    return session.scalar(query.limit(1)) is not None


def _row(catalogue_id: str, read: FileLine) -> dict[str, Any]:
    return {
        "catalogue_id": catalogue_id,
        "line": read.line,
        "cells": read.cells,
        "state": LineState.WAITING if read.problem is None else LineState.REFUSED,
        "errors": [] if read.problem is None else [{"field": LINE, "reason": read.problem}],
        "warnings": [],
    }


def _cells_by_line(
    corrections: Sequence[Correction], refused: Mapping[int, CatalogueLine]
) -> dict[int, dict[str, str]]:
    """The new cells by line of the catalogue. Raises Problem 422 with everything that is wrong."""
    cells: dict[int, dict[str, str]] = {}
    errors = []
    for each in corrections:
        reason = each.problem
        if each.line is None or each.line not in refused:
            reason = f"{each.label[:20]!r} is no refused line of this catalogue"
        elif each.line in cells:
            reason = f"line {each.line} is there twice"
        else:
            cells[each.line] = each.cells
        if reason is not None:
            errors.append({"field": LINE, "reason": f"line {each.file_line} of the file: {reason}"})
    if errors:
        raise Problem(
            422,
            "The input is wrong",
            "; ".join(each["reason"] for each in errors[:5]),
            field=LINE,
            errors=errors[:MOST_ERRORS],
        )
    return cells


def _wait_again(line: CatalogueLine, cells: dict[str, str]) -> None:
    line.cells, line.state, line.errors, line.warnings = cells, LineState.WAITING, [], []
