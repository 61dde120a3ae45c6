"""Preparing the lines of a catalogue, some at a time: judged, their documents stored, the results kept together.

What is not kept is done again, and gives the same: a process may end at any moment, and two may work at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Counter
from sqlalchemy import select

from backend.actions.calls import hexadecimal
from backend.actions.license_acts import forbidden_payees
from backend.actions.store import store_blocks
from backend.db.head import read_head
from backend.db.service_db import Catalogue, CatalogueLine, CatalogueState, LineState
from backend.imports.existing_licenses import Licensed
from backend.imports.mint_tracker import MintFollower
from backend.imports.parsing import Errors, content_of, isrc_of
from backend.imports.validation import Defaults, Holders, Judge, Judged, Written
from backend.services import Services
from obbligato.protocol.eip712 import TypedStruct
from obbligato.server.alerts import Alerts

CHUNK: Final = 100
WRITERS: Final = 8
"""Blocks on their way to the store at once."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A line with what is known of it now."""

    line: int
    cells: dict[str, str]
    judged: Judged
    warnings: list[str]


class Preparer:
    """Prepares one catalogue, as it stood when this was made."""

    def __init__(self, services: Services, catalogue: Catalogue) -> None:
        self._services = services
        self._id = catalogue.id
        self._judge = Judge(
            Defaults.from_json(catalogue.owner, catalogue.defaults), forbidden_payees(services)
        )
        with services.service_db.reading() as session:
            rows = session.execute(
                select(CatalogueLine.line, CatalogueLine.state, CatalogueLine.cells).where(
                    CatalogueLine.catalogue_id == self._id
                )
            )
            written = [Written(*row) for row in rows]
        self._holders = Holders(written, self._judge)
        self._texts: set[bytes] = set()
        """Legal texts that were stored for this catalogue."""

    def step(self) -> bool:
        """Prepare the next lines; whether there may be more.

        Raises StoreError, and NotFound where the index is empty: nothing of them is kept then.
        """
        with self._services.service_db.reading() as session:
            waiting = session.execute(
                select(CatalogueLine.line, CatalogueLine.cells)
                .where(
                    CatalogueLine.catalogue_id == self._id,
                    CatalogueLine.state == LineState.WAITING,
                )
                .order_by(CatalogueLine.line)
                .limit(CHUNK)
            ).all()
        if not waiting:
            return self._finish()
        prepared = self._prepared([(line, cells) for line, cells in waiting])
        self._store(each.judged for each in prepared)
        return self._keep(prepared)

    def _prepared(self, waiting: Sequence[tuple[int, dict[str, str]]]) -> list[Prepared]:
        with self._services.index_db.reading() as session:
            licensed = Licensed(
                session,
                (content for _, cells in waiting if (content := content_of(cells))),
                (isrc for _, cells in waiting if (isrc := isrc_of(cells))),
                now=read_head(session).head_time,
            )
            return [self._line(line, cells, licensed) for line, cells in waiting]

    def _line(self, line: int, cells: dict[str, str], licensed: Licensed) -> Prepared:
        errors = Errors()
        self._holders.refuse(line, cells, errors)
        content, owner = content_of(cells), self._judge.owner_of(cells)
        warnings: list[str] = []
        if content is not None and owner is not None:
            own = licensed.own(content, owner)
            if own is not None:
                errors.add(
                    "content_hash",
                    f"licence {own.license_id} of {owner} is for this recording already: amend that one instead",
                )
            warnings = licensed.warnings(content, isrc_of(cells), owner)
        return Prepared(line, cells, self._judge.judge(cells, errors), warnings)

    def _store(self, lines: Iterable[Judged]) -> None:
        """Documents and legal texts, stored and read back. Raises StoreError."""
        blocks, texts = [], {}
        for each in lines:
            if each.offer is not None:
                blocks.append(each.data)
                texts[each.offer.terms.text_digest] = each.offer.text
        new = {digest: text for digest, text in texts.items() if digest not in self._texts}
        store = self._services.store
        with ThreadPoolExecutor(WRITERS) as writers:
            for _ in writers.map(
                lambda block: store_blocks(store, [block]), [*new.values(), *blocks]
            ):
                pass
        self._texts |= set(new)

    def _keep(self, prepared: Sequence[Prepared]) -> bool:
        with self._services.service_db.work() as session:
            catalogue = session.get_one(Catalogue, self._id, with_for_update=True)
            if catalogue.state != CatalogueState.READING:
                return False
            rows = session.scalars(
                select(CatalogueLine).where(
                    CatalogueLine.catalogue_id == self._id,
                    CatalogueLine.line.in_([each.line for each in prepared]),
                )
            )
            by_line = {row.line: row for row in rows}
            for each in prepared:
                row = by_line[each.line]
                if row.state == LineState.WAITING and row.cells == each.cells:
                    _write(row, each)
        return True

    def _finish(self) -> bool:
        """The catalogue is ready, unless a line came back meanwhile."""
        with self._services.service_db.work() as session:
            catalogue = session.get_one(Catalogue, self._id, with_for_update=True)
            left = session.scalar(
                select(CatalogueLine.line)
                .where(
                    CatalogueLine.catalogue_id == self._id,
                    CatalogueLine.state == LineState.WAITING,
                )
                .limit(1)
            )
            if left is None and catalogue.state == CatalogueState.READING:
                catalogue.state = CatalogueState.READY
        return False


def _write(row: CatalogueLine, done: Prepared) -> None:
    judged = done.judged
    row.state = LineState.REFUSED if judged.errors else LineState.PREPARED
    row.errors, row.warnings = judged.errors, done.warnings
    row.owner, row.content, row.document = judged.owner, judged.content, judged.document
    offer, pays = judged.offer, judged.pays
    row.terms = None if offer is None else _kept(offer.digest, offer.terms)
    row.split = None if pays is None else _kept(pays.digest, pays.split)


def _kept(digest: bytes, made: TypedStruct) -> dict[str, Any]:
    return {"digest": hexadecimal(digest), **made.model_dump(mode="json")}


MINTED = Counter("obbligato_catalogue_mints", "Lines of catalogues that became licences")

_log = structlog.get_logger(__name__)


class CatalogueWorker:
    """Goes on where it was, whenever it was stopped; waits longer while store, node or database fail."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._alerts = alerts
        self._every = services.settings.poll_seconds
        self._mints = MintFollower(services)

    def step(self, stop: threading.Event) -> None:
        """Prepare all that waits, and see what was minted. Raises StoreError, ChainError, NotFound."""
        preparers: dict[str, Preparer] = {}
        while not stop.is_set() and (reading := self._reading()):
            for catalogue in reading:  # in turns: a short one need not wait for a long one
                preparer = preparers.get(catalogue.id) or Preparer(self._services, catalogue)
                preparers[catalogue.id] = preparer
                if not preparer.step():
                    del preparers[catalogue.id]
                    _log.info("catalogue read", catalogue=catalogue.id, lines=catalogue.lines)
        MINTED.inc(self._mints.step())

    def _reading(self) -> Sequence[Catalogue]:
        with self._services.service_db.reading() as session:
            return session.scalars(
                select(Catalogue)
                .where(Catalogue.state == CatalogueState.READING)
                .order_by(Catalogue.created_at, Catalogue.id)
            ).all()
