"""Who signed a digest: a key, or a contract that says so (ERC-1271)."""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from web3.types import BlockIdentifier

from obbligato.chain.client import Chain, answered
from obbligato.errors import ContractRefused, InputError
from obbligato.protocol.quorum import recover_signer

ERC1271_SELECTOR: Final = bytes.fromhex("1626ba7e")
"""`isValidSignature(bytes32,bytes)`, which is also what it answers for yes (ERC-1271)."""


def is_signed_by(
    chain: Chain,
    account: str,
    digest: bytes,
    signature: bytes,
    *,
    block: BlockIdentifier = "latest",
) -> bool:
    """Whether `account` signed the 32 bytes: its key, or else its contract's own word.

    Raises ChainError.
    """
    try:
        if recover_signer(digest, signature) == account:
            return True
    except InputError:
        pass
    address = to_checksum_address(account)
    if not answered(lambda: chain.web3.eth.get_code(address, block)):
        return False
    data = ERC1271_SELECTOR + encode(["bytes32", "bytes"], [digest, signature])
    try:
        answer = bytes(answered(lambda: chain.web3.eth.call({"to": address, "data": data}, block)))
    except ContractRefused:
        return False
    return answer == ERC1271_SELECTOR.ljust(32, b"\0")
