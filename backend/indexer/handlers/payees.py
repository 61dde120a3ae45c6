"""What splits earn, credit by credit, and a payee's part of it by any grouping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from backend.db.index_db import (
    Account,
    Earning,
    PayeeEarning,
    Payment,
    RivalClaim,
    Source,
    Split,
    SplitPayee,
)
from backend.db.money_tables import NO_NUMBER
from backend.indexer.state import Row, State
from obbligato.chain.events import Event
from obbligato.protocol.constants import PPM, UINT64_MAX
from obbligato.protocol.splits import entitlement
from obbligato.protocol.types import ZERO_ADDRESS

MOST_RECEIVED: Final = UINT64_MAX - 1
"""A split's accumulator stops there; what is over stays in the vault."""
MOST_IN_A_LINE: Final = 2**62 - 1


class Use(NamedTuple):
    """What was used and by whom; `month` is yyyymm, None for the month in which the credit was earned."""

    license_id: int
    platform_id: int | None = None
    model_id: bytes | None = None
    tier: int | None = None
    metric: int | None = None
    report_number: int | None = None
    month: int | None = None


class Earned(NamedTuple):
    """A credit: money units to a split, for a quantity of use in millionths of a unit."""

    split_id: int
    amount: int
    quantity: int
    use: Use


def earn(state: State, event: Event, source: Source, credited: Iterable[Earned]) -> None:
    """Add what an event credits to the splits, and note each credit that is of anything."""
    received: dict[int, Row] = {}
    rows: list[Row] = []
    for split_id, amount, quantity, use in credited:
        if amount == 0 and quantity == 0:
            continue
        split = received.get(split_id)
        if split is None:
            split = received[split_id] = state.change(Split, split_id)
        before = split["received_units"]
        taken = min(amount, MOST_RECEIVED - before)
        split["received_units"] = before + taken
        for line_amount, line_quantity in lines(taken, quantity):
            rows.append(
                {
                    "block_number": event.block,
                    "log_index": event.index,
                    "line": len(rows),
                    "split_id": split_id,
                    "amount_units": line_amount,
                    "received_rest": before % PPM,
                    "source": source,
                    "earned_at": event.timestamp,
                    "month": use.month or month_of(event.timestamp),
                    "quantity_millionths": line_quantity,
                    "license_id": use.license_id,
                    "platform_id": use.platform_id,
                    "model_id": use.model_id,
                    "tier": use.tier,
                    "metric": use.metric,
                    "report_number": use.report_number,
                }
            )
            before += line_amount
    state.append_all(Earning, rows)
    _add_up(state, rows)


def _add_up(state: State, rows: Sequence[Row]) -> None:
    """Add each payee's part of these credits to its sums. A part is what the payee's entitlement grows by."""
    shares = _shares(state, {row["split_id"] for row in rows})
    for row in rows:
        group = ("platform_id", "tier", "metric")
        numbers = (NO_NUMBER if row[name] is None else row[name] for name in group)
        sums = state.sums(PayeeEarning, row["month"], *numbers)
        block, quantity = row["block_number"], row["quantity_millionths"]
        before = row["received_rest"]
        after = before + row["amount_units"]
        for account, share in shares[row["split_id"]]:
            part = after * share // PPM - before * share // PPM
            added = sums.get(account)
            if added is None:
                sums[account] = [part, quantity, 1, block, block]
                continue
            added[0] += part
            added[1] += quantity
            added[2] += 1
            added[4] = block


def _shares(state: State, split_ids: Iterable[int]) -> dict[int, list[tuple[str, int]]]:
    """Payees with their shares, by split: no event changes these."""
    shares: dict[int, list[tuple[str, int]]] = state.shares
    unknown = [split_id for split_id in split_ids if split_id not in shares]
    for split_id in unknown:
        shares[split_id] = []
    for payee in state.stored_rows(SplitPayee, unknown):
        shares[payee["split_id"]].append((payee["account"], payee["share_ppm"]))
    return shares


def lines(amount: int, quantity: int) -> Iterator[tuple[int, int]]:
    """A credit in parts that a database's whole numbers hold with room to compute."""
    while amount > MOST_IN_A_LINE or quantity > MOST_IN_A_LINE:
        part = min(amount, MOST_IN_A_LINE), min(quantity, MOST_IN_A_LINE)
        yield part
        amount, quantity = amount - part[0], quantity - part[1]
    yield amount, quantity


def month_of(moment: int) -> int:
    """The month of a moment, as yyyymm."""
    day = datetime.fromtimestamp(moment, UTC)
    return day.year * 100 + day.month


def use_of(report: Any, key: tuple[int, int, int]) -> Use:
    """The use that a row of a report, by (licence, tier, metric), stands for."""
    license_id, tier, metric = key
    return Use(
        license_id=license_id,
        platform_id=report["platform_id"],
        model_id=report["model_id"],
        tier=tier,
        metric=metric,
        report_number=report["number"],
        month=month_of(report["period_start"]),
    )


def split_interned(state: State, event: Event) -> None:
    split_id = event["splitId"]
    state.add_numbered(Split, split_id=split_id, digest=event["digest"], received_units=0)
    state.shares[split_id] = [(payee["account"], payee["share"]) for payee in event["payees"]]
    for payee in event["payees"]:
        state.add(
            SplitPayee,
            split_id=split_id,
            account=payee["account"],
            share_ppm=payee["share"],
            role=payee["role"],
            claimed_units=0,
        )


def claimed(state: State, event: Event) -> None:
    """The payee took all that these splits owed it, and its refunds."""
    for split_id in event["splitIds"]:
        received = state.get(Split, split_id)["received_units"]
        payee = state.change(SplitPayee, split_id, event["payee"])
        payee["claimed_units"] = entitlement(received, payee["share_ppm"])
    account = _account(state, event["payee"])
    account["refunds_units"] -= event["refunds"]
    account["paid_units"] += event["amount"]
    state.memory["collected", event["payee"]] = event["amount"]
    state.append(
        Payment,
        block_number=event.block,
        log_index=event.index,
        payee=event["payee"],
        recipient=event["to"],
        amount_units=event["amount"],
        refunds_units=event["refunds"],
        split_ids=list(event["splitIds"]),
        paid_at=event.timestamp,
        transaction=bytes.fromhex(event.transaction[2:]),
    )


def bond_posted(state: State, event: Event) -> None:
    """A bond out of credit: the claim to the vault just before took everything, and what is over comes back."""
    if not event["fromCredit"]:
        return
    account = _account(state, event["account"])
    collected = state.memory.pop(("collected", event["account"]))
    account["refunds_units"] += collected - event["amount"]
    account["paid_units"] -= collected


def bond_awarded(state: State, event: Event) -> None:
    refund(state, event["account"], event["amount"])


def bond_to_split(state: State, event: Event) -> None:
    """Half of the bond of a rival claim that was refused just before, in the same transaction."""
    claim = state.get(RivalClaim, state.memory["rival claim"])
    use = Use(license_id=claim["license_id"])
    earn(state, event, Source.RIVAL_CLAIM, [Earned(event["splitId"], event["amount"], 0, use)])


def redirected(state: State, event: Event) -> None:
    to = event["to"]
    _account(state, event["payee"])["recipient"] = None if to == ZERO_ADDRESS else to


def refund(state: State, account: str, amount: int) -> None:
    """Money units that an account may claim beside its splits."""
    _account(state, account)["refunds_units"] += amount


def _account(state: State, account: str) -> Row:
    if state.find(Account, account) is None:
        return state.add(Account, account=account, refunds_units=0, paid_units=0, recipient=None)
    return state.change(Account, account)
