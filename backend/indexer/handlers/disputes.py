"""What events of challenges, rulings and rival claims change."""

from __future__ import annotations

from typing import Any

from backend.db.index_db import Challenge, DisputeState, Report, RivalClaim, Source
from backend.indexer.handlers.payees import Earned, earn, use_of
from backend.indexer.state import Row, State
from obbligato.chain.events import Event


def challenged(state: State, event: Event) -> None:
    challenge = state.add_numbered(
        Challenge,
        challenge_id=event["challengeId"],
        report_id=event["reportId"],
        license_id=event["licenseId"],
        tier=event["tier"],
        metric=event["metric"],
        split_id=event["splitId"],
        challenger=event["challenger"],
        reported_millionths=event["reported"],
        claimed_millionths=event["claimed"],
        amount_units=event["amount"],
        bond_units=event["bond"],
        evidence=event["evidence"],
        opened_at=event.timestamp,
        transaction=bytes.fromhex(event.transaction[2:]),
        state=DisputeState.OPEN,
        closed_at=None,
        ruled_millionths=None,
        ruled_units=None,
        challenger_won=None,
        paid_units=0,
        arrears_units=0,
    )
    if _reduces(challenge):
        state.memory["reduced"] = _row_of(challenge)


def ruled(state: State, event: Event) -> None:
    """A reduction pays for the quantity that was ruled, a claim of more for what was added."""
    challenge = state.change(Challenge, event["challengeId"])
    challenge.update(
        state=DisputeState.RULED,
        closed_at=event.timestamp,
        ruled_millionths=event["quantity"],
        ruled_units=event["amount"],
        challenger_won=event["challengerWon"],
        arrears_units=event["arrears"],
    )
    counted = 0 if _reduces(challenge) else challenge["reported_millionths"]
    _pay(state, event, challenge, Source.RULING, event["paid"], event["quantity"] - counted)


def lapsed(state: State, event: Event) -> None:
    """The row stands as it was; a reduction had held it, unless a lower one took its place."""
    challenge = state.change(Challenge, event["challengeId"])
    challenge.update(state=DisputeState.LAPSED, closed_at=event.timestamp)
    superseded = state.memory.pop("reduced", None) == _row_of(challenge)
    pays = _reduces(challenge) and not superseded
    quantity = challenge["reported_millionths"] if pays else 0
    _pay(state, event, challenge, Source.LAPSE, event["paid"], quantity)


def arrears_paid(state: State, event: Event) -> None:
    """The ruling counted the quantity already."""
    challenge = state.change(Challenge, event["challengeId"])
    challenge["arrears_units"] -= event["paid"] + event["penalty"]
    _pay(state, event, challenge, Source.ARREARS, event["paid"], 0)


# ---- rival claims


def recording_claimed(state: State, event: Event) -> None:
    state.add_numbered(
        RivalClaim,
        claim_id=event["claimId"],
        license_id=event["licenseId"],
        claimant=event["claimant"],
        bond_units=event["bond"],
        evidence=event["evidence"],
        opened_at=event.timestamp,
        state=DisputeState.OPEN,
        upheld=None,
        closed_at=None,
    )


def recording_claim_ruled(state: State, event: Event) -> None:
    state.change(RivalClaim, event["claimId"]).update(
        state=DisputeState.RULED, upheld=event["voided"], closed_at=event.timestamp
    )
    state.memory["rival claim"] = event["claimId"]


def recording_claim_lapsed(state: State, event: Event) -> None:
    state.change(RivalClaim, event["claimId"]).update(
        state=DisputeState.LAPSED, closed_at=event.timestamp
    )


# ---- within


def _row_of(challenge: Row) -> tuple[Any, ...]:
    return tuple(challenge[name] for name in ("report_id", "license_id", "tier", "metric"))


def _reduces(challenge: Row) -> bool:
    less: bool = challenge["claimed_millionths"] < challenge["reported_millionths"]
    return less


def _pay(
    state: State, event: Event, challenge: Row, source: Source, amount: int, quantity: int
) -> None:
    report: Any = state.change(Report, challenge["report_id"])
    report["ruled_units"] += amount
    challenge["paid_units"] += amount
    key = (challenge["license_id"], challenge["tier"], challenge["metric"])
    earned = Earned(challenge["split_id"], amount, quantity, use_of(report, key))
    earn(state, event, source, [earned])
