"""Keeping a prepared act: its nonce, its deadline, its idempotency key."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.actions.calls import Call, Step
from backend.actions.previews import Preview
from backend.db.service_db import Act, ActState, Invitation, NonceRange
from backend.http.callers import Caller
from backend.services import Services
from obbligato.chain.client import Chain, answered
from obbligato.documents import cid_of, sha256
from obbligato.errors import DigestMismatch, NotFound
from obbligato.protocol.eip712 import Contract, Message
from obbligato.server.http import Problem
from obbligato.store import ContentStore, StoreError


def store_blocks(store: ContentStore, blocks: Iterable[bytes]) -> list[str]:
    """The CIDs of blocks that are surely there. Raises StoreError: nothing was prepared then."""
    return [_stored(store, block) for block in blocks]


def missing_block(store: ContentStore, cids: Iterable[str]) -> str | None:
    """Why something that an act refers to cannot be read right now; None where all of it can."""
    for cid in cids:
        try:
            store.get(cid)
        except (StoreError, NotFound, DigestMismatch) as error:
            return f"{cid} cannot be read back: {error}"
    return None


def _stored(store: ContentStore, block: bytes) -> str:
    cid = cid_of(block)
    try:
        store.put(block)
        found = store.get(cid)
    except (StoreError, NotFound, DigestMismatch) as error:
        raise StoreError(
            f"the document cannot be stored right now, so nothing was prepared; try again: {error}"
        ) from error
    assert found == block, "stores verify what they give"
    return cid


_WORD_SIZE = 256


@dataclass(frozen=True, slots=True)
class Draft:
    """What an act will be, before it has a nonce."""

    kind: str
    account: str
    message: type[Message]
    fields: Mapping[str, Any]
    """The message without account, nonce and deadline."""
    call: Call
    """By signature: anybody may send it."""
    direct: Call | None
    """The same sent by the owner or its operator, with gas of their own."""
    preview: Preview
    steps: Sequence[Step] = ()
    license_id: int | None = None
    document: bytes | None = None
    blocks: Sequence[str] = ()
    """CIDs that must be in the store when it is sent."""
    warnings: Sequence[str] = ()
    by_operator: bool = False
    """Its author is an operator: no signature of the owner, so it cannot be relayed."""
    seconds: int | None = None
    """How long it can be signed, where that is not what the settings say."""
    asks: Sequence[Ask] = ()
    catalogue_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A payee that has to agree."""

    account: str
    share_before_ppm: int
    share_after_ppm: int
    message: type[Message]
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A key with which the same request may be sent again, and what the request was."""

    key: str
    digest: bytes

    @classmethod
    def of(cls, key: str | None, kind: str, request: Any) -> Idempotency | None:
        """None without a key. `request` is plain JSON."""
        if key is None:
            return None
        # Not RFC 8785, which ends at 2^53: prices do not.
        return cls(key, sha256(json.dumps([kind, request], sort_keys=True).encode()))


def earlier(services: Services, caller: Caller, again: Idempotency | None) -> Act | None:
    """The act that this request made before. Raises Problem 409 where it was another request."""
    if again is None:
        return None
    with services.service_db.reading() as session:
        return _earlier(session, caller, again)


def keep(services: Services, caller: Caller, draft: Draft, again: Idempotency | None = None) -> Act:
    """The act, prepared. Raises Problem 409 as `earlier` does, ChainError."""
    now = max(services.now(), chain_time(services.chain))
    deadline = now + (draft.seconds or services.settings.signing_seconds)
    try:
        with services.service_db.work() as session:
            if again is not None and (known := _earlier(session, caller, again)) is not None:
                return known
            act = _act(session, caller, draft, deadline)
            act.created_at = services.now()
            if again is not None:
                act.idempotency_key, act.request_digest = again.key, again.digest
            session.add(act)
            for ask in draft.asks:
                session.add(_invitation(session, act, ask, deadline))
            session.flush()
            return act
    except IntegrityError:
        # The same request, sent twice at once.
        found = earlier(services, caller, again)
        if found is None:
            raise
        return found


def chain_time(chain: Chain) -> int:
    """The time of the newest block: the chain compares deadlines with its own clock."""
    return int(answered(lambda: chain.web3.eth.get_block("latest"))["timestamp"])


def next_nonce(session: Session, account: str, contract: Contract) -> int:
    """A nonce that this service never gave out. 256 in a row share a slot of the contract, which is cheaper."""
    known = session.get(NonceRange, (account, contract.name))
    if known is None:
        known = NonceRange(account=account, contract=contract.name, word="", used=_WORD_SIZE)
        session.add(known)
    if known.used == _WORD_SIZE:
        known.word, known.used = secrets.token_hex(31), 0
    number = (int(known.word, 16) << 8) | known.used
    known.used += 1
    return number


def _earlier(session: Session, caller: Caller, again: Idempotency) -> Act | None:
    known = session.scalars(
        select(Act).where(Act.made_by == caller.account, Act.idempotency_key == again.key)
    ).one_or_none()
    if known is not None and known.request_digest != again.digest:
        raise Problem(
            409,
            "Another request had this key",
            "This Idempotency-Key was sent before with another request: use a new one.",
            field="Idempotency-Key",
        )
    return known


def _act(session: Session, caller: Caller, draft: Draft, deadline: int) -> Act:
    message = draft.message.read(
        {
            "account": draft.account,
            "nonce": next_nonce(session, draft.account, draft.message.contract),
            "deadline": deadline,
            **draft.fields,
        }
    )
    return Act(
        id=secrets.token_hex(16),
        kind=draft.kind,
        account=draft.account,
        made_by=caller.account,
        license_id=draft.license_id,
        document=draft.document,
        message=message.as_json(),
        material={
            "steps": [step.as_json() for step in draft.steps],
            "call": draft.call.as_json(),
            "direct": draft.direct.as_json() if draft.direct else None,
            "blocks": list(draft.blocks),
            "by_operator": draft.by_operator,
        },
        preview=draft.preview.model_dump(mode="json"),
        warnings=list(draft.warnings),
        deadline=deadline,
        state=ActState.PREPARED,
        catalogue_id=draft.catalogue_id,
    )


def _invitation(session: Session, act: Act, ask: Ask, deadline: int) -> Invitation:
    message = ask.message.read(
        {
            "account": ask.account,
            "nonce": next_nonce(session, ask.account, ask.message.contract),
            "deadline": deadline,
            **ask.fields,
        }
    )
    return Invitation(
        id=secrets.token_hex(16),
        act_id=act.id,
        account=ask.account,
        share_before_ppm=ask.share_before_ppm,
        share_after_ppm=ask.share_after_ppm,
        message=message.as_json(),
    )
