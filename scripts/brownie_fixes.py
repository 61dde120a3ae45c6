"""Repairs to Brownie, applied by importing this module. Each says what it repairs; none changes what a test means.

scripts/brownie_env.py loads it into every Brownie process, and as a pytest plugin into the workers of `-n`.
"""

import time
from typing import Any

from brownie._config import CONFIG
from brownie.network import contract
from brownie.network.transaction import TransactionReceipt
from brownie.network.web3 import web3
from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound

_RECEIPT_SECONDS = 60.0
_await_confirmation = TransactionReceipt._await_confirmation


def _wait_for_receipt(self: Any, *arguments: Any, **named: Any) -> None:
    """Give the node time to show the receipt of a transaction that it has mined.

    Brownie asks for the sender's nonce, then for the receipt, and calls a transaction dropped if the first has moved on
    and the second is not there. Anvil stores the receipt last, and under load, or when it traces steps for coverage,
    Brownie sees the gap.
    """
    deadline = time.monotonic() + _RECEIPT_SECONDS
    while time.monotonic() < deadline:
        mined = web3.eth.get_transaction_count(str(self.sender)) > self.nonce
        try:
            web3.eth.get_transaction_receipt(HexBytes(self.txid))
            break
        except TransactionNotFound:
            if not mined:
                break
        time.sleep(0.01)
    _await_confirmation(self, *arguments, **named)


TransactionReceipt._await_confirmation = _wait_for_receipt

_verify_deployed_code = contract._verify_deployed_code


def _same_but_for_immutables(address: str, expected: str, language: str) -> bool:
    """Recognise a deployed contract that has immutables.

    The compiler leaves zeros where the constructor writes an immutable, so Brownie finds other code than it compiled
    and drops the contract's source map: no coverage, no place of a revert. Only coverage and `--revert-tb` want the
    map; without it reverts are handled much faster.
    """
    if _verify_deployed_code(address, expected, language):
        return True
    if not (CONFIG.argv["coverage"] or CONFIG.argv["revert"]):
        return False
    code = bytes(web3.eth.get_code(address))
    compiled = bytes.fromhex(expected.removeprefix("0x"))
    return len(code) == len(compiled) and all(
        here == there or there == 0 for here, there in zip(code, compiled, strict=True)
    )


contract._verify_deployed_code = _same_but_for_immutables
