"""The typed message of a kept act or invitation, and its digest."""

from __future__ import annotations

from typing import Any, Final

from backend.db.service_db import Act, Invitation
from obbligato.chain.client import Chain
from obbligato.protocol.eip712 import Message
from obbligato.protocol.typed_data import (
    AcceptSplit,
    Amend,
    ApproveGrant,
    ApproveOperator,
    Challenge,
    ChangeSplit,
    Claim,
    Mint,
    Redirect,
    Reinstate,
    Revoke,
)

KINDS: Final[dict[str, type[Message]]] = {
    "mint": Mint,
    "amend": Amend,
    "revoke": Revoke,
    "reinstate": Reinstate,
    "change-split": ChangeSplit,
    "operator": ApproveOperator,
    "grant": ApproveGrant,
    "claim": Claim,
    "redirect": Redirect,
    "challenge": Challenge,
}


def message_of(kept: Act | Invitation) -> Message:
    """What is signed."""
    kind = KINDS[kept.kind] if isinstance(kept, Act) else AcceptSplit
    return kind.from_json(kept.message)


def typed_data(chain: Chain, kept: Act | Invitation) -> dict[str, Any]:
    """The JSON a wallet takes in eth_signTypedData_v4."""
    message = message_of(kept)
    return message.as_typed_data(chain.domain(message.contract))


def digest_of(chain: Chain, kept: Act | Invitation) -> bytes:
    """The 32 bytes that are signed."""
    message = message_of(kept)
    return message.digest(chain.domain(message.contract))


def signed_words(kept: Act | Invitation) -> tuple[str, int, int, bytes]:
    """`Signed` as the ABI takes it: account, nonce, deadline, signature."""
    message: Any = message_of(kept)
    assert kept.signature is not None
    return message.account, message.nonce, message.deadline, kept.signature
