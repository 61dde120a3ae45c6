"""Preparing a challenge of one row, its bond out of what the challenger has earned: no gas, no cash."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.actions.authorization import KnownLicense, known_license
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
from obbligato.protocol.constants import UINT64_MAX, Metric, Pricing, Tier
from obbligato.protocol.pricing import pool_weight
from obbligato.protocol.rows import Row, unpack_credits, unpack_rows
from obbligato.protocol.rulings import ContestedRow, bond, price_of_row
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
    row, split_id = _contested(services, report, payload, known, key)
    share = services.chain.call(VAULT, "positionOf", split_id, caller.account)[0]
    least = int(services.chain.call(DISPUTES, "minimumChallengeBond"))
    stake = bond(row, claimed=given.claimed_quantity, minimum=least, by_payee=share != 0)
    due = int(services.chain.call(VAULT, "claimable", caller.account, splits))
    if due < stake:
        raise RefusedError(
            f"the bond is {dollars(stake)} and {dollars(due)} of what you earned can be put up; challenge with "
            "your own dollars instead, by a transaction to the Disputes contract"
        )
    header = _header(report)
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


def _contested(
    services: Services,
    report: Report,
    payload: ReportPayload,
    known: KnownLicense,
    key: tuple[int, Tier, Metric],
) -> tuple[ContestedRow, int]:
    """The row as it stands, its frozen price, and the split it pays."""
    rows: list[Row] = unpack_rows(payload.rows)
    credits_ = unpack_credits(payload.credits)
    position = next((i for i, row in enumerate(rows) if row.key == key), None)
    moment = known.history.first_moment(key[1], report.period_start, report.period_end)
    version = None if moment is None else known.history.version_at(moment)
    if version is None:
        raise RefusedError(
            f"{known.name} allowed no {tier_title(key[1])} in the report's period: there is nothing to rule on"
        )
    price = price_of_row(
        pricing=Pricing(report.pricing),
        total=report.total_units,
        whole_weight=sum(pool_weight(row.quantity, row.tier) for row in rows),
        terms=version.terms,
        row=(key[1], key[2]),
        found=position is not None,
    )
    ruled = services.chain.call(DISPUTES, "rowRecordOf", report.report_id, *map(int, key))
    if position is None:
        split_id = int(services.chain.call("LicenseRegistry", "licenseOf", known.license_id)[6])
        stands = (int(ruled[0]), int(ruled[1])) if ruled[5] else (0, 0)
    else:
        split_id = credits_[position].split_id
        stands = (
            (int(ruled[0]), int(ruled[1]))
            if ruled[5]
            else (rows[position].quantity, credits_[position].amount)
        )
    return ContestedRow(*stands, price), split_id


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
