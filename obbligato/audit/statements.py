"""What a ledger says of one licence, one payee, one report: plain data, the same for every reader.

Pure. Amounts are money units (millionths of a dollar), quantities millionths of a unit, times
seconds since 1970, digests 0x hexadecimal; a price that is not offered is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from obbligato.audit.ledger import ChallengeRecord, Ledger, LicenseRecord, ReportRecord
from obbligato.documents import wording
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import InputError, NotFound
from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Tier, tiers_of
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.rulings import position_of
from obbligato.protocol.splits import Split, entitlement
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.types import checked_address

Plain = dict[str, Any]

SHORTEST_PREFIX = 6
"""Hexadecimal digits that name a report, where no other begins with them."""


def hexadecimal(digest: bytes) -> str:
    return "0x" + digest.hex()


# ---- terms and splits


def terms_statement(terms: Terms) -> Plain:
    """Terms in numbers and in words."""
    opted_in = tiers_of(terms.tiers)
    return {
        "digest": hexadecimal(terms.digest()),
        "term_days": terms.term_days,
        "influence_cap_bps": terms.influence_cap_bps,
        "flags": [flag.name for flag in Flag if terms.has(flag)],
        "text_digest": hexadecimal(terms.text_digest),
        "text_cid": cid_from_digest(terms.text_digest),
        "tiers": [
            {"tier": int(tier), "name": tier.name, **_card(card)}
            for tier, card in zip(opted_in, terms.rates, strict=True)
        ],
        "in_words": [
            *(
                f"{wording.tier_title(tier)}: {wording.TIER_MEANINGS[tier]}. {wording.card_sentence(card)}."
                for tier, card in zip(opted_in, terms.rates, strict=True)
            ),
            *([] if opted_in else ["No use by AI is allowed."]),
            *wording.condition_sentences(terms),
        ],
    }


def _card(card: RateCard) -> Plain:
    return {
        f"{name}_units": None if rate == NOT_OFFERED else rate
        for name, rate in card.model_dump().items()
    }


def split_statement(split: Split) -> Plain:
    """Who is paid, in what share, for what."""
    return {
        "digest": hexadecimal(split.digest()),
        "payees": [
            {"account": p.account, "share_ppm": p.share, "role": wording.role_word(p.role)}
            for p in split.payees
        ],
    }


# ---- licences


def license_summary(ledger: Ledger, license_id: int, now: int) -> Plain:
    """One line of a list. Raises NotFound."""
    known = _license(ledger, license_id)
    version = known.history.version_at(now)
    return {
        "license_id": license_id,
        "state": license_state(known, now),
        "owner": known.owner,
        "terms_id": known.history.terms_at(now),
        "tiers": [] if version is None else [tier.name for tier in tiers_of(version.terms.tiers)],
        "split_id": known.split_id,
        "document": cid_from_digest(known.history.document_at(now) or known.document),
    }


def license_statement(ledger: Ledger, license_id: int, now: int) -> Plain:
    """Everything the chain says of a licence at `now`. Raises NotFound."""
    known = _license(ledger, license_id)
    history = known.history
    version = history.version_at(now)
    pending = history.pending_at(now)
    return {
        **license_summary(ledger, license_id, now),
        "content": hexadecimal(known.content),
        "minted_at": history.minted_at,
        "term_ends_at": None if version is None else version.term_end(now),
        "ends_at": history.ends_at,
        "terms": None if version is None else terms_statement(version.terms),
        "pending": None
        if pending is None
        else {
            "from": pending.start,
            "terms_id": pending.terms_id,
            "terms": terms_statement(pending.terms),
        },
        "split": split_statement(ledger.splits[known.split_id]),
        "history": [
            {
                "from": each.start,
                "terms_id": each.terms_id,
                "tiers": [tier.name for tier in tiers_of(each.terms.tiers)],
                "document": cid_from_digest(each.document),
            }
            for each in history.versions
        ],
    }


def license_state(known: LicenseRecord, now: int) -> str:
    """`in force`, `ending` (revoked, until its term ends) or `ended`."""
    if known.history.version_at(now) is None:
        return "ended"
    return "in force" if known.history.ends_at is None else "ending"


def _license(ledger: Ledger, license_id: int) -> LicenseRecord:
    if license_id not in ledger.licenses:
        raise NotFound(f"no licence {license_id}: there are {len(ledger.licenses)}, counted from 1")
    return ledger.licenses[license_id]


# ---- payees


def payee_statement(ledger: Ledger, account: str) -> Plain:
    """What an account has earned, taken and may take. Raises InputError for no address."""
    payee = checked_address(account)
    splits = []
    for split_id, split in ledger.splits.items():
        share = split.share_of(payee)
        if share:
            received = ledger.received.get(split_id, 0)
            entitled = entitlement(received, share)
            claimed = ledger.claimed.get((split_id, payee), 0)
            splits.append(
                {
                    "split_id": split_id,
                    "share_ppm": share,
                    "received_units": received,
                    "entitled_units": entitled,
                    "claimed_units": claimed,
                    "claimable_units": entitled - claimed,
                }
            )
    refunds = ledger.refunds.get(payee, 0)
    return {
        "account": payee,
        "claimable_units": refunds + sum(each["claimable_units"] for each in splits),
        "refunds_units": refunds,
        "paid_units": ledger.paid.get(payee, 0),
        "splits": splits,
    }


# ---- reports


def report_summary(report: ReportRecord) -> Plain:
    """One line of a list."""
    header = report.header
    return {
        "report_id": hexadecimal(report.report_id),
        "state": str(report.state),
        "platform_id": header.platform_id,
        "model_id": hexadecimal(header.model_id),
        "sequence": header.sequence,
        "period_start": header.period_start,
        "period_end": header.period_end,
        "pricing": header.pricing.name,
        "row_count": len(report.rows),
        "total_units": header.total,
        "settled_units": report.settled,
        "ruled_units": report.ruled,
    }


def report_statement(ledger: Ledger, report: ReportRecord) -> Plain:
    """A report with its rows, their credits and the challenges of them."""
    challenges = [c for c in ledger.challenges.values() if c.report_id == report.report_id]
    return {
        **report_summary(report),
        "reporter": report.reporter,
        "previous": hexadecimal(report.header.previous),
        "attempt": report.header.attempt,
        "submitted_at": report.submitted_at,
        "window_end": report.window_end,
        "transaction": report.transaction,
        "evidence": cid_from_digest(report.header.evidence),
        "rows": [
            {**row, "held": row["row"] in report.held}
            for row in credited_rows(report.rows, report.credits)
        ],
        "challenges": [_challenge(report, challenge) for challenge in challenges],
    }


def credited_rows(rows: Sequence[Row], row_credits: Sequence[Credit]) -> list[Plain]:
    """Rows with their numbers and credits; a report that is still being submitted has fewer credits than rows."""
    return [
        {
            "row": number,
            "license_id": row.license_id,
            "tier": row.tier.name,
            "metric": row.metric.name,
            "quantity": row.quantity,
            "split_id": credit.split_id,
            "amount_units": credit.amount,
        }
        for number, (row, credit) in enumerate(zip(rows, row_credits, strict=False))
    ]


def find_report(ledger: Ledger, text: str) -> ReportRecord:
    """The report whose id begins with these hexadecimal digits. Raises InputError, NotFound."""
    prefix = text.lower().removeprefix("0x")
    if len(prefix) < SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef"):
        raise InputError(
            f"{text!r} is no report: give its id, or the first {SHORTEST_PREFIX} digits or more"
        )
    matches = [report for known, report in ledger.reports.items() if known.hex().startswith(prefix)]
    if not matches:
        raise NotFound(f"no report {text}: there are {len(ledger.reports)}")
    if len(matches) > 1:
        raise InputError(f"{len(matches)} reports begin with {text}: give more digits")
    return matches[0]


def _challenge(report: ReportRecord, challenge: ChallengeRecord) -> Plain:
    license_id, tier, metric = challenge.row_key
    return {
        "challenge_id": challenge.challenge_id,
        "row": position_of(report.rows, challenge.row_key),
        "license_id": license_id,
        "tier": Tier(tier).name,
        "metric": Metric(metric).name,
        "challenger": challenge.challenger,
        "reported_quantity": challenge.row.reported,
        "claimed_quantity": challenge.claimed,
        "ruled_quantity": challenge.ruled_quantity,
        "open": challenge.open,
        "bond_units": challenge.bond,
        "paid_units": challenge.paid,
        "arrears_units": sum(challenge.arrears),
        "evidence": cid_from_digest(challenge.evidence),
    }
