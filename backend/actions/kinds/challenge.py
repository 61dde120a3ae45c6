"""Preparing a challenge of one row, its bond out of what the challenger has earned: no gas, no cash."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.actions.authorization import known_license
from backend.actions.calls import OWED_SPLITS, SIGNED, VAULT, Call, hexadecimal
from backend.actions.kinds.claims import owed_splits
from backend.actions.previews import Preview
from backend.actions.schemas import Given, TierName, whole
from backend.actions.store import Draft, store_blocks
from backend.db.head import read_head
from backend.db.index_db import Report, ReportPayload
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents import cid_from_digest, digest_from_cid, sha256
from obbligato.documents.wording import dollars, tier_title
from obbligato.errors import InputError, NotFound, RefusedError
from obbligato.protocol.constants import UINT64_MAX, Metric, Tier
from obbligato.protocol.contested import contested_row, position_of
from obbligato.protocol.rows import unpack_credits, unpack_rows
from obbligato.protocol.rulings import bond
from obbligato.protocol.typed_data import Challenge, UsageReport
from obbligato.protocol.types import Bytes32

DISPUTES: Final = "Disputes"
MOST_EVIDENCE: Final = 200_000


class ChallengeGiven(Given):
    """A row of a report and what its quantity should be, in millionths of a unit; and the evidence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "report_id": "0x" + "ab" * 32,
                    "license_id": 3,
                    "tier": "GENERATIVE",
                    "metric": "GENERATION",
                    "claimed_quantity": "15000000000",
                    "evidence_text": "A list of outputs that name the recording.",
                }
            ]
        }
    )

    report_id: Bytes32
    license_id: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]
    tier: TierName
    metric: Annotated[str, Field(pattern="^(TRAINING_RUN|GENERATION|PLAYBACK)$")]
    claimed_quantity: Annotated[
        int, BeforeValidator(whole), Field(strict=True, ge=0, le=UINT64_MAX)
    ]
    evidence: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="The CID of a public document that shows it."
    )
    evidence_text: Annotated[str, Field(min_length=1, max_length=MOST_EVIDENCE)] | None = Field(
        default=None,
        description="Or the evidence itself, as text. It becomes public for ever: nothing personal.",
    )


def draft_challenge(services: Services, caller: Caller, given: ChallengeGiven) -> Draft:
    """A challenge. Raises InputError, NotFound, RefusedError, StoreError, ChainError."""
    evidence, text = _evidence(given)
    with services.index_db.reading() as session:
        report, payload = _report(session, given.report_id)
        known = known_license(session, given.license_id)
        now = read_head(session).head_time
        splits = owed_splits(session, caller.account)
    key = (known.license_id, Tier[given.tier], Metric[given.metric])
    header, rows = _header(report), unpack_rows(payload.rows)
    ruled = services.chain.row(report.report_id, key)
    row, split_id = contested_row(
        header,
        rows,
        unpack_credits(payload.credits),
        key,
        claimed=given.claimed_quantity,
        history=known.history,
        split_id=services.chain.license(known.license_id).split_id,
        held=position_of(rows, key) in report.held,
        ruled=(ruled.quantity, ruled.amount_units) if ruled.ruled else None,
    )
    is_payee = services.chain.position(split_id, caller.account).share_ppm != 0
    least = int(services.chain.call(DISPUTES, "minimumChallengeBond"))
    stake = bond(row, claimed=given.claimed_quantity, minimum=least, by_payee=is_payee)
    due = int(services.chain.call(VAULT, "claimable", caller.account, splits))
    if due < stake:
        raise RefusedError(
            f"the bond is {dollars(stake)} and {dollars(due)} of what you earned can be put up; challenge with "
            "your own dollars instead, by a transaction to the Disputes contract"
        )
    current = known.history.document_at(now) or known.document
    claim = [
        known.license_id,
        int(key[1]),
        int(key[2]),
        given.claimed_quantity,
        hexadecimal(evidence),
    ]
    case = [
        [_plain(value) for value in header.model_dump().values()],
        hexadecimal(payload.rows),
        hexadecimal(payload.credits),
    ]
    blocks = [] if text is None else store_blocks(services.store, [text])
    worth = row.value(given.claimed_quantity)
    return Draft(
        kind="challenge",
        account=caller.account,
        message=Challenge,
        fields={
            "report_id": given.report_id,
            "license_id": known.license_id,
            "current_document": current,
            "tier": key[1],
            "metric": key[2],
            "claimed_quantity": given.claimed_quantity,
            "evidence": evidence,
            "maximum_bond": stake,
        },
        call=Call(
            DISPUTES,
            "challengeBySignature",
            [case, claim, hexadecimal(current), stake, OWED_SPLITS, SIGNED],
        ),
        direct=Call(DISPUTES, "challenge", [case, claim, splits]),
        preview=Preview(
            title=f"Contest {tier_title(key[1])} of {known.name} in a report of platform {report.platform_id}",
            sentences=[
                (
                    f"The report says {_amount(row.reported)}, worth {dollars(row.credited)}; you say "
                    f"{_amount(given.claimed_quantity)}, worth {dollars(worth)}."
                ),
                f"You put up a bond of {dollars(stake)} out of what you have earned.",
                (
                    "The arbiter decides. If it is nearer to your number, you get your bond back and half as "
                    "much again from the platform; if it is nearer to the report's, you lose your bond. "
                    "If it stays silent, the report stands and your bond returns."
                ),
                "The evidence is public: "
                + cid_from_digest(evidence)
                + ". Make sure that it names no private person.",
            ],
            costs=f"No gas. A bond of {dollars(stake)} out of your credit.",
        ),
        license_id=known.license_id,
        blocks=blocks,
    )


def _evidence(given: ChallengeGiven) -> tuple[bytes, bytes | None]:
    if (given.evidence is None) == (given.evidence_text is None):
        raise InputError("give the evidence: its CID, or its text", field="evidence")
    if given.evidence is not None:
        try:
            return digest_from_cid(given.evidence), None
        except InputError as error:
            raise InputError(error.reason, field="evidence") from None
    text = (given.evidence_text or "").encode()
    return sha256(text), text


def _report(session: Session, report_id: bytes) -> tuple[Report, ReportPayload]:
    found = session.execute(
        select(Report, ReportPayload)
        .join(ReportPayload, ReportPayload.report_id == Report.report_id)
        .where(Report.report_id == report_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"there is no report 0x{report_id.hex()}")
    return found[0], found[1]


def _header(report: Report) -> UsageReport:
    return UsageReport(
        **{name: getattr(report, name) for name in UsageReport.model_fields if name != "total"},
        total=report.total_units,
    )


def _plain(value: object) -> object:
    return hexadecimal(value) if isinstance(value, bytes) else int(value)  # type: ignore[call-overload]


def _amount(millionths: int) -> str:
    whole_, rest = divmod(millionths, 1_000_000)
    return f"{whole_:,}" if not rest else f"{whole_:,}.{rest:06d}".rstrip("0")
