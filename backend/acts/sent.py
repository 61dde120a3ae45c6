"""Acts that their author's own wallet sent: the transaction is compared with what was prepared, and then followed."""

from __future__ import annotations

from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound

from backend.acts.calls import ACCEPTANCES, Call
from backend.records import Act, ActState
from backend.services import Services
from backend.sessions.callers import Caller
from obbligato.chain.client import answered
from obbligato.errors import InputError, NotFound
from obbligato.service.http import Problem


def was_sent(services: Services, caller: Caller, act_id: str, transaction: str) -> Act:
    """Take note of the transaction of an act. Raises NotFound, Problem 403 and 409, InputError, ChainError."""
    with services.records.reading() as session:
        act = session.get(Act, act_id)
    if act is None:
        raise NotFound("there is no such act")
    if caller.account not in (act.account, act.made_by):
        raise Problem(403, "Not your act", "Only who prepared it can say that it was sent.")
    if act.transaction == transaction:
        return act
    if act.state != ActState.PREPARED or act.material["direct"] is None:
        raise Problem(409, "Not any more", f"This act is {act.state}: it takes no transaction.")
    call = Call.from_json(act.material["direct"])
    try:
        found = answered(lambda: services.chain.web3.eth.get_transaction(HexBytes(transaction)))
    except TransactionNotFound:
        raise InputError(
            "the node does not know it yet: try again in a moment", field="transaction"
        ) from None
    data = call.data(services.chain, {ACCEPTANCES: []})
    if (
        found["to"] != services.chain.deployment.address(call.contract)
        or bytes(found["input"]) != data
    ):
        raise InputError("is another transaction than the one prepared here", field="transaction")
    with services.records.work() as session:
        kept = session.get_one(Act, act_id, with_for_update=True)
        if kept.state != ActState.PREPARED:
            raise Problem(409, "Not any more", f"This act is {kept.state}.")
        kept.state, kept.transaction = ActState.SENT, transaction
        return kept
