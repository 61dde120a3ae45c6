"""Every table of the records, beside the outbox's (`obbligato.transactions.tables`). Times are whole seconds, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from obbligato.schemas.act_states import ActState, InvitationState, check_follows, check_transition
from obbligato.server.database import ADDRESS, COLUMN_TYPES, Database, Serial, Units, now

MIGRATIONS: Final = Path(__file__).parent / "service_migrations"
VERSIONS: Final = "records_version"
"""A table of its own: index and records may share a PostgreSQL database."""


class ServiceDatabase(Database):
    """The database of what only this service knows, at its newest migration."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        """Raises InputError for a URL that is none, DatabaseError."""
        super().__init__(url, MIGRATIONS, versions=VERSIONS, migrate=migrate)


IDENTITY = String(32)
"""A random name of 16 bytes in hexadecimal digits."""


class Base(DeclarativeBase):
    """The base of every table of the records but the outbox."""

    type_annotation_map = COLUMN_TYPES


# ---- who calls


class SignInNonce(Base):
    """A nonce of Sign-In with Ethereum. It is deleted when it is used: nobody uses it twice."""

    __tablename__ = "sign_in_nonces"

    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[int] = mapped_column(index=True)


class Session(Base):
    """A signed-in account, by the digest of its token."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    account: Mapped[str] = mapped_column(ADDRESS, index=True)
    created_at: Mapped[int] = mapped_column(default=now)
    expires_at: Mapped[int] = mapped_column(index=True)


class ApiKey(Base):
    """A key of a platform, by the digest of its secret; scopes are words separated by spaces."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    platform_id: Mapped[int] = mapped_column(index=True)
    secret_digest: Mapped[bytes]
    scopes: Mapped[str] = mapped_column(String(200))
    label: Mapped[str] = mapped_column(String(200), default="")
    made_by: Mapped[str] = mapped_column(ADDRESS)
    created_at: Mapped[int] = mapped_column(default=now)
    revoked_at: Mapped[int | None]


# ---- what people do


class Act(Base):
    """One act of somebody: prepared, signed, relayed, final."""

    __tablename__ = "acts"
    __table_args__ = (
        Index("acts_by_account", "account", "created_at"),
        Index("acts_by_document", "document"),
        UniqueConstraint("made_by", "idempotency_key"),
    )

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """mint, amend, revoke, reinstate, change-split, operator, grant, claim, redirect, guard-claims or challenge."""
    account: Mapped[str] = mapped_column(ADDRESS)
    """Whose signature it takes."""
    made_by: Mapped[str] = mapped_column(ADDRESS)
    """Who prepared it: the account itself, or its operator."""
    license_id: Mapped[int | None] = mapped_column(index=True)
    document: Mapped[bytes | None]
    """The digest of the document that it mints or amends to."""
    message: Mapped[dict[str, Any]]
    """The typed message as JSON (camelCase), with 64-bit integers as strings."""
    material: Mapped[dict[str, Any]]
    """What the relay needs: the call, the steps before it, the blocks that have to be stored; as JSON."""
    preview: Mapped[dict[str, Any]]
    """What it does in plain words."""
    warnings: Mapped[list[Any]]
    deadline: Mapped[int]
    """Until when its signature is good."""
    signature: Mapped[bytes | None]
    signed_at: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(12), index=True)
    waiting: Mapped[str | None]
    """Why it does not go on right now, in words."""
    problem: Mapped[dict[str, Any] | None]
    """Why it failed: {title, detail, error?}."""
    result: Mapped[dict[str, Any] | None]
    """What came of it: {license_id} of a mint, {amount_units} of a claim, {challenge_id} of a challenge."""
    transaction: Mapped[str | None] = mapped_column(String(66))
    """The hash of the transaction that carries it, once it was sent."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_digest: Mapped[bytes | None]
    catalogue_id: Mapped[str | None] = mapped_column(IDENTITY, index=True)
    created_at: Mapped[int] = mapped_column(default=now)
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)
    invitations: Mapped[list[Invitation]] = relationship(
        primaryjoin="Act.id == foreign(Invitation.act_id)", lazy="selectin"
    )
    """Who has to agree."""

    @validates("state")
    def _check_state(self, _: str, state: str) -> str:
        if self.state is not None:
            check_transition(ActState(self.state), ActState(state))
        return state


class Invitation(Base):
    """A payee whose share shrinks is asked to sign that it agrees (`AcceptSplit`)."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("act_id", "account"),)

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    act_id: Mapped[str] = mapped_column(IDENTITY, index=True)
    account: Mapped[str] = mapped_column(ADDRESS, index=True)
    share_before_ppm: Mapped[int]
    share_after_ppm: Mapped[int]
    message: Mapped[dict[str, Any]]
    signature: Mapped[bytes | None]
    signed_at: Mapped[int | None]
    declined_at: Mapped[int | None]
    created_at: Mapped[int] = mapped_column(default=now)

    @property
    def state(self) -> InvitationState:
        """Whether the payee agrees."""
        if self.signature is not None:
            return InvitationState.AGREED
        return InvitationState.DECLINED if self.declined_at else InvitationState.WAITING

    def agree(self, signature: bytes, at: int) -> None:
        """The payee agrees. Raises RefusedError where it has agreed before."""
        check_transition(self.state, InvitationState.AGREED)
        self.signature, self.signed_at, self.declined_at = signature, at, None

    def decline(self, at: int) -> None:
        """The payee declines. Raises RefusedError where it has agreed before."""
        check_transition(self.state, InvitationState.DECLINED)
        self.declined_at = at


class NonceRange(Base):
    """The nonces that an account's messages take here: 256 of them lie in one word of the contract."""

    __tablename__ = "nonce_ranges"

    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    contract: Mapped[str] = mapped_column(String(20), primary_key=True)
    word: Mapped[str] = mapped_column(String(64))
    """The upper 248 bits, hexadecimal."""
    used: Mapped[int]
    """How many of its 256 were given out."""


class Pin(Base):
    """A block that this deployment refers to, and whether the store has it."""

    __tablename__ = "pins"

    cid: Mapped[str] = mapped_column(String(64), primary_key=True)
    what: Mapped[str] = mapped_column(String(200))
    """For people: `document of licence 3`."""
    state: Mapped[str] = mapped_column(String(8), index=True)
    """absent, stored or pinned, as the store says; unknown before it was asked."""
    size: Mapped[int | None]
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[int | None]
    due_at: Mapped[int] = mapped_column(default=0, index=True)


# ---- catalogues


class CatalogueState(StrEnum):
    """How far a catalogue has come."""

    READING = "reading"
    """Its lines are being checked and their documents stored."""
    READY = "ready"
    """Every line is prepared or refused, or further."""
    WITHDRAWN = "withdrawn"


CATALOGUE_TRANSITIONS: Final[Mapping[CatalogueState, frozenset[CatalogueState]]] = {
    CatalogueState.READING: frozenset({CatalogueState.READY, CatalogueState.WITHDRAWN}),
    # READING again: lines were corrected.
    CatalogueState.READY: frozenset({CatalogueState.READING, CatalogueState.WITHDRAWN}),
    CatalogueState.WITHDRAWN: frozenset(),
}
"""By state of a catalogue, the states that may follow it."""


class Catalogue(Base):
    """A CSV of recordings that somebody wants to license."""

    __tablename__ = "catalogues"
    __table_args__ = (UniqueConstraint("made_by", "idempotency_key"),)

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    made_by: Mapped[str] = mapped_column(ADDRESS, index=True)
    owner: Mapped[str] = mapped_column(ADDRESS)
    """Whose licences they are where a line names nobody."""
    idempotency_key: Mapped[str] = mapped_column(String(200))
    file_digest: Mapped[bytes]
    defaults: Mapped[dict[str, Any]]
    """Preset or terms, and payees, for lines that name none."""
    state: Mapped[str] = mapped_column(String(12), index=True)
    lines: Mapped[int]
    created_at: Mapped[int] = mapped_column(default=now)
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)

    @validates("state")
    def _check_state(self, _: str, state: str) -> str:
        if self.state is not None:
            check_follows(CATALOGUE_TRANSITIONS, CatalogueState(self.state), CatalogueState(state))
        return state


class LineState(StrEnum):
    """How far one line of a catalogue has come."""

    WAITING = "waiting"
    PREPARED = "prepared"
    """Its document is stored; it can be minted."""
    REFUSED = "refused"
    """Something is wrong with it: see its errors."""
    OFFERED = "offered"
    """Handed out for signing, as an act or in a batch."""
    MINTED = "minted"


LINE_TRANSITIONS: Final[Mapping[LineState, frozenset[LineState]]] = {
    LineState.WAITING: frozenset({LineState.PREPARED, LineState.REFUSED}),
    # WAITING again: the line, or one that it collides with, was corrected.
    LineState.REFUSED: frozenset({LineState.WAITING}),
    # MINTED at once: whoever sent the mint did not take it from here.
    LineState.PREPARED: frozenset({LineState.OFFERED, LineState.MINTED}),
    LineState.OFFERED: frozenset({LineState.MINTED}),
    # OFFERED again: a reorg undid the mint.
    LineState.MINTED: frozenset({LineState.OFFERED}),
}
"""By state of a line, the states that may follow it."""


class CatalogueLine(Base):
    """One line of a catalogue: what it says, what is wrong with it, what was made of it."""

    __tablename__ = "catalogue_lines"
    __table_args__ = (
        Index("catalogue_lines_by_state", "catalogue_id", "state", "line"),
        Index("catalogue_lines_by_document", "document"),
    )

    catalogue_id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    """As in the file: the header is line 1."""
    cells: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12))
    errors: Mapped[list[Any]]
    """[{field, reason}]."""
    warnings: Mapped[list[Any]]
    owner: Mapped[str | None] = mapped_column(ADDRESS)
    document: Mapped[bytes | None]
    content: Mapped[bytes | None]
    terms: Mapped[dict[str, Any] | None]
    """As JSON, with its digest."""
    split: Mapped[dict[str, Any] | None]
    license_id: Mapped[int | None]

    @validates("state")
    def _check_state(self, _: str, state: str) -> str:
        if self.state is not None:
            check_follows(LINE_TRANSITIONS, LineState(self.state), LineState(state))
        return state


# ---- webhooks


class Webhook(Base):
    """Somewhere to tell what happens, and of what."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(IDENTITY, primary_key=True)
    account: Mapped[str] = mapped_column(ADDRESS, index=True)
    platform_id: Mapped[int | None] = mapped_column(index=True)
    url: Mapped[str] = mapped_column(String(2_000))
    secret: Mapped[bytes]
    """The key that signs deliveries: it has to be known, so it is kept."""
    kinds: Mapped[list[Any]]
    about: Mapped[dict[str, Any]]
    """Which of them: {license_id?, platform_id?, account?}; empty for all."""
    next_block: Mapped[int]
    """Final blocks from this one on are still to be told of."""
    active: Mapped[bool] = mapped_column(default=True)
    reason: Mapped[str | None]
    """Why it was switched off."""
    created_at: Mapped[int] = mapped_column(default=now)


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    DUE = "due"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"


class Delivery(Base):
    """One message of one webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("deliveries_due", "state", "due_at"),)

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    webhook_id: Mapped[str] = mapped_column(IDENTITY, index=True)
    message_id: Mapped[str] = mapped_column(String(80), unique=True)
    """`webhook-id`: the same for every attempt."""
    body: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(12))
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[int]
    answered: Mapped[int | None]
    """The last HTTP status."""
    reason: Mapped[str | None]
    created_at: Mapped[int] = mapped_column(default=now)


class Spending(Base):
    """What the relay spent for an account on a day."""

    __tablename__ = "spending"

    day: Mapped[int] = mapped_column(primary_key=True)
    """Days since 1970, UTC."""
    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    acts: Mapped[int]
    wei: Mapped[int] = mapped_column(Units)
