"""Every table of the backend's database."""

from backend.database.base import Base, Units
from backend.database.chain_tables import Block, Following, JournalEntry, RawEvent
from backend.database.license_tables import (
    ActKind,
    Document,
    DocumentState,
    Fingerprint,
    FingerprintValue,
    Grant,
    GrantRequest,
    License,
    LicenseAct,
    LicenseVersion,
    Operator,
    Terms,
)
from backend.database.money_tables import (
    Account,
    Earning,
    Payment,
    Platform,
    PlatformModule,
    Reporter,
    Reserve,
    Source,
    Split,
    SplitPayee,
)
from backend.database.usage_tables import (
    Challenge,
    DisputeState,
    Pause,
    Report,
    ReportPayload,
    ReportRow,
    RivalClaim,
    Stream,
)

CONTENT = (Document, Fingerprint, FingerprintValue)
"""Tables of what documents say: no block made their rows, and no reorg takes them away."""

__all__ = [
    "CONTENT",
    "Account",
    "ActKind",
    "Base",
    "Block",
    "Challenge",
    "DisputeState",
    "Document",
    "DocumentState",
    "Earning",
    "Fingerprint",
    "FingerprintValue",
    "Following",
    "Grant",
    "GrantRequest",
    "JournalEntry",
    "License",
    "LicenseAct",
    "LicenseVersion",
    "Operator",
    "Pause",
    "Payment",
    "Platform",
    "PlatformModule",
    "RawEvent",
    "Report",
    "ReportPayload",
    "ReportRow",
    "Reporter",
    "Reserve",
    "RivalClaim",
    "Source",
    "Split",
    "SplitPayee",
    "Stream",
    "Terms",
    "Units",
]
