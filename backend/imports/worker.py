"""The worker that prepares catalogues in chunks of lines: it validates, stores documents, then saves the results.

A chunk that was not saved is prepared again with the same result: a process may end at any moment, and two may work at
once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
from backend.imports.mint_tracker import MintFollower
from backend.imports.validation import DuplicateIndex, ExistingLicenses, LineCells
from backend.services import Services
from obbligato.documents.canonical import sha256
from obbligato.documents.catalog_cells import LineErrors, content_of, isrc_of
from obbligato.protocol.eip712 import TypedStruct
from obbligato.schemas.catalogue_lines import Defaults, LineMint, LineParser
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items

CHUNK: Final = 100
MINTS: Final = "mints"
"""What names the search for minted lines among the items of the worker."""
WRITERS: Final = 8
"""Blocks on their way to the store at once."""


@dataclass(frozen=True, slots=True)
class PreparedLine:
    """A line that was validated: its mint, or its errors."""

    line: int
    cells: dict[str, str]
    mint: LineMint | None
    errors: list[dict[str, Any]]
    warnings: list[str]


class Preparer:
    """Prepares one catalogue, with the lines that it had when this object was made."""

    def __init__(self, services: Services, catalogue: Catalogue) -> None:
        self._services = services
        self._id = catalogue.id
        self._parser = LineParser(
            Defaults.from_json(catalogue.owner, catalogue.defaults), forbidden_payees(services)
        )
        with services.service_db.reading() as session:
            rows = session.execute(
                select(CatalogueLine.line, CatalogueLine.state, CatalogueLine.cells).where(
                    CatalogueLine.catalogue_id == self._id
                )
            )
            self._duplicates = DuplicateIndex((LineCells(*row) for row in rows), self._parser)
        self._texts: set[bytes] = set()
        """Digests of the legal texts that were stored for this catalogue."""

    def step(self) -> bool:
        """Prepare the next chunk of lines; whether there may be more.

        Raises StoreError, and NotFound where the index is empty: nothing of the chunk is saved then.
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
        prepared = self._prepare([(line, cells) for line, cells in waiting])
        self._store([each.mint for each in prepared if each.mint is not None])
        return self._save(prepared)

    def _prepare(self, waiting: Sequence[tuple[int, dict[str, str]]]) -> list[PreparedLine]:
        with self._services.index_db.reading() as session:
            existing = ExistingLicenses(
                session,
                (content for _, cells in waiting if (content := content_of(cells))),
                (isrc for _, cells in waiting if (isrc := isrc_of(cells))),
                now=read_head(session).head_time,
            )
            return [self._line(line, cells, existing) for line, cells in waiting]

    def _line(self, line: int, cells: dict[str, str], existing: ExistingLicenses) -> PreparedLine:
        errors = LineErrors()
        self._duplicates.add_errors(line, cells, errors)
        content, owner = content_of(cells), self._parser.owner_of(cells)
        warnings: list[str] = []
        if content is not None and owner is not None:
            existing.add_error(content, owner, errors)
            warnings = existing.warnings(content, isrc_of(cells), owner)
        mint = self._parser.parse(cells, errors)
        return PreparedLine(line, cells, mint, errors.items, warnings)

    def _store(self, mints: Sequence[LineMint]) -> None:
        """Store documents and new legal texts, and read them back. Raises StoreError."""
        texts = {mint.terms.terms.text_digest: mint.terms.text for mint in mints}
        new = [text for digest, text in texts.items() if digest not in self._texts]
        blocks = [*new, *(mint.data for mint in mints)]
        with ThreadPoolExecutor(WRITERS) as writers:
            # All results are read, so that the first failure is raised.
            list(writers.map(lambda block: store_blocks(self._services.store, [block]), blocks))
        self._texts |= set(texts)

    def _save(self, prepared: Sequence[PreparedLine]) -> bool:
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
            row_by_line = {row.line: row for row in rows}
            for each in prepared:
                row = row_by_line[each.line]
                if row.state == LineState.WAITING and row.cells == each.cells:
                    self._write(row, each)
        return True

    def _write(self, row: CatalogueLine, prepared: PreparedLine) -> None:
        mint = prepared.mint
        row.state = LineState.REFUSED if mint is None else LineState.PREPARED
        row.errors, row.warnings = prepared.errors, prepared.warnings
        row.owner, row.content = self._parser.owner_of(row.cells), content_of(row.cells)
        row.document = row.terms = row.split = None
        if mint is not None:
            row.document = sha256(mint.data)
            row.terms = _as_json(mint.terms.digest, mint.terms.terms)
            row.split = _as_json(mint.split.digest, mint.split.split)

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


def _as_json(digest: bytes, struct: TypedStruct) -> dict[str, Any]:
    return {"digest": hexadecimal(digest), **struct.model_dump(mode="json")}


MINTED = Counter("obbligato_catalogue_mints", "Lines of catalogues that became licences")

_log = structlog.get_logger(__name__)


class CatalogueWorker:
    """Goes on where it was, whenever it was stopped; waits longer while store, node or database fail."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._items: Items[str] = Items("catalogues", alerts)
        self._mints = MintFollower(services)

    def step(self, stop: threading.Event) -> None:
        """Prepare all that waits, and see what was minted. A catalogue that fails is put off; the others go on."""
        preparers: dict[str, Preparer] = {}
        while not stop.is_set():
            reading = self._reading()
            self._items.report([MINTS, *(catalogue.id for catalogue in reading)])
            due = [catalogue for catalogue in reading if self._items.is_due(catalogue.id)]
            if not due:
                break
            for catalogue in due:  # in turns: a short one need not wait for a long one
                with self._items.attempt(catalogue.id):
                    self._prepare(catalogue, preparers)
        if self._items.is_due(MINTS):
            with self._items.attempt(MINTS):
                MINTED.inc(self._mints.step())
            self._items.report()

    def _prepare(self, catalogue: Catalogue, preparers: dict[str, Preparer]) -> None:
        """The next lines of one catalogue. What fails is begun anew the next time."""
        preparer = preparers.pop(catalogue.id, None) or Preparer(self._services, catalogue)
        if preparer.step():
            preparers[catalogue.id] = preparer
        else:
            _log.info("catalogue read", catalogue=catalogue.id, lines=catalogue.lines)

    def _reading(self) -> Sequence[Catalogue]:
        with self._services.service_db.reading() as session:
            return session.scalars(
                select(Catalogue)
                .where(Catalogue.state == CatalogueState.READING)
                .order_by(Catalogue.created_at, Catalogue.id)
            ).all()
