"""Preparing a mint and an amendment: the document is made, stored and read back; then there is something to sign."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from sqlalchemy import select

from backend.actions.authorization import (
    KnownLicense,
    check_licensor,
    check_owner,
    document_of,
    forbidden_payees,
    known_license,
)
from backend.actions.calls import (
    REGISTRY,
    SIGNED,
    Call,
    hexadecimal,
    raw_payees,
    raw_terms,
    split_step,
    terms_step,
)
from backend.actions.previews import amend_preview, mint_preview
from backend.actions.schemas import RecordingGiven, SplitGiven, TermsGiven
from backend.actions.store import Draft, store_blocks
from backend.db.head import read_head
from backend.db.index_db import License
from backend.http.callers import Caller
from backend.licenses.rivals import rivals
from backend.services import Services
from obbligato.documents import Recording, legal_text, license_document, sha256
from obbligato.errors import RefusedError
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import Amend, Mint
from obbligato.protocol.types import Address


class MintGiven(RecordingGiven, SplitGiven):
    """A recording with what AI may do with it, and who is paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recording": {
                        "title": "Aurora",
                        "artists": ["Nadia Vale"],
                        "isrc": "AA6Q72000047",
                        "content_hash": "0x" + "5e" * 32,
                    },
                    "terms": {"preset": "train-dont-imitate"},
                    "payees": [
                        {
                            "account": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                            "share_ppm": 1_000_000,
                            "role": "performer",
                        }
                    ],
                }
            ]
        }
    )

    terms: TermsGiven
    owner: Address | None = Field(
        default=None,
        description="Whose licence it will be, where an operator asks. Default: the caller.",
    )


class AmendGiven(SplitGiven):
    """New terms, or new facts about the recording; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"license_id": 3, "terms": {"preset": "analysis-only"}}]}
    )

    license_id: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]
    terms: TermsGiven | None = None
    recording: Recording | None = None
    image: Annotated[str, Field(max_length=2_048)] | None = None


def draft_mint(services: Services, caller: Caller, given: MintGiven) -> Draft:
    """A mint. Raises InputError, RefusedError, Problem 403, StoreError, ChainError; nothing is kept then."""
    owner = given.owner or caller.account
    by_operator = check_owner(services, caller, owner)
    terms = given.terms.terms()
    split = given.split(owner, forbidden=forbidden_payees(services))
    return mint_draft(
        services,
        owner=owner,
        recording=_covering(given),
        image=given.image,
        terms=terms,
        split=split,
        by_operator=by_operator,
    )


def mint_draft(
    services: Services,
    *,
    owner: str,
    recording: Recording,
    image: str | None,
    terms: Terms,
    split: Split,
    by_operator: bool = False,
    catalogue_id: str | None = None,
) -> Draft:
    """A mint of checked parts: its documents are stored and read back. Raises StoreError, InputError."""
    document = license_document(recording=recording, terms=terms, image=image)
    data = document.to_bytes()
    blocks = store_blocks(services.store, [legal_text(terms), data])
    digest = sha256(data)
    fields = {
        "terms": terms.digest(),
        "split": split.digest(),
        "document": digest,
        "content": recording.content_hash,
    }
    return Draft(
        kind="mint",
        account=owner,
        message=Mint,
        fields=fields,
        call=Call(REGISTRY, "mintBySignature", [*map(hexadecimal, fields.values()), SIGNED]),
        direct=Call(
            REGISTRY,
            "mintWith",
            [
                owner,
                raw_terms(terms),
                raw_payees(split),
                hexadecimal(digest),
                hexadecimal(recording.content_hash),
            ],
        ),
        steps=[terms_step(terms), split_step(split)],
        preview=mint_preview(recording.title, recording.artists, terms, split),
        document=digest,
        blocks=blocks,
        warnings=mint_warnings(services, owner, recording),
        by_operator=by_operator,
        catalogue_id=catalogue_id,
    )


def draft_amend(services: Services, caller: Caller, given: AmendGiven) -> Draft:
    """An amendment. Raises as `draft_mint` does, NotFound for a licence that there is not."""
    with services.index_db.reading() as session:
        known = known_license(session, given.license_id)
        now = read_head(session).head_time
    by_operator = check_licensor(services, caller, known.license_id, known.owner)
    if given.payees is not None or given.split_sheet is not None:
        raise RefusedError("who is paid is changed by an act of its own: change-split")
    running = known.history.version_at(now)
    if running is None:
        raise RefusedError(f"{known.name} has ended: mint a new licence instead")
    old = document_of(services.store, known.document)
    recording = given.recording or _widened(old.recording, given.terms)
    if recording.content_hash != known.content:
        raise RefusedError(
            "another content hash is another recording: mint a licence of its own for it"
        )
    terms = given.terms.terms() if given.terms else running.terms
    document = license_document(recording=recording, terms=terms, image=given.image or old.image)
    data = document.to_bytes()
    digest = sha256(data)
    starts = _starts(known, terms, digest, now)
    blocks = store_blocks(services.store, [legal_text(terms), data])
    current = known.history.document_at(now) or known.document
    return Draft(
        kind="amend",
        account=known.owner,
        message=Amend,
        fields={
            "license_id": known.license_id,
            "current_document": current,
            "terms": terms.digest(),
            "document": digest,
        },
        call=Call(
            REGISTRY,
            "amendBySignature",
            [
                known.license_id,
                hexadecimal(current),
                hexadecimal(terms.digest()),
                hexadecimal(digest),
                SIGNED,
            ],
        ),
        direct=Call(
            REGISTRY,
            "amend",
            [known.license_id, hexadecimal(terms.digest()), hexadecimal(digest)],
        ),
        steps=[terms_step(terms)],
        preview=amend_preview(known.name, running.terms, terms, starts),
        license_id=known.license_id,
        document=digest,
        blocks=blocks,
        by_operator=by_operator,
    )


def mint_warnings(services: Services, owner: str, recording: Recording) -> list[str]:
    """What somebody should know before signing: the same recording under this or another account."""
    with services.index_db.reading() as session:
        own = session.scalars(
            select(License.license_id)
            .where(License.owner == owner, License.content == recording.content_hash)
            .order_by(License.license_id)
        ).all()
        others = rivals(
            session,
            owner=owner,
            isrc=recording.isrc,
            content=recording.content_hash,
            fingerprint=recording.fingerprint,
        )
    warnings = [f"You license this recording already: licence {number}." for number in own[:5]]
    return [*warnings, *(rival.words for rival in others)]


def _covering(given: MintGiven) -> Recording:
    """The recording with the scope that the preset needs, where the request does not name one."""
    preset = given.terms.chosen()
    if preset is None or "scope" in given.recording.model_fields_set:
        return given.recording
    return given.recording.model_copy(update={"scope": preset.scope})


def _widened(recording: Recording, terms: TermsGiven | None) -> Recording:
    """The recording as its document has it, its scope widened to what a preset needs."""
    preset = terms.chosen() if terms else None
    if preset is None:
        return recording
    scope = dict.fromkeys((*recording.scope, *preset.scope))
    return recording.model_copy(update={"scope": tuple(scope)})


def _starts(known: KnownLicense, terms: Terms, document: bytes, now: int) -> int | None:
    """When an amendment counts, None for at once. Raises RefusedError where the rules refuse it."""
    known_ids = {version.terms.digest(): version.terms_id for version in known.history.versions}
    terms_id = known_ids.get(terms.digest(), 2**32 - 1)
    after = known.history.amend(terms_id=terms_id, terms=terms, document=document, now=now)
    start = after.versions[-1].start
    return None if start <= now else start
