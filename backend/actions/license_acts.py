"""Preparing what is done to one licence: mint, amend, revoke, reinstate, change its split; and who may do it."""

from __future__ import annotations

from sqlalchemy import select

from backend.actions.calls import (
    REGISTRY,
    Call,
    raw_payees,
    raw_terms,
    split_step,
    terms_step,
)
from backend.actions.previews import amend_preview, mint_preview, split_preview
from backend.actions.store import Invitee, PreparedAct, store_blocks
from backend.db.head import read_head
from backend.db.index_db import License
from backend.http.callers import Caller
from backend.licenses.history import KnownLicense, read_history
from backend.licenses.rivals import rivals
from backend.licenses.terms import split_of
from backend.services import Services
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument, Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.errors import RefusedError
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.acts import (
    AmendRequest,
    ChangeSplitRequest,
    MintRequest,
    ReinstateRequest,
    RevokeRequest,
)
from obbligato.schemas.backend import Preview
from obbligato.schemas.terms import TermsInput
from obbligato.server.http import Problem
from obbligato.store import ContentStore
from obbligato.times import moment_text


def document_of(store: ContentStore, digest: bytes) -> LicenseDocument:
    """What a licence's document says. Raises NotFound, StoreError, DigestMismatch, InputError."""
    return LicenseDocument.from_bytes(store.get(cid_from_digest(digest)))


def license_of_caller(services: Services, caller: Caller, license_id: int) -> KnownLicense:
    """The licence, which the caller or the owner whose operator it is wants to change.

    Raises NotFound, Problem 403, ChainError.
    """
    with services.index_db.reading() as session:
        known = read_history(session, read_head(session), license_id)
    if caller.account != known.owner and not services.chain.call(
        "LicenseRegistry", "isLicensor", license_id, caller.account
    ):
        raise Problem(
            403,
            "Not your licence",
            f"Licence {license_id} is of {known.owner}, and {caller.account} is no operator of that account.",
            field="license_id",
        )
    return known


def check_may_mint_for(services: Services, caller: Caller, owner: str) -> None:
    """Make sure that the caller is the owner or its operator. Raises Problem 403, ChainError."""
    if caller.account != owner and not services.chain.call(
        "LicenseRegistry", "isApprovedForAll", owner, caller.account
    ):
        raise Problem(
            403,
            "Not for this account",
            f"{owner} has not made {caller.account} its operator: ask for its signature first.",
            field="owner",
        )


def forbidden_payees(services: Services) -> tuple[str, ...]:
    """Accounts that can never claim: what is credited to them is lost."""
    deployment = services.chain.deployment
    return *(contract.address for contract in deployment.contracts.values()), deployment.token


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
    digest = document.digest()
    content = [digest, recording.content_hash]
    return PreparedAct(
        kind="mint",
        account=owner,
        fields={
            "terms": terms,
            "split": split,
            "document": digest,
            "content": recording.content_hash,
        },
        function="mintBySignature",
        arguments=[terms.digest(), split.digest(), *content],
        direct=Call(REGISTRY, "mintWith", [owner, raw_terms(terms), raw_payees(split), *content]),
        steps=[terms_step(terms), split_step(split)],
        preview=mint_preview(recording.title, recording.artists, terms, split),
        document=digest,
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
    digest = document.digest()
    changes = [terms.digest(), digest]
    starts = _starts(known, terms, digest)
    return PreparedAct(
        kind="amend",
        account=known.owner,
        fields={
            "license_id": known.license_id,
            "current_document": known.current_document,
            "terms": terms,
            "document": digest,
        },
        function="amendBySignature",
        arguments=[known.license_id, known.current_document, *changes],
        direct=Call(REGISTRY, "amend", [known.license_id, *changes]),
        steps=[terms_step(terms)],
        preview=amend_preview(known.name, running.terms, terms, starts),
        license_id=known.license_id,
        document=digest,
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


def prepare_revoke(services: Services, caller: Caller, request: RevokeRequest) -> PreparedAct:
    """Prepare the end of a licence with its running term.

    Raises RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    sold_until = services.chain.call("Grants", "renewedUntil", known.license_id)
    ends_at = known.history.revoke(now=known.now, sold_until=sold_until).ends_at
    assert ends_at is not None
    ends = moment_text(ends_at)
    renewed = ends_at > known.history.term_end(known.now)
    with_term = (
        "with the next term, which a platform has paid for" if renewed else "with the running term"
    )
    return PreparedAct(
        kind="revoke",
        account=known.owner,
        fields={"license_id": known.license_id, "current_document": known.current_document},
        function="revokeBySignature",
        direct=Call(REGISTRY, "revoke", [known.license_id]),
        preview=Preview(
            title=f"Revoke {known.name}",
            sentences=[
                f"Consent to every use of {known.name} ends on {ends}, {with_term}.",
                "Until then use stays allowed and paid for at the same prices.",
                "You can take it back until then. Money already earned stays yours.",
            ],
            until=f"It ends on {ends}.",
        ),
        license_id=known.license_id,
    )


def prepare_reinstate(services: Services, caller: Caller, request: ReinstateRequest) -> PreparedAct:
    """Prepare to take a revocation back, before it takes effect.

    Raises RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    known.history.reinstate(now=known.now)
    return PreparedAct(
        kind="reinstate",
        account=known.owner,
        fields={"license_id": known.license_id, "current_document": known.current_document},
        function="reinstateBySignature",
        direct=Call(REGISTRY, "reinstate", [known.license_id]),
        preview=Preview(
            title=f"Take back the revocation of {known.name}",
            sentences=[
                f"{known.name} goes on as before: same terms, same prices, same payees.",
                "It renews with every term until you revoke it again.",
            ],
        ),
        license_id=known.license_id,
    )


def prepare_split_change(
    services: Services, caller: Caller, request: ChangeSplitRequest
) -> PreparedAct:
    """Prepare other payees or shares.

    Every payee whose share shrinks is invited to sign; the change is sent once all of them and you have.

    Raises InputError, RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    with services.index_db.reading() as session:
        before = split_of(session, known.split_id)
    after = request.split(None, forbidden=forbidden_payees(services))
    if after == before:
        raise RefusedError(f"{known.name} has this split already: there is nothing to change")
    # The owner agrees by signing the change itself.
    invitees = [
        Invitee(payee.account, payee.share, after.share_of(payee.account))
        for payee in before.payees
        if after.share_of(payee.account) < payee.share and payee.account != known.owner
    ]
    fixed = [known.license_id, known.current_document, raw_payees(before), raw_payees(after)]
    return PreparedAct(
        kind="change-split",
        account=known.owner,
        fields={
            "license_id": known.license_id,
            "current_document": known.current_document,
            "from_split": before,
            "to_split": after,
        },
        function="changeSplitBySignature",
        arguments=fixed,
        # An operator's own transaction would need the owner's acceptance too: the owner signs instead.
        direct=Call(REGISTRY, "changeSplit", [fixed[0], *fixed[2:], []])
        if caller.account == known.owner
        else None,
        preview=split_preview(known.name, before, after, [each.account for each in invitees]),
        license_id=known.license_id,
        seconds=services.settings.inviting_seconds,
        invitees=invitees,
    )
