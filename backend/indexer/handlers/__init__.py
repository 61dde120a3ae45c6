"""Which change to the read models belongs to which event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from backend.db.index_db import RawEvent
from backend.indexer.handlers import disputes, licenses, platforms, reports
from backend.indexer.handlers import payees as accounts
from backend.indexer.state import State
from obbligato.chain.events import Event
from obbligato.errors import ChainError, InputError, RefusedError

APPLIERS: Final[dict[str, Callable[[State, Event], None]]] = {
    # terms, licences, operators, grants
    "TermsInterned": licenses.terms_interned,
    "LicenseMinted": licenses.license_minted,
    "Transfer": licenses.transferred,
    "LicenseAmended": licenses.license_amended,
    "LicenseRevoked": licenses.license_revoked,
    "LicenseReinstated": licenses.license_reinstated,
    "LicenseVoided": licenses.license_voided,
    "SplitChanged": licenses.split_changed,
    "ApprovalForAll": licenses.operator_approved,
    "GrantAsked": licenses.grant_asked,
    "GrantApproved": licenses.grant_approved,
    "ApprovalWithdrawn": licenses.approval_withdrawn,
    "Granted": licenses.granted,
    # platforms and the vault's buckets
    "PlatformRegistered": platforms.platform_registered,
    "AdminTransferStarted": platforms.admin_transfer_started,
    "AdminTransferred": platforms.admin_transferred,
    "ReporterSet": platforms.reporter_set,
    "ModuleEnabled": platforms.module_enabled,
    "Deposited": platforms.deposited,
    "BondAdded": platforms.bond_added,
    "ThawStarted": platforms.thaw_started,
    "ThawCancelled": platforms.thaw_cancelled,
    "ThawDelayed": platforms.thaw_delayed,
    "Withdrawn": platforms.withdrawn,
    "PlatformClosing": platforms.platform_closing,
    "BondWithdrawn": platforms.bond_withdrawn,
    "ObligationsChanged": platforms.obligations_changed,
    "Reserved": platforms.reserved,
    "Seized": platforms.seized,
    "HandedOver": platforms.handed_over,
    "Released": platforms.released,
    "Awarded": platforms.awarded,
    "Credited": platforms.credited,
    "BondToPlatform": platforms.bond_to_platform,
    # splits, payees, claims
    "SplitInterned": accounts.split_interned,
    "Claimed": accounts.claimed,
    "Redirected": accounts.redirected,
    "BondPosted": accounts.bond_posted,
    "BondAwarded": accounts.bond_awarded,
    "BondToSplit": accounts.bond_to_split,
    # reports
    "ReportSubmitted": reports.report_submitted,
    "ReportFunded": reports.report_funded,
    "ReportUnfunded": reports.report_unfunded,
    "RowHeld": reports.row_held,
    "ReportSettled": reports.report_settled,
    "PausedUntil": reports.paused_until,
    # disputes
    "Challenged": disputes.challenged,
    "Ruled": disputes.ruled,
    "Lapsed": disputes.lapsed,
    "ArrearsPaid": disputes.arrears_paid,
    "RecordingClaimed": disputes.recording_claimed,
    "RecordingClaimRuled": disputes.recording_claim_ruled,
    "RecordingClaimLapsed": disputes.recording_claim_lapsed,
}

KEPT_RAW: Final = frozenset(
    {
        "Approval",  # of one token: it gives no say over terms
        "ArbiterChanged",
        "AttestersChanged",
        "ClaimsGuarded",
        "EIP712DomainChanged",
        "GuardianChanged",
        "MetadataUpdate",  # accompanies an amendment
        "ModuleListed",
        "ModuleRetirementSet",
        "NonceConsumed",
        "PaidIn",  # the fee of a grant, which `Granted` tells of with the use
    }
)
"""Events that change no read model; they are in the table of events like all others."""


def apply_block(state: State, number: int, events: Iterable[Event], *, journaled: bool) -> None:
    """Apply the events of one block, in order. Raises ChainError for what cannot have happened."""
    state.begin_block(number, journaled=journaled)
    transaction = None
    for event in events:
        if event.transaction != transaction:
            transaction = event.transaction
            state.memory.clear()
        state.append(RawEvent, **_raw(event))
        _apply(state, event)
    state.end_block()


def _apply(state: State, event: Event) -> None:
    applier = APPLIERS.get(event.name)
    if applier is None:
        return
    try:
        applier(state, event)
    except (InputError, RefusedError, LookupError) as error:
        raise ChainError(
            f"{event.contract}.{event.name} in block {event.block} does not follow from the events "
            f"before it ({error}): the node left some out, ask another one"
        ) from error


def _raw(event: Event) -> dict[str, Any]:
    return {
        "block_number": event.block,
        "log_index": event.index,
        "contract": event.contract,
        "name": event.name,
        "arguments": _portable(event.arguments),
        "transaction": bytes.fromhex(event.transaction[2:]),
    }


def _portable(value: Any) -> Any:
    """A decoded value as JSON holds it."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {name: _portable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return value
