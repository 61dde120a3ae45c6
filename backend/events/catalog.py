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


class Kind(NamedTuple):
    """One kind: its name, and by the argument of the contract's event the name of the fact.

    Facts that end in `_units` or `quantity` are strings of digits, `tier` and `metric` are names.
    """

    name: KindName
    facts: dict[str, str]


_CHALLENGE_ID: Final = {"challengeId": "challenge_id"}
_CLAIM_ID: Final = {"claimId": "claim_id"}
_REPORT_ID: Final = {"reportId": "report_id"}

KINDS: Final[dict[str, Kind]] = {
    "LicenseMinted": Kind(
        "license.minted",
        {
            "owner": "owner",
            "content": "content",
            "termsId": "terms_id",
            "splitId": "split_id",
            "document": "document",
        },
    ),
    "LicenseAmended": Kind(
        "license.amended", {"termsId": "terms_id", "from": "effective_at", "document": "document"}
    ),
    "LicenseRevoked": Kind("license.revoked", {"endsAt": "ends_at"}),
    "LicenseReinstated": Kind("license.reinstated", {}),
    "LicenseVoided": Kind("license.voided", {"endsAt": "ends_at"}),
    "SplitChanged": Kind(
        "license.split_changed", {"fromSplitId": "from_split_id", "toSplitId": "to_split_id"}
    ),
    "Transfer": Kind("license.transferred", {"from": "from_owner", "to": "to_owner"}),
    "ApprovalForAll": Kind(
        "operator.changed", {"owner": "owner", "operator": "operator", "approved": "approved"}
    ),
    "GrantAsked": Kind(
        "grant.asked",
        {"requestId": "request_id", "tier": "tier", "modelId": "model_id", "fee": "fee_units"},
    ),
    "GrantApproved": Kind("grant.approved", {"requestId": "request_id", "licensor": "licensor"}),
    "Granted": Kind(
        "grant.made",
        {
            "tier": "tier",
            "modelId": "model_id",
            "start": "start",
            "end": "end",
            "fee": "fee_units",
            "splitId": "split_id",
        },
    ),
    "PlatformRegistered": Kind("platform.registered", {"admin": "admin", "bond": "bond_units"}),
    "Deposited": Kind("platform.deposited", {"from": "from_account", "amount": "amount_units"}),
    "ThawStarted": Kind("platform.thawing", {"amount": "amount_units", "endsAt": "ends_at"}),
    "Withdrawn": Kind("platform.withdrawn", {"to": "to_account", "amount": "amount_units"}),
    "PlatformClosing": Kind("platform.closing", {"closesAt": "closes_at"}),
    "ReportSubmitted": Kind(
        "report.submitted", {**_REPORT_ID, "modelId": "model_id", "reporter": "reporter"}
    ),
    "ReportUnfunded": Kind("report.unfunded", {**_REPORT_ID, "needed": "needed_units"}),
    "ReportFunded": Kind("report.funded", {**_REPORT_ID, "end": "window_end"}),
    "ReportSettled": Kind("report.settled", {**_REPORT_ID, "credited": "credited_units"}),
    "Challenged": Kind(
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
    "Ruled": Kind(
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
    "Lapsed": Kind("challenge.lapsed", {**_CHALLENGE_ID, "paid": "paid_units"}),
    "ArrearsPaid": Kind(
        "challenge.arrears_paid",
        {**_CHALLENGE_ID, "owed": "owed_units", "penalty": "penalty_units"},
    ),
    "RecordingClaimed": Kind(
        "rival_claim.opened", {**_CLAIM_ID, "claimant": "claimant", "bond": "bond_units"}
    ),
    "RecordingClaimRuled": Kind("rival_claim.ruled", {**_CLAIM_ID, "voided": "voided"}),
    "RecordingClaimLapsed": Kind("rival_claim.lapsed", _CLAIM_ID),
    "Claimed": Kind(
        "payment.made",
        {"payee": "payee", "to": "to_account", "amount": "amount_units", "splitIds": "split_ids"},
    ),
}
"""By the name of the contract's event."""

assert {kind.name for kind in KINDS.values()} == set(get_args(KindName))
