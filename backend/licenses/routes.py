"""Routes of licences: lists, one with everything, its history and texts, its consent, its grants and operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from backend.db.head import read_head
from backend.http.caching import IndexRoute, lookup
from backend.http.deps import (
    HeadDep,
    IdPath,
    IndexDep,
    MomentQuery,
    ServicesDep,
)
from backend.http.paging import PageQuery
from backend.http.schemas import Page, problems
from backend.licenses.consent import (
    ConsentAnswer,
    ConsentAnswers,
    ConsentHistory,
    ConsentQuestions,
    check_uses,
    read_consent,
    read_consent_history,
)
from backend.licenses.grants import (
    GrantAnswer,
    GrantQuery,
    GrantRequestAnswer,
    GrantRequestQuery,
    OperatorAnswer,
    OperatorQuery,
    list_grant_requests,
    list_grants,
    list_operators,
)
from backend.licenses.history import RetiredQuery, list_acts, list_retired
from backend.licenses.queries import (
    LicenseQuery,
    document_cid,
    legal_text_cid,
    list_licenses,
    read_license,
)
from backend.licenses.schemas import ActAnswer, LicenseAnswer, LicenseSummary, RetiredLicense
from backend.licenses.terms import SplitAnswer, TermsAnswer, read_split, read_terms
from backend.services import Services
from obbligato.protocol.constants import Tier
from obbligato.schemas.terms import TierName

index = APIRouter(prefix="/v1/licenses", tags=["licenses"], route_class=IndexRoute)
texts = APIRouter(prefix="/v1/licenses", tags=["licenses"])
"""What comes from the store, and not from the index."""


@index.get(
    "",
    operation_id="list_licenses",
    responses=problems(404, 422),
)
@lookup(lambda named: named["query"].is_by_key)
def licenses(
    session: IndexDep, head: HeadDep, query: Annotated[LicenseQuery, Query()]
) -> Page[LicenseSummary]:
    """List licences.

    By recording (`isrc`, `content`, part of `artist` or `title`), by people (`owner`, `payee`), by consent to a
    `tier` at a moment, by `state`; `rival_of` gives those for the same recording under another owner.
    """
    return list_licenses(session, head, query)


@index.get(
    "/retired",
    operation_id="list_retired_licenses",
    responses=problems(422),
)
def retired(
    session: IndexDep, head: HeadDep, query: Annotated[RetiredQuery, Query()]
) -> Page[RetiredLicense]:
    """List licences whose consent ended or will end.

    Those decided last come first. Ask with `after`, the `retired_at` of the newest one you know, to hear of new ones.
    """
    return list_retired(session, head, query)


@index.get(
    "/{license_id}",
    operation_id="get_license",
    responses=problems(404, 422),
)
@lookup()
def license_(session: IndexDep, head: HeadDep, license_id: IdPath) -> LicenseAnswer:
    """Get one licence with everything.

    Its terms in numbers and in words, what is pending, who is paid, its document, and its rivals.
    """
    return read_license(session, head, license_id)


@index.get(
    "/{license_id}/history",
    operation_id="list_license_acts",
    responses=problems(404, 422),
)
@lookup()
def history(
    session: IndexDep, head: HeadDep, license_id: IdPath, query: PageQuery
) -> Page[ActAnswer]:
    """List what happened to a licence, in order."""
    return list_acts(session, head, license_id, query)


@texts.get(
    "/{license_id}/document",
    operation_id="get_license_document",
    response_class=Response,
    responses={
        200: {
            "description": "The document, canonical (RFC 8785)",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **problems(404, 422, 502),
    },
)
def document(services: ServicesDep, license_id: IdPath) -> Response:
    """Get the document of a licence.

    The bytes are those whose sha-256 the chain has: they are checked each time.
    """
    with services.index_db.reading() as session:
        cid = document_cid(session, read_head(session), license_id)
    return _block(services, cid, "application/json")


@texts.get(
    "/{license_id}/legal-text",
    operation_id="get_license_legal_text",
    response_class=Response,
    responses={
        200: {
            "description": "The agreement in plain language",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(404, 422, 502),
    },
)
def legal_text(services: ServicesDep, license_id: IdPath) -> Response:
    """Get the legal text of a licence's terms.

    The bytes are those whose sha-256 is the terms' `text_digest`: they are checked each time.
    """
    with services.index_db.reading() as session:
        cid = legal_text_cid(session, read_head(session), license_id)
    return _block(services, cid, "text/plain; charset=utf-8")


def _block(services: Services, cid: str, media_type: str) -> Response:
    """A verified block. Raises NotFound, DigestMismatch, StoreError."""
    headers = {"etag": f'"{cid}"', "x-content-type-options": "nosniff"}
    return Response(services.store.get(cid), media_type=media_type, headers=headers)


terms_router = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)


@terms_router.get(
    "/terms/{terms_id}",
    operation_id="get_terms",
    responses=problems(404, 422),
)
@lookup()
def terms(session: IndexDep, head: HeadDep, terms_id: IdPath) -> TermsAnswer:
    """Get terms in numbers and in words."""
    return read_terms(session, head, terms_id)


@terms_router.get(
    "/splits/{split_id}",
    operation_id="get_split",
    responses=problems(404, 422),
)
@lookup()
def split(session: IndexDep, head: HeadDep, split_id: IdPath) -> SplitAnswer:
    """Get a split: who is paid, and in what share."""
    return read_split(session, head, split_id)


consent_index = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)
checks = APIRouter(prefix="/v1", tags=["licenses"])


@consent_index.get(
    "/licenses/{license_id}/consent",
    operation_id="get_consent",
    responses=problems(404, 422),
)
def consent(
    session: IndexDep,
    head: HeadDep,
    license_id: IdPath,
    tier: TierName | None = None,
    at: MomentQuery = None,
) -> ConsentAnswer:
    """Say what a licence allows at a moment.

    Of one tier, or of all six. An answer about a moment that is over never changes.
    """
    tiers = list(Tier) if tier is None else [Tier[tier]]
    return read_consent(session, head, license_id, tiers=tiers, at=at)


@consent_index.get(
    "/licenses/{license_id}/consent/history",
    operation_id="get_consent_history",
    responses=problems(404, 422),
)
def consent_history(session: IndexDep, head: HeadDep, license_id: IdPath) -> ConsentHistory:
    """Say when there was consent to each tier."""
    return read_consent_history(session, head, license_id)


@checks.post(
    "/consent-checks",
    operation_id="check_consent",
    responses=problems(422),
)
def check(session: IndexDep, head: HeadDep, questions: ConsentQuestions) -> ConsentAnswers:
    """Check consent for up to 1 000 uses.

    Each names a recording by licence, ISRC or content hash. Where several licences claim one, the one in force that
    was minted first is used and the others are shown as rivals. Whatever is not a plain yes is a no, with its reason.
    """
    return check_uses(session, head, questions)


grants_router = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)


@grants_router.get(
    "/grants",
    operation_id="list_grants",
    responses=problems(422),
)
def grants(
    session: IndexDep, head: HeadDep, query: Annotated[GrantQuery, Query()]
) -> Page[GrantAnswer]:
    """List grants, newest first."""
    return list_grants(session, head, query)


@grants_router.get(
    "/grant-requests",
    operation_id="list_grant_requests",
    responses=problems(422),
)
def grant_requests(
    session: IndexDep, head: HeadDep, query: Annotated[GrantRequestQuery, Query()]
) -> Page[GrantRequestAnswer]:
    """List what platforms asked licensors for, newest first.

    `owner` gives those that somebody is to answer.
    """
    return list_grant_requests(session, head, query)


@grants_router.get(
    "/operators",
    operation_id="list_operators",
    responses=problems(422),
)
def operators(
    session: IndexDep, head: HeadDep, query: Annotated[OperatorQuery, Query()]
) -> Page[OperatorAnswer]:
    """List who acts for which owner, those who no longer do included."""
    return list_operators(session, head, query)
