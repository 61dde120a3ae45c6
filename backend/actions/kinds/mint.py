"""Preparing a mint and an amendment: the document is made, stored and read back; then there is something to sign."""

from __future__ import annotations

from sqlalchemy import select

from backend.actions.authorization import (
    check_may_mint_for,
    document_of,
    forbidden_payees,
    license_of_caller,
)
from backend.actions.calls import (
    REGISTRY,
    Call,
    raw_payees,
    raw_terms,
    split_step,
    terms_step,
)
from backend.actions.previews import amend_preview, mint_preview
from backend.actions.store import PreparedAct, store_blocks
from backend.db.index_db import License
from backend.http.callers import Caller
from backend.licenses.history import KnownLicense
from backend.licenses.rivals import rivals
from backend.services import Services
from obbligato.documents.license import LicenseDocument, Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.errors import RefusedError
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.acts import AmendRequest, MintRequest
from obbligato.schemas.terms import TermsInput


def prepare_mint(services: Services, caller: Caller, request: MintRequest) -> PreparedAct:
    """Prepare a licence.

    Checks everything, stores the licence document and the legal text and reads them back, and answers with what
    will be granted in plain words and what to sign. Warns where the recording is licensed already. The recording
    itself stays with you: give its sha-256.

    Raises InputError, RefusedError, Problem 403, StoreError, ChainError; nothing is stored then.
    """
    owner = request.owner or caller.account
    check_may_mint_for(services, caller, owner)
    split = request.split(owner, forbidden=forbidden_payees(services))
    return mint_of(services, owner, request.document(), split)


def mint_of(
    services: Services,
    owner: str,
    document: LicenseDocument,
    split: Split,
    catalogue_id: str | None = None,
) -> PreparedAct:
    """A mint of checked parts: its document is stored and read back. Raises StoreError, InputError."""
    recording, terms = document.recording, document.terms.terms()
    fields = {
        "terms": terms.digest(),
        "split": split.digest(),
        "document": document.digest(),
        "content": recording.content_hash,
    }
    return PreparedAct(
        kind="mint",
        account=owner,
        fields=fields,
        function="mintBySignature",
        direct=Call(
            REGISTRY,
            "mintWith",
            [owner, raw_terms(terms), raw_payees(split), fields["document"], fields["content"]],
        ),
        steps=[terms_step(terms), split_step(split)],
        preview=mint_preview(recording.title, recording.artists, terms, split),
        document=fields["document"],
        blocks=store_blocks(services.store, [legal_text(terms), document.to_bytes()]),
        warnings=mint_warnings(services, owner, recording),
        catalogue_id=catalogue_id,
    )


def prepare_amend(services: Services, caller: Caller, request: AmendRequest) -> PreparedAct:
    """Prepare new terms or new facts for a licence.

    A tier that is only added counts at once, anything else from the next term; the preview says which.

    Raises what `prepare_mint` raises, and NotFound for an unknown licence.
    """
    known = license_of_caller(services, caller, request.license_id)
    if request.payees is not None or request.split_sheet is not None:
        raise RefusedError("who is paid is changed by an act of its own: change-split")
    running = known.history.version_at(known.now)
    if running is None:
        raise RefusedError(f"{known.name} has ended: mint a new licence instead")
    old = document_of(services.store, known.document)
    recording = request.recording or _widened(old.recording, request.terms)
    if recording.content_hash != known.content:
        raise RefusedError(
            "another content hash is another recording: mint a licence of its own for it"
        )
    terms = request.terms.terms() if request.terms else running.terms
    document = license_document(recording=recording, terms=terms, image=request.image or old.image)
    fields = {
        "license_id": known.license_id,
        "current_document": known.current_document,
        "terms": terms.digest(),
        "document": document.digest(),
    }
    starts = _starts(known, terms, document.digest())
    return PreparedAct(
        kind="amend",
        account=known.owner,
        fields=fields,
        function="amendBySignature",
        direct=Call(REGISTRY, "amend", [known.license_id, terms.digest(), document.digest()]),
        steps=[terms_step(terms)],
        preview=amend_preview(known.name, running.terms, terms, starts),
        license_id=known.license_id,
        document=document.digest(),
        blocks=store_blocks(services.store, [legal_text(terms), document.to_bytes()]),
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


def _widened(recording: Recording, terms: TermsInput | None) -> Recording:
    """The recording of a document, its scope widened to what a preset needs."""
    preset = terms.named_preset() if terms else None
    if preset is None:
        return recording
    scope = dict.fromkeys((*recording.scope, *preset.scope))
    return recording.model_copy(update={"scope": tuple(scope)})


def _starts(known: KnownLicense, terms: Terms, document: bytes) -> int | None:
    """When an amendment counts, None for at once. Raises RefusedError where the rules refuse it."""
    terms_ids = {version.terms.digest(): version.terms_id for version in known.history.versions}
    terms_id = terms_ids.get(terms.digest(), 2**32 - 1)
    after = known.history.amend(terms_id=terms_id, terms=terms, document=document, now=known.now)
    start = after.versions[-1].start
    return None if start <= known.now else start
