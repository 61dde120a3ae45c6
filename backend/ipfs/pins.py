"""Pins every block that this deployment refers to, and fetches again what vanished from the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, NamedTuple

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.head import read_head
from backend.db.service_db import Pin
from backend.http.paging import decode_cursor, page
from backend.http.schemas import AnswerModel, Cid, Page, Seconds
from backend.ipfs.references import EVIDENCE, chunk_references, named_references
from backend.services import Services
from obbligato.audit.references import Reference
from obbligato.documents.cid import digest_from_cid
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items, describe
from obbligato.store import BlockState, BlockStatus, ContentStore, StoreError

PinState = Literal["unknown", "absent", "stored", "pinned"]


class DocumentStatus(AnswerModel):
    """One block, and whether it is in this service's store."""

    cid: Cid
    what: str
    """What it is for people: `document of licence 3`."""
    state: PinState
    """pinned: here to stay; stored: here for now; absent: see the reason; unknown: not asked for yet."""
    size: int | None
    """In bytes."""
    reason: str | None
    """Why it is absent, or what is wrong with it."""
    attempts: int
    """How often it was asked for in vain."""
    checked_at: Seconds | None
    due_at: Seconds
    """When it is looked at again."""


def list_documents(
    session: Session, *, state: PinState | None, limit: int, cursor: str | None
) -> Page[DocumentStatus]:
    """By CID. Raises InputError for a cursor."""
    query = select(Pin).order_by(Pin.cid).limit(limit + 1)
    if state is not None:
        query = query.where(Pin.state == state)
    if cursor is not None:
        (last,) = decode_cursor(cursor, str)
        query = query.where(Pin.cid > last)
    return page(
        session.scalars(query).all(), limit, lambda pin: (pin.cid,), DocumentStatus.model_validate
    )


def read_document(session: Session, cid: str) -> DocumentStatus:
    """Raises InputError for what is no CID of ours, NotFound."""
    digest_from_cid(cid)
    found = session.get(Pin, cid)
    if found is None:
        raise NotFound(f"nothing here refers to {cid} (yet: new references take some seconds)")
    return DocumentStatus.model_validate(found)


DAY_SECONDS: Final = 86_400
MOST_PATIENCE_SECONDS: Final = 300
ASKED_AT_ONCE: Final = 8
IN_ONE_STEP: Final = 100
NOTED_AT_ONCE: Final = 500
PATIENT_ATTEMPTS: Final = 3
"""A block that was not there so often is worth an alert."""

MISSING: Final = "pins-missing"
VANISHED: Final = "pins-vanished"

BLOCKS = Gauge(
    "obbligato_pins",
    "Blocks that this deployment refers to",
    ["state"],
    multiprocess_mode="livemostrecent",
)
LOST = Counter("obbligato_pins_vanished", "Blocks that were in the store and then were not")

_HERE: Final = (BlockState.PINNED.value, BlockState.STORED.value)
_log = structlog.get_logger(__name__)


class _Found(NamedTuple):
    """What came of asking for one block."""

    pin: Pin
    status: BlockStatus
    reason: str | None
    vanished: bool
    chunks: tuple[Reference, ...]


class PinWorker:
    """The worker. A store that cannot be asked changes nothing that is known."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._alerts = alerts
        self._items: Items[str] = Items("pins", alerts)
        self._noted = -1
        """Everything up to this block of the chain is among the pins."""
        self._lost_at: int | None = None

    def tick(self) -> float | None:
        """One step; at once another one where more is due. Raises StoreError, SQLAlchemyError."""
        return 0.0 if self.step() == IN_ONE_STEP else None

    def step(self) -> int:
        """Note what is new, ask for what is due; how many were asked for. Raises StoreError."""
        self._note()
        with self._services.service_db.reading() as session:
            due = session.scalars(
                select(Pin)
                .where(Pin.due_at <= self._services.now())
                .order_by(Pin.due_at, Pin.cid)
                .limit(IN_ONE_STEP)
            ).all()
        if due:
            with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
                self._record(due, list(pool.map(self._try, due)))
        self._items.report()
        self._tell()
        return len(due)

    # ---- noting

    def _note(self) -> None:
        with self._services.index_db.reading() as session:
            try:
                final = read_head(session).final_number
            except NotFound:
                return  # the index has not begun
            new = list(named_references(session, after=self._noted))
        for start in range(0, len(new), NOTED_AT_ONCE):
            self._add(new[start : start + NOTED_AT_ONCE])
        self._noted = final  # what is later may come again otherwise

    def _add(self, references: Iterable[Reference]) -> None:
        """Those that are not among the pins."""
        found = {each.cid: each.what for each in reversed(list(references))}
        with self._services.service_db.work() as session:
            known = set(session.scalars(select(Pin.cid).where(Pin.cid.in_(found))))
            session.add_all(
                Pin(cid=cid, what=what, state="unknown", attempts=0, due_at=0)
                for cid, what in found.items()
                if cid not in known
            )

    # ---- asking

    def _try(self, pin: Pin) -> _Found | Exception:
        try:
            return self._ask(pin)
        except Exception as error:
            return error

    def _record(self, due: Sequence[Pin], results: Sequence[_Found | Exception]) -> None:
        """Store the results, and put off each block that failed. Raises StoreError where every block fails so."""
        down = [result for result in results if isinstance(result, StoreError)]
        if len(down) == len(results):
            raise down[0]  # nobody can be asked: nothing that is known changes
        self._keep([result for result in results if isinstance(result, _Found)])
        for pin, result in zip(due, results, strict=True):
            with self._items.attempt(pin.cid):
                if isinstance(result, Exception):
                    self._put_off(pin.cid, describe(result))
                    raise result

    def _put_off(self, cid: str, reason: str) -> None:
        """Its state stays as it is known; it is looked at again later."""
        with self._services.service_db.work() as session:
            pin = session.get_one(Pin, cid)
            pin.attempts += 1
            pin.reason = reason
            pin.due_at = self._services.now() + _patience(pin.attempts)

    def _ask(self, pin: Pin) -> _Found:
        store, reason, vanished = self._services.store, None, False
        status = BlockStatus(pin.cid, BlockState.ABSENT, None)
        try:
            status = store.status(pin.cid)
        except DigestMismatch as error:
            _log.error("a stored block was tampered with", cid=pin.cid, reason=str(error))
        if status.state is not BlockState.PINNED:
            vanished = status.state is BlockState.ABSENT and pin.state in _HERE
            status, reason = _pinned(store, pin.cid, status)
        chunks: tuple[Reference, ...] = ()
        if status.state is not BlockState.ABSENT and pin.what.startswith(EVIDENCE):
            try:
                chunks = tuple(chunk_references(Reference(pin.cid, pin.what), store.get(pin.cid)))
            except InputError as error:
                reason = f"it is no evidence document, so nobody knows its chunks: {error}"
            except NotFound as error:
                status, reason = BlockStatus(pin.cid, BlockState.ABSENT, None), str(error)
        return _Found(pin, status, reason, vanished, chunks)

    def _keep(self, found: list[_Found]) -> None:
        now = self._services.now()
        with self._services.service_db.work() as session:
            for each in found:
                pin = session.get_one(Pin, each.pin.cid)
                pinned = each.status.state is BlockState.PINNED
                pin.state, pin.size = each.status.state.value, each.status.size
                pin.reason, pin.checked_at = each.reason, now
                pin.attempts = 0 if pinned else pin.attempts + 1
                pin.due_at = now + (DAY_SECONDS if pinned else _patience(pin.attempts))
        self._add([chunk for each in found for chunk in each.chunks])
        for each in found:
            if each.vanished:
                self._lost(each, now)

    def _lost(self, found: _Found, now: int) -> None:
        LOST.inc()
        self._lost_at = now
        here = found.status.state is not BlockState.ABSENT
        became = "it was fetched again" if here else f"and cannot be fetched: {found.reason}"
        words = f"{found.pin.what} ({found.pin.cid}) vanished from the store: {became}"
        self._alerts.stand(VANISHED, words[:500])

    # ---- telling

    def _tell(self) -> None:
        with self._services.service_db.reading() as session:
            counts = dict(
                session.execute(select(Pin.state, func.count()).group_by(Pin.state)).all()
            )
            lacking = (Pin.state == BlockState.ABSENT.value) & (Pin.attempts >= PATIENT_ATTEMPTS)
            missing = session.scalar(select(func.count()).where(lacking)) or 0
            one = session.scalars(select(Pin).where(lacking).order_by(Pin.cid).limit(1)).first()
        for state in ("unknown", *BlockState):
            BLOCKS.labels(str(state)).set(counts.get(str(state), 0))
        if one is None:
            self._alerts.clear(MISSING)
        else:
            words = f"{missing} blocks are missing, the {one.what} for one: {one.reason}"
            self._alerts.stand(MISSING, words[:500])
        if self._lost_at is not None and self._services.now() - self._lost_at >= DAY_SECONDS:
            self._lost_at = None
            self._alerts.clear(VANISHED)


def _patience(attempts: int) -> int:
    """Seconds until a block is asked for again that was not pinned at so many attempts."""
    return int(min(2 ** min(attempts - 1, 20), MOST_PATIENCE_SECONDS))


def _pinned(store: ContentStore, cid: str, before: BlockStatus) -> tuple[BlockStatus, str | None]:
    """Pin a block: its status afterwards, and the reason where pinning failed."""
    try:
        store.pin(cid)
        return store.status(cid), None
    except (NotFound, StoreError, DigestMismatch) as error:
        return before, str(error)
