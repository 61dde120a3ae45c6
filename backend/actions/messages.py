"""The typed message of a stored act or invitation, and its digest."""

from __future__ import annotations

from typing import Any

from backend.db.service_db import Act, Invitation
from obbligato.chain.client import Chain
from obbligato.protocol.eip712 import Message
from obbligato.protocol.typed_data import AcceptSplit
from obbligato.schemas.acts import REQUESTS


def message_of(record: Act | Invitation) -> Message:
    """What is signed."""
    message = REQUESTS[record.kind].message if isinstance(record, Act) else AcceptSplit
    return message.from_json(record.message)


def typed_data(chain: Chain, record: Act | Invitation) -> dict[str, Any]:
    """The JSON a wallet takes in eth_signTypedData_v4."""
    message = message_of(record)
    return message.as_typed_data(chain.domain(message.contract))


def digest_of(chain: Chain, record: Act | Invitation) -> bytes:
    """The 32 bytes that are signed."""
    message = message_of(record)
    return message.digest(chain.domain(message.contract))


def signed_words(record: Act | Invitation) -> tuple[str, int, int, bytes]:
    """`Signed` as the ABI takes it: account, nonce, deadline, signature."""
    message: Any = message_of(record)
    assert record.signature is not None
    return message.account, message.nonce, message.deadline, record.signature
