"""What events of platforms, their escrow and the vault's buckets change."""

from __future__ import annotations

from backend.db.base import Base
from backend.db.index_db import Platform, PlatformModule, Reporter, Reserve
from backend.indexer.handlers.payees import refund
from backend.indexer.state import Row, State
from obbligato.chain.events import Event
from obbligato.errors import ChainError


def platform_registered(state: State, event: Event) -> None:
    state.add_numbered(
        Platform,
        platform_id=event["platformId"],
        admin=event["admin"],
        next_admin=None,
        available_units=0,
        thawing_units=0,
        bond_units=event["bond"],
        thaw_ends_at=None,
        closes_at=None,
        obligations=0,
    )


def admin_transfer_started(state: State, event: Event) -> None:
    _platform(state, event)["next_admin"] = event["to"]


def admin_transferred(state: State, event: Event) -> None:
    _platform(state, event).update(admin=event["to"], next_admin=None)


def reporter_set(state: State, event: Event) -> None:
    _put(
        state,
        Reporter,
        {"platform_id": event["platformId"], "account": event["reporter"]},
        {"active": event["active"]},
    )


def module_enabled(state: State, event: Event) -> None:
    _put(
        state,
        PlatformModule,
        {"platform_id": event["platformId"], "module": event["module"]},
        {"enabled": event["enabled"]},
    )


def deposited(state: State, event: Event) -> None:
    _platform(state, event)["available_units"] += event["amount"]


def bond_added(state: State, event: Event) -> None:
    _platform(state, event)["bond_units"] += event["amount"]


def thaw_started(state: State, event: Event) -> None:
    platform = _platform(state, event)
    platform["available_units"] -= event["amount"]
    platform["thawing_units"] += event["amount"]
    platform["thaw_ends_at"] = event["endsAt"]


def thaw_cancelled(state: State, event: Event) -> None:
    platform = _platform(state, event)
    platform["available_units"] += event["amount"]
    platform.update(thawing_units=0, thaw_ends_at=None)


def thaw_delayed(state: State, event: Event) -> None:
    _platform(state, event)["thaw_ends_at"] = event["endsAt"]


def withdrawn(state: State, event: Event) -> None:
    _platform(state, event).update(thawing_units=0, thaw_ends_at=None)


def platform_closing(state: State, event: Event) -> None:
    _platform(state, event)["closes_at"] = event["closesAt"]


def bond_withdrawn(state: State, event: Event) -> None:
    _platform(state, event)["bond_units"] = 0


def obligations_changed(state: State, event: Event) -> None:
    _platform(state, event)["obligations"] = event["obligations"]


# ---- buckets


def reserved(state: State, event: Event) -> None:
    _take(state, event, ("available_units", "thawing_units"))


def seized(state: State, event: Event) -> None:
    _take(state, event, ("available_units", "thawing_units", "bond_units"))


def handed_over(state: State, event: Event) -> None:
    _spend(state, event)
    _bucket(state, event["platformId"], event["to"])["amount_units"] += event["amount"]


def released(state: State, event: Event) -> None:
    _spend(state, event)
    _platform(state, event)["available_units"] += event["amount"]


def awarded(state: State, event: Event) -> None:
    _spend(state, event)
    refund(state, event["account"], event["amount"])


def credited(state: State, event: Event) -> None:
    """Whom it was credited to, reports and rulings tell."""
    _spend(state, event)


def bond_to_platform(state: State, event: Event) -> None:
    _platform(state, event)["available_units"] += event["amount"]


# ---- within


def _platform(state: State, event: Event) -> Row:
    return state.change(Platform, event["platformId"])


def _bucket(state: State, platform_id: int, module: str) -> Row:
    if state.find(Reserve, platform_id, module) is None:
        return state.add(Reserve, platform_id=platform_id, module=module, amount_units=0)
    return state.change(Reserve, platform_id, module)


def _take(state: State, event: Event, sources: tuple[str, ...]) -> None:
    """Money moves into a bucket from each source in its turn, as far as that has any."""
    platform = _platform(state, event)
    missing: int = event["amount"]
    for source in sources:
        part = min(missing, platform[source])
        platform[source] -= part
        missing -= part
    if missing:
        raise ChainError(
            f"platform {event['platformId']} reserved {missing} units more in block {event.block} than "
            "events gave it: the node left some out, ask another one"
        )
    _bucket(state, event["platformId"], event["module"])["amount_units"] += event["amount"]


def _spend(state: State, event: Event) -> None:
    bucket = _bucket(state, event["platformId"], event["module"])
    bucket["amount_units"] -= event["amount"]
    if bucket["amount_units"] < 0:
        raise ChainError(
            f"platform {event['platformId']} spent more of a reserve in block {event.block} than "
            "events put there: the node left some out, ask another one"
        )


def _put(state: State, model: type[Base], key: Row, values: Row) -> None:
    """Change the row of a key, or make it."""
    if state.find(model, *key.values()) is None:
        state.add(model, **key, **values)
    else:
        state.change(model, *key.values()).update(values)
