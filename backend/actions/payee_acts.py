"""Preparing what payees do: claim, redirect claims, and challenge a row with a bond out of what they earned."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.actions.calls import VAULT, Call
from backend.actions.store import PreparedAct, store_blocks
from backend.db.head import read_head
from backend.db.index_db import Report, ReportPayload, Split, SplitPayee
from backend.http.callers import Caller
from backend.licenses.history import read_history
from backend.services import Services
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import dollars, tier_title
from obbligato.errors import InputError, NotFound, RefusedError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import unpack_credits, unpack_rows
from obbligato.protocol.rulings import bond, contested_row, position_of
from obbligato.protocol.splits import entitlement
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.schemas.acts import (
    ChallengeRequest,
    ClaimRequest,
    GuardClaimsRequest,
    RedirectRequest,
)
from obbligato.schemas.backend import Preview

MOST_SPLITS: Final = 1_000
"""In one claim: each costs up to 9 000 gas of the 16 777 216 that a transaction may use."""


def prepare_claim(services: Services, caller: Caller, request: ClaimRequest) -> PreparedAct:
    """Prepare to take all that your splits have earned, in one transaction.

    Raises InputError, RefusedError where nothing is claimable, ChainError.
    """
    to = request.to or caller.account
    _check_recipient(services, to)
    with services.index_db.reading() as session:
        split_ids = owed_splits(session, caller.account)
    due = services.chain.claimable_units(caller.account, split_ids)
    least = max(request.minimum_units, 1)
    if due < least:
        raise RefusedError(f"{dollars(due)} can be claimed right now, less than {dollars(least)}")
    return PreparedAct(
        kind="claim",
        account=caller.account,
        fields={"to": to, "minimum": request.minimum_units},
        function="claimBySignature",
        direct=None if to != caller.account else Call(VAULT, "claim", [caller.account, split_ids]),
        preview=Preview(
            title=f"Claim {dollars(due)}",
            sentences=[
                f"{dollars(due)} can be claimed right now, out of {len(split_ids)} splits.",
                (
                    f"All that is due when the transaction is mined is sent to {to}, at least "
                    f"{dollars(request.minimum_units)}."
                ),
            ],
        ),
        warnings=[]
        if to == caller.account
        else [f"The money goes to another account than yours: {to}. Check every digit."],
    )


def prepare_redirect(services: Services, caller: Caller, request: RedirectRequest) -> PreparedAct:
    """Prepare to have your claims sent to another account.

    Raises InputError, RefusedError, ChainError.
    """
    to_own_account = request.to == caller.account
    to = ZERO_ADDRESS if to_own_account else request.to
    if not to_own_account:
        _check_recipient(services, to)
    recipient = services.chain.recipient(caller.account)
    if recipient == request.to:
        raise RefusedError(f"your claims go to {request.to} already: nothing to change")
    sentence = (
        "Your later claims come to your own account again."
        if to_own_account
        else f"Your later claims are sent to {to}, whoever starts them, until you change it again."
    )
    return PreparedAct(
        kind="redirect",
        account=caller.account,
        fields={"to": to},
        function="redirectBySignature",
        direct=Call(VAULT, "redirect", [to]),
        preview=Preview(
            title=f"Send my claims to {request.to}",
            sentences=[sentence, "What you are owed does not change."],
        ),
        warnings=[]
        if to_own_account
        else [f"Whoever holds {to} gets your money. Check every digit."],
    )


def prepare_guard(services: Services, caller: Caller, request: GuardClaimsRequest) -> PreparedAct:
    """Prepare to let nobody else claim for you, or everybody again.

    Raises RefusedError, ChainError.
    """
    if services.chain.claims_guarded(caller.account) == request.guarded:
        state = "guarded" if request.guarded else "open to everybody"
        raise RefusedError(f"your claims are {state} already: nothing to change")
    sentences = (
        [
            "Only you, or your signature, can claim what you have earned from now on.",
            "It stays where it can pay the bond if you contest a report.",
        ]
        if request.guarded
        else ["Everybody can start your claims again. The money goes where it goes now."]
    )
    return PreparedAct(
        kind="guard-claims",
        account=caller.account,
        fields={"guarded": request.guarded},
        function="guardClaimsBySignature",
        direct=Call(VAULT, "guardClaims", [request.guarded]),
        preview=Preview(
            title="Guard my claims" if request.guarded else "Open my claims",
            sentences=[*sentences, "What you are owed does not change."],
        ),
    )


def owed_splits(session: Session, account: str) -> list[int]:
    """The splits that owe an account something, those that owe most first, as many as one claim takes."""
    rows = session.execute(
        select(
            SplitPayee.split_id,
            Split.received_units,
            SplitPayee.share_ppm,
            SplitPayee.claimed_units,
        )
        .join(Split, Split.split_id == SplitPayee.split_id)
        .where(SplitPayee.account == account)
    ).all()
    owed = [
        (entitlement(received, share) - claimed, split_id)
        for split_id, received, share, claimed in rows
    ]
    most = sorted((each for each in owed if each[0] > 0), reverse=True)[:MOST_SPLITS]
    return sorted(split_id for _, split_id in most)


def _check_recipient(services: Services, to: str) -> None:
    deployment = services.chain.deployment
    if to in (ZERO_ADDRESS, deployment.address("RoyaltyVault"), deployment.token):
        raise InputError(f"{to} could never spend it: name another account", field="to")


DISPUTES: Final = "Disputes"


def prepare_challenge(services: Services, caller: Caller, request: ChallengeRequest) -> PreparedAct:
    """Prepare to contest one row of a report.

    The bond comes out of what you have earned: it takes neither gas nor cash.

    Raises InputError, NotFound, RefusedError, StoreError, ChainError.
    """
    evidence = request.evidence_digest()
    with services.index_db.reading() as session:
        report, payload = _report(session, request.report_id)
        known = read_history(session, read_head(session), request.license_id)
        splits = owed_splits(session, caller.account)
    key = (known.license_id, Tier[request.tier], Metric[request.metric])
    header, rows = _header(report), unpack_rows(payload.rows)
    ruled = services.chain.row(report.report_id, key)
    row, split_id = contested_row(
        header,
        rows,
        unpack_credits(payload.credits),
        key,
        claimed=request.claimed_quantity,
        history=known.history,
        split_id=services.chain.license(known.license_id).split_id,
        reduced=position_of(rows, key) in report.held and not ruled.open_reduction,
        ruled=(ruled.quantity, ruled.amount_units) if ruled.ruled else None,
    )
    is_payee = services.chain.position(split_id, caller.account).share_ppm != 0
    least = services.chain.least_bond_units(report.report_id)
    stake = bond(row, claimed=request.claimed_quantity, minimum=least, by_payee=is_payee)
    due = services.chain.claimable_units(caller.account, splits)
    if due < stake:
        raise RefusedError(
            f"the bond is {dollars(stake)} and {dollars(due)} of what you earned can be put up; challenge with "
            "your own dollars instead, by a transaction to the Disputes contract"
        )
    claim = [
        known.license_id,
        int(key[1]),
        int(key[2]),
        request.claimed_quantity,
        evidence,
    ]
    case = [
        list(header.model_dump().values()),
        payload.rows,
        payload.credits,
    ]
    text = [] if request.evidence_text is None else [request.evidence_text.encode()]
    worth = row.value(request.claimed_quantity)
    return PreparedAct(
        kind="challenge",
        account=caller.account,
        fields={
            "report_id": request.report_id,
            "license_id": known.license_id,
            "current_document": known.current_document,
            "tier": key[1],
            "metric": key[2],
            "claimed_quantity": request.claimed_quantity,
            "evidence": evidence,
            "maximum_bond": stake,
        },
        function="challengeBySignature",
        arguments=[case, claim, known.current_document, stake],
        direct=Call(DISPUTES, "challenge", [case, claim, splits]),
        preview=Preview(
            title=f"Contest {tier_title(key[1])} of {known.name} in a report of platform {report.platform_id}",
            sentences=[
                (
                    f"The report says {_amount(row.reported)}, worth {dollars(row.credited)}; you say "
                    f"{_amount(request.claimed_quantity)}, worth {dollars(worth)}."
                ),
                f"You put up a bond of {dollars(stake)} out of what you have earned.",
                (
                    "The arbiter decides. If it is nearer to your number, you get your bond back and half as "
                    "much again from the platform; if it is nearer to the report's, you lose your bond. "
                    "If it stays silent, the report stands and nine tenths of your bond return."
                ),
                "The evidence is public: "
                + cid_from_digest(evidence)
                + ". Make sure that it names no private person.",
            ],
            costs=f"No gas. A bond of {dollars(stake)} out of your credit.",
        ),
        license_id=known.license_id,
        blocks=store_blocks(services.store, text),
    )


def _report(session: Session, report_id: bytes) -> tuple[Report, ReportPayload]:
    joined = session.execute(
        select(Report, ReportPayload)
        .join(ReportPayload, ReportPayload.report_id == Report.report_id)
        .where(Report.report_id == report_id)
    ).one_or_none()
    if joined is None:
        raise NotFound(f"there is no report 0x{report_id.hex()}")
    return joined[0], joined[1]


def _header(report: Report) -> UsageReport:
    return UsageReport(
        **{name: getattr(report, name) for name in UsageReport.model_fields if name != "total"},
        total=report.total_units,
    )


def _amount(millionths: int) -> str:
    units, rest = divmod(millionths, 1_000_000)
    return f"{units:,}" if not rest else f"{units:,}.{rest:06d}".rstrip("0")
