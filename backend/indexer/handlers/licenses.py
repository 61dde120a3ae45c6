"""What events of terms, licences, operators and grants change."""

from __future__ import annotations

from typing import Any

from backend.db.index_db import (
    Grant,
    GrantRequest,
    License,
    LicenseAct,
    LicenseActKind,
    LicenseVersion,
    Operator,
    Source,
    Terms,
)
from backend.indexer.handlers.payees import Earned, Use, earn
from backend.indexer.state import State
from obbligato.chain.events import Event
from obbligato.protocol import terms as rules
from obbligato.protocol.history import LicenseHistory, Version
from obbligato.protocol.types import ZERO_ADDRESS


def terms_interned(state: State, event: Event) -> None:
    terms = event["terms"]
    state.add_numbered(
        Terms,
        terms_id=event["termsId"],
        digest=event["digest"],
        tiers=terms["tiers"],
        term_days=terms["termDays"],
        flags=terms["flags"],
        influence_cap_bps=terms["influenceCapBps"],
        rates=[rules.RateCard.read(card).model_dump() for card in terms["rates"]],
        text_digest=terms["textDigest"],
    )


def license_minted(state: State, event: Event) -> None:
    state.add_numbered(
        License,
        license_id=event["licenseId"],
        owner=event["owner"],
        content=event["content"],
        split_id=event["splitId"],
        document=event["document"],
        minted_at=event.timestamp,
        ends_at=None,
        voided=False,
        versions=1,
    )
    state.add(
        LicenseVersion,
        license_id=event["licenseId"],
        number=0,
        start=event.timestamp,
        anchor=event.timestamp,
        terms_id=event["termsId"],
        document=event["document"],
    )
    _note(
        state,
        event,
        LicenseActKind.MINTED,
        account=event["owner"],
        terms_id=event["termsId"],
        split_id=event["splitId"],
        document=event["document"],
    )


def transferred(state: State, event: Event) -> None:
    if event["from"] == ZERO_ADDRESS:
        return  # the mint's own event follows, and says more
    state.change(License, event["tokenId"])["owner"] = event["to"]
    _note(
        state, event, LicenseActKind.TRANSFERRED, license_id=event["tokenId"], account=event["to"]
    )


def license_amended(state: State, event: Event) -> None:
    """By the rules it is in force at once or from the next term, in the place of what was pending."""
    license_id, terms_id = event["licenseId"], event["termsId"]
    known = state.change(License, license_id)
    before = _history(state, license_id, known["versions"], known["ends_at"])
    after = before.amend(
        terms_id=terms_id,
        terms=_terms(state, terms_id),
        document=event["document"],
        now=event.timestamp,
    )
    for number in range(len(after.versions) - 1, len(before.versions)):
        state.remove(LicenseVersion, license_id, number)
    version = after.versions[-1]
    state.add(
        LicenseVersion,
        license_id=license_id,
        number=len(after.versions) - 1,
        start=version.start,
        anchor=version.anchor,
        terms_id=terms_id,
        document=event["document"],
    )
    known["versions"] = len(after.versions)
    known["document"] = event["document"]
    _note(
        state,
        event,
        LicenseActKind.AMENDED,
        terms_id=terms_id,
        document=event["document"],
        effective_at=event["from"],
    )


def license_revoked(state: State, event: Event) -> None:
    state.change(License, event["licenseId"])["ends_at"] = event["endsAt"]
    _note(state, event, LicenseActKind.REVOKED, effective_at=event["endsAt"])


def license_reinstated(state: State, event: Event) -> None:
    state.change(License, event["licenseId"])["ends_at"] = None
    _note(state, event, LicenseActKind.REINSTATED)


def license_voided(state: State, event: Event) -> None:
    state.change(License, event["licenseId"]).update(ends_at=event["endsAt"], voided=True)
    _note(state, event, LicenseActKind.VOIDED, effective_at=event["endsAt"])


def split_changed(state: State, event: Event) -> None:
    state.change(License, event["licenseId"])["split_id"] = event["toSplitId"]
    _note(state, event, LicenseActKind.SPLIT_CHANGED, split_id=event["toSplitId"])


def operator_approved(state: State, event: Event) -> None:
    key = (event["owner"], event["operator"])
    if state.find(Operator, *key) is None:
        state.add(Operator, owner=key[0], operator=key[1], approved=event["approved"])
    else:
        state.change(Operator, *key)["approved"] = event["approved"]


# ---- grants


def grant_asked(state: State, event: Event) -> None:
    state.add_numbered(
        GrantRequest,
        request_id=event["requestId"],
        license_id=event["licenseId"],
        platform_id=event["platformId"],
        tier=event["tier"],
        model_id=event["modelId"],
        fee_units=event["fee"],
        asked_at=event.timestamp,
        approved_by=None,
        approved_at=None,
    )


def grant_approved(state: State, event: Event) -> None:
    state.change(GrantRequest, event["requestId"]).update(
        approved_by=event["licensor"], approved_at=event.timestamp
    )


def approval_withdrawn(state: State, event: Event) -> None:
    state.change(GrantRequest, event["requestId"]).update(approved_by=None, approved_at=None)


def granted(state: State, event: Event) -> None:
    """The fee is paid into the split by the same transaction, by an event that says nothing more."""
    state.append(
        Grant,
        block_number=event.block,
        log_index=event.index,
        license_id=event["licenseId"],
        platform_id=event["platformId"],
        tier=event["tier"],
        model_id=event["modelId"],
        start=event["start"],
        end=event["end"],
        fee_units=event["fee"],
        split_id=event["splitId"],
        transaction=bytes.fromhex(event.transaction[2:]),
    )
    use = Use(
        license_id=event["licenseId"],
        platform_id=event["platformId"],
        model_id=event["modelId"],
        tier=event["tier"],
    )
    earn(state, event, Source.GRANT, [Earned(event["splitId"], event["fee"], 0, use)])


# ---- within


def _note(state: State, event: Event, act: LicenseActKind, **what: Any) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("account", "terms_id", "split_id", "document", "effective_at")
    )
    noted = {"license_id": event.arguments.get("licenseId"), **nothing, **what}
    state.append(
        LicenseAct,
        block_number=event.block,
        log_index=event.index,
        act=act,
        happened_at=event.timestamp,
        transaction=bytes.fromhex(event.transaction[2:]),
        **noted,
    )


def _history(state: State, license_id: int, versions: int, ends_at: int | None) -> LicenseHistory:
    rows = [state.get(LicenseVersion, license_id, number) for number in range(versions)]
    return LicenseHistory(
        versions=tuple(
            Version(
                terms_id=row["terms_id"],
                terms=_terms(state, row["terms_id"]),
                start=row["start"],
                anchor=row["anchor"],
                document=row["document"],
            )
            for row in rows
        ),
        ends_at=ends_at,
    )


def _terms(state: State, terms_id: int) -> rules.Terms:
    row = state.get(Terms, terms_id)
    return rules.Terms(
        tiers=row["tiers"],
        term_days=row["term_days"],
        flags=row["flags"],
        influence_cap_bps=row["influence_cap_bps"],
        rates=tuple(rules.RateCard(**card) for card in row["rates"]),
        text_digest=row["text_digest"],
    )
