"""Stored acts: how one is stored with its nonce, deadline and idempotency key, its message, and its response."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.actions.calls import Call, Prerequisite
from backend.db.service_db import Act, Invitation, NonceRange
from backend.http.callers import Caller
from backend.services import Services
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.documents.canonical import sha256
from obbligato.documents.cid import cid_from_digest, cid_of
from obbligato.errors import DigestMismatch, NotFound
from obbligato.protocol.eip712 import Contract, Message
from obbligato.protocol.typed_data import AcceptSplit
from obbligato.schemas.act_states import ActKind, ActState, InvitationState
from obbligato.schemas.acts import REQUESTS
from obbligato.schemas.backend import (
    ActFailure,
    ActResponse,
    CallResponse,
    InvitationResponse,
    Preview,
)
from obbligato.server.http import Problem
from obbligato.store import ContentStore, StoreError

WORD_SIZE: Final = 256
"""Nonces that share a storage slot of the contract: using them in a row is cheaper."""


@dataclass(frozen=True, slots=True)
class Invitee:
    """A payee that has to agree."""

    account: str
    share_before_ppm: int
    share_after_ppm: int


@dataclass(frozen=True, slots=True)
class PreparedAct:
    """A checked act with all that is stored of it, but for its nonce and its deadline."""

    kind: ActKind
    account: str
    """Whose signature it takes."""
    fields: Mapping[str, Any]
    """The message without account, nonce and deadline."""
    function: str
    """The contract's function that anybody may call with the signature."""
    direct: Call | None
    """The same as a transaction of the owner or its operator, with gas of their own."""
    preview: Preview
    arguments: Sequence[Any] | None = None
    """Of `function`, before those that are known only when it is sent; default: the message's fields."""
    steps: Sequence[Prerequisite] = ()
    license_id: int | None = None
    document: bytes | None = None
    blocks: Sequence[str] = ()
    """CIDs that must be in the store when it is sent."""
    warnings: Sequence[str] = ()
    seconds: int | None = None
    """How long it can be signed, where that is not what the settings say."""
    invitees: Sequence[Invitee] = ()
    catalogue_id: str | None = None

    @property
    def message(self) -> type[Message]:
        """What is signed."""
        return REQUESTS[self.kind].message

    def material(self) -> dict[str, Any]:
        """What the relay needs, as JSON."""
        contract = self.message.contract.value.removeprefix("Obbligato ")
        arguments = list(self.fields.values()) if self.arguments is None else self.arguments
        return {
            "steps": [step.as_json() for step in self.steps],
            "call": Call(contract, self.function, arguments).as_json(),
            "direct": self.direct.as_json() if self.direct else None,
            "blocks": list(self.blocks),
        }


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A key with which the same request may be sent again, and the digest of the request."""

    key: str
    digest: bytes

    @classmethod
    def of(cls, key: str | None, kind: str, request: Any) -> Idempotency | None:
        """None without a key. `request` is plain JSON."""
        if key is None:
            return None
        # Not RFC 8785, which ends at 2^53: prices do not.
        return cls(key, sha256(json.dumps([kind, request], sort_keys=True).encode()))

    def earlier_act(self, session: Session, caller: Caller) -> Act | None:
        """The act that this request made before. Raises Problem 409 where the key's request was another."""
        act = session.scalars(
            select(Act).where(Act.made_by == caller.account, Act.idempotency_key == self.key)
        ).one_or_none()
        if act is not None and act.request_digest != self.digest:
            raise Problem(
                409,
                "Another request had this key",
                "This Idempotency-Key was sent before with another request: use a new one.",
                field="Idempotency-Key",
            )
        return act


def store_act(
    services: Services,
    caller: Caller,
    prepared: PreparedAct,
    idempotency: Idempotency | None = None,
) -> Act:
    """The stored act; the earlier one where the same request came twice. Raises Problem 409, ChainError."""
    now = max(services.now(), chain_time(services.chain))
    deadline = now + (prepared.seconds or services.settings.signing_seconds)
    try:
        with services.service_db.work() as session:
            if idempotency is not None:
                earlier = idempotency.earlier_act(session, caller)
                if earlier is not None:
                    return earlier
            act = Act(
                id=secrets.token_hex(16),
                kind=prepared.kind,
                account=prepared.account,
                made_by=caller.account,
                license_id=prepared.license_id,
                document=prepared.document,
                message=_message(session, prepared, prepared.message, prepared.account, deadline),
                material=prepared.material(),
                preview=prepared.preview.model_dump(mode="json"),
                warnings=list(prepared.warnings),
                deadline=deadline,
                state=ActState.PREPARED,
                catalogue_id=prepared.catalogue_id,
                created_at=services.now(),
                idempotency_key=idempotency and idempotency.key,
                request_digest=idempotency and idempotency.digest,
                invitations=[
                    Invitation(
                        id=secrets.token_hex(16),
                        account=invitee.account,
                        share_before_ppm=invitee.share_before_ppm,
                        share_after_ppm=invitee.share_after_ppm,
                        message=_message(session, prepared, AcceptSplit, invitee.account, deadline),
                    )
                    for invitee in prepared.invitees
                ],
            )
            session.add(act)
            session.flush()
            return act
    except IntegrityError:
        # The same request, sent twice at once.
        with services.service_db.reading() as session:
            earlier = idempotency.earlier_act(session, caller) if idempotency else None
        if earlier is None:
            raise
        return earlier


def _message(
    session: Session, prepared: PreparedAct, message: type[Message], account: str, deadline: int
) -> dict[str, Any]:
    nonce = next_nonce(session, account, message.contract)
    moment = {"account": account, "nonce": nonce, "deadline": deadline}
    return message.read({**moment, **prepared.fields}).as_json()


def chain_time(chain: Chain) -> int:
    """The time of the newest block: the chain compares deadlines with its own clock."""
    return blocks.latest(chain).timestamp


def next_nonce(session: Session, account: str, contract: Contract) -> int:
    """A nonce that this service never used before. Whoever asks for another of the account waits for this unit."""
    key = (account, contract.name)
    row = session.get(NonceRange, key, with_for_update=True)
    if row is None:
        row = NonceRange(account=account, contract=contract.name, word="", used=WORD_SIZE)
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:  # another request made it meanwhile
            row = session.get_one(NonceRange, key, with_for_update=True)
    if row.used == WORD_SIZE:
        row.word, row.used = secrets.token_hex(31), 0
    number = (int(row.word, 16) << 8) | row.used
    row.used += 1
    return number


def store_blocks(store: ContentStore, blocks: Iterable[bytes]) -> list[str]:
    """Store blocks and read them back; returns their CIDs. Raises StoreError: nothing was prepared then."""
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
        stored = store.get(cid)
    except (StoreError, NotFound, DigestMismatch) as error:
        raise StoreError(
            f"the document cannot be stored right now, so nothing was prepared; try again: {error}"
        ) from error
    assert stored == block, "stores verify what they return"
    return cid


def message_of(record: Act | Invitation) -> Message:
    """What is signed."""
    message = REQUESTS[record.kind].message if isinstance(record, Act) else AcceptSplit
    return message.from_json(record.message)


def typed_data(chain: Chain, record: Act | Invitation) -> dict[str, Any]:
    """The JSON a wallet takes in eth_signTypedData_v4."""
    message = message_of(record)
    return message.as_typed_data(chain.domain(message.contract))


def digest_of(chain: Chain, record: Act | Invitation) -> bytes:
    """The 32 bytes that are signed."""
    message = message_of(record)
    return message.digest(chain.domain(message.contract))


def signed_words(record: Act | Invitation) -> tuple[str, int, int, bytes]:
    """`Signed` as the ABI takes it: account, nonce, deadline, signature."""
    message: Any = message_of(record)
    assert record.signature is not None
    return message.account, message.nonce, message.deadline, record.signature


def act_response(chain: Chain, act: Act) -> ActResponse:
    """One act."""
    is_prepared = act.state == ActState.PREPARED
    direct = act.material["direct"] if is_prepared and not act.invitations else None
    return ActResponse(
        id=act.id,
        kind=act.kind,
        state=ActState(act.state),
        account=act.account,
        made_by=act.made_by,
        license_id=act.license_id or (act.result or {}).get("license_id"),
        document=None if act.document is None else cid_from_digest(act.document),
        preview=Preview.model_validate(act.preview),
        warnings=act.warnings,
        deadline=act.deadline,
        typed_data=typed_data(chain, act) if is_prepared else None,
        transaction_to_send=None
        if direct is None
        else call_response(chain, Call.from_json(direct)),
        invitations=[each.id for each in act.invitations],
        waiting=act.waiting,
        problem=None if act.problem is None else ActFailure.model_validate(act.problem),
        result=act.result,
        transaction=act.transaction,
        created_at=act.created_at,
        updated_at=act.updated_at,
    )


def invitation_response(chain: Chain, invitation: Invitation, act: Act) -> InvitationResponse:
    """One invitation of an act."""
    return InvitationResponse(
        id=invitation.id,
        act_id=act.id,
        account=invitation.account,
        share_before_ppm=invitation.share_before_ppm,
        share_after_ppm=invitation.share_after_ppm,
        state=invitation.state,
        deadline=act.deadline,
        preview=Preview.model_validate(act.preview),
        typed_data=typed_data(chain, invitation)
        if invitation.state == InvitationState.WAITING
        else None,
    )


def call_response(chain: Chain, call: Call) -> CallResponse:
    """A transaction for somebody's own wallet."""
    return CallResponse(
        to=chain.deployment.address(call.contract), data="0x" + call.data(chain).hex()
    )
