"""What events of splits, payees and claims change."""

from __future__ import annotations

from backend.database.tables import Account, Payment, RivalClaim, Source, Split, SplitPayee
from backend.index.earnings import Earned, Use, earn
from backend.index.state import Row, State
from obbligato.fields import ZERO_ADDRESS
from obbligato.ledger.events import Event
from obbligato.rules.splits import entitlement


def split_interned(state: State, event: Event) -> None:
    split_id = event["splitId"]
    state.add_numbered(Split, split_id=split_id, digest=event["digest"], received_units=0)
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
