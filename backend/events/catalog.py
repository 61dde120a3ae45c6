"""The kinds of events and the facts of each, by the event of the contract."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

KindName = Literal[
    "license.minted",
    "license.amended",
    "license.revoked",
    "license.reinstated",
    "license.voided",
    "license.split_changed",
    "license.transferred",
    "operator.changed",
    "grant.asked",
    "grant.approved",
    "grant.withdrawn",
    "grant.made",
    "platform.registered",
    "platform.deposited",
    "platform.thawing",
    "platform.withdrawn",
    "platform.closing",
    "report.submitted",
    "report.unfunded",
    "report.funded",
    "report.settled",
    "challenge.opened",
    "challenge.ruled",
    "challenge.lapsed",
    "challenge.arrears_paid",
    "rival_claim.opened",
    "rival_claim.ruled",
    "rival_claim.lapsed",
    "payment.made",
]


class EventKind(NamedTuple):
    """One kind: its name, and by the argument of the contract's event the name of the fact.

    Facts that end in `_units` or `quantity` are strings of digits, `tier` and `metric` are names.
    """

    name: KindName
    facts: dict[str, str]


_CHALLENGE_ID: Final = {"challengeId": "challenge_id"}
_CLAIM_ID: Final = {"claimId": "claim_id"}
_REPORT_ID: Final = {"reportId": "report_id"}

KINDS: Final[dict[str, EventKind]] = {
    "LicenseMinted": EventKind(
        "license.minted",
        {
            "owner": "owner",
            "content": "content",
            "termsId": "terms_id",
            "splitId": "split_id",
            "document": "document",
        },
    ),
    "LicenseAmended": EventKind(
        "license.amended", {"termsId": "terms_id", "from": "effective_at", "document": "document"}
    ),
    "LicenseRevoked": EventKind("license.revoked", {"endsAt": "ends_at"}),
    "LicenseReinstated": EventKind("license.reinstated", {}),
    "LicenseVoided": EventKind("license.voided", {"endsAt": "ends_at"}),
    "SplitChanged": EventKind(
        "license.split_changed", {"fromSplitId": "from_split_id", "toSplitId": "to_split_id"}
    ),
    "Transfer": EventKind("license.transferred", {"from": "from_owner", "to": "to_owner"}),
    "ApprovalForAll": EventKind(
        "operator.changed", {"owner": "owner", "operator": "operator", "approved": "approved"}
    ),
    "GrantAsked": EventKind(
        "grant.asked",
        {"requestId": "request_id", "tier": "tier", "modelId": "model_id", "fee": "fee_units"},
    ),
    "GrantApproved": EventKind(
        "grant.approved", {"requestId": "request_id", "licensor": "licensor"}
    ),
    "ApprovalWithdrawn": EventKind(
        "grant.withdrawn", {"requestId": "request_id", "licensor": "licensor"}
    ),
    "Granted": EventKind(
        "grant.made",
        {
            "tier": "tier",
            "modelId": "model_id",
            "start": "start",
            "end": "end",
            "fee": "fee_units",
            "splitId": "split_id",
            "requestId": "request_id",
        },
    ),
    "PlatformRegistered": EventKind(
        "platform.registered", {"admin": "admin", "bond": "bond_units"}
    ),
    "Deposited": EventKind(
        "platform.deposited", {"from": "from_account", "amount": "amount_units"}
    ),
    "ThawStarted": EventKind("platform.thawing", {"amount": "amount_units", "endsAt": "ends_at"}),
    "Withdrawn": EventKind("platform.withdrawn", {"to": "to_account", "amount": "amount_units"}),
    "PlatformClosing": EventKind("platform.closing", {"closesAt": "closes_at"}),
    "ReportSubmitted": EventKind(
        "report.submitted", {**_REPORT_ID, "modelId": "model_id", "reporter": "reporter"}
    ),
    "ReportUnfunded": EventKind("report.unfunded", {**_REPORT_ID, "needed": "needed_units"}),
    "ReportFunded": EventKind("report.funded", {**_REPORT_ID, "end": "window_end"}),
    "ReportSettled": EventKind("report.settled", {**_REPORT_ID, "credited": "credited_units"}),
    "Challenged": EventKind(
        "challenge.opened",
        {
            **_CHALLENGE_ID,
            **_REPORT_ID,
            "tier": "tier",
            "metric": "metric",
            "reported": "reported_quantity",
            "claimed": "claimed_quantity",
            "amount": "amount_units",
            "challenger": "challenger",
            "bond": "bond_units",
        },
    ),
    "Ruled": EventKind(
        "challenge.ruled",
        {
            **_CHALLENGE_ID,
            "quantity": "ruled_quantity",
            "amount": "amount_units",
            "paid": "paid_units",
            "arrears": "arrears_units",
            "challengerWon": "challenger_won",
        },
    ),
    "Lapsed": EventKind("challenge.lapsed", {**_CHALLENGE_ID, "paid": "paid_units"}),
    "ArrearsPaid": EventKind(
        "challenge.arrears_paid",
        {**_CHALLENGE_ID, "paid": "paid_units", "penalty": "penalty_units"},
    ),
    "RecordingClaimed": EventKind(
        "rival_claim.opened", {**_CLAIM_ID, "claimant": "claimant", "bond": "bond_units"}
    ),
    "RecordingClaimRuled": EventKind("rival_claim.ruled", {**_CLAIM_ID, "voided": "voided"}),
    "RecordingClaimLapsed": EventKind("rival_claim.lapsed", _CLAIM_ID),
    "Claimed": EventKind(
        "payment.made",
        {"payee": "payee", "to": "to_account", "amount": "amount_units", "splitIds": "split_ids"},
    ),
}
"""By the name of the contract's event."""

assert {kind.name for kind in KINDS.values()} == set(get_args(KindName))
