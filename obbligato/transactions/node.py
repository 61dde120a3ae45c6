"""What the sender asks of a node, in the sender's words. Every method raises ChainError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from eth_typing import ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from web3.exceptions import TransactionNotFound
from web3.types import TxParams

from obbligato.chain import blocks
from obbligato.chain.blocks import Finality
from obbligato.chain.client import GAS_CAP, Chain, answered
from obbligato.chain.rpc import FailoverProvider, WrongChain
from obbligato.errors import ChainError, ContractRefused
from obbligato.transactions.tables import Transaction

TAKEN_ALREADY: Final = ("already known", "known transaction", "already imported", "nonce too low")
"""What nodes say of bytes that they, or the chain, have: the receipt will tell."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, its base fee in wei per gas, and the newest block that is final."""

    number: int
    base_fee: int
    final: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a transaction was mined, and how it ended."""

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int


class Node:
    """One chain as a sender sees it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._eth = chain.web3.eth
        self._provider = chain.web3.provider
        self.chain_id = chain.deployment.chain_id

    def check_chain(self) -> None:
        """Ask for the chain id, now. Raises WrongChain."""
        if isinstance(self._provider, FailoverProvider):
            answered(self._provider.check_again)
            return
        actual = answered(lambda: self._eth.chain_id)
        if actual != self.chain_id:
            raise WrongChain(f"the node is chain {actual}, not {self.chain_id}: give another one")

    def head(self, finality: Finality) -> Head:
        """Where the chain is."""
        newest = blocks.latest(self._chain)
        final = blocks.final_number(self._chain, finality, newest.number)
        return Head(newest.number, newest.fee, final)

    def receipt(self, hashes: Iterable[str]) -> Receipt | None:
        """The receipt of the first of these that is in a block of the chain as it is now."""
        for digest in hashes:
            known = blocks.receipt(self._chain, digest)
            if known is not None:
                return Receipt(
                    digest,
                    int(known["blockNumber"]),
                    "0x" + bytes(known["blockHash"]).hex(),
                    known["status"] == 1,
                    int(known["gasUsed"]),
                )
        return None

    def knows(self, digest: str) -> bool:
        """Whether the node has the transaction, mined or not."""
        try:
            answered(lambda: self._eth.get_transaction(HexStr(digest)))
        except TransactionNotFound:
            return False
        return True

    def count(self, account: str) -> int:
        """How many nonces of an account are used up."""
        return answered(lambda: self._eth.get_transaction_count(_address(account), "latest"))

    def balance(self, account: str) -> int:
        """Wei."""
        return answered(lambda: self._eth.get_balance(_address(account)))

    def gas_for(self, transaction: Transaction, sender: str) -> int:
        """The gas limit for a transaction that would succeed now. Raises ContractRefused."""
        call = _call(transaction, sender)
        if transaction.gas is not None:
            answered(lambda: self._eth.call({**call, "gas": transaction.gas or GAS_CAP}))
            return transaction.gas
        estimate = answered(lambda: self._eth.estimate_gas(call))
        if estimate > GAS_CAP:
            raise ContractRefused("needs more gas than one transaction may use", {"gas": estimate})
        return min(estimate * 11 // 10, GAS_CAP)

    def send(self, raw: bytes) -> str | None:
        """Hand over signed bytes. What the node said against it, if anything: neither is to be believed."""
        try:
            answered(lambda: self._eth.send_raw_transaction(raw))
        except WrongChain:
            raise
        except (ChainError, ContractRefused) as error:
            known = any(words in str(error).lower() for words in TAKEN_ALREADY)
            return None if known else str(error)
        return None

    def why_reverted(self, transaction: Transaction, receipt: Receipt) -> ContractRefused:
        """Why a mined transaction failed: the same call, with the state of its block or the one before.

        Nodes keep the state of some hundred blocks: ask soon.
        """
        assert transaction.sender is not None
        call = _call(transaction, transaction.sender)
        for block in (receipt.block_number, receipt.block_number - 1):
            try:
                answered(
                    lambda block=block: self._eth.call(  # type: ignore[misc]  # bound now, typed by use
                        {**call, "gas": transaction.gas or GAS_CAP}, block
                    )
                )
            except ContractRefused as refused:
                return refused
            except ChainError:
                break  # a node without that state, or the call ran out of gas
        return ContractRefused("reverted without a reason", {"gasUsed": receipt.gas_used})


def _address(account: str) -> ChecksumAddress:
    return to_checksum_address(account)


def _call(transaction: Transaction, sender: str) -> TxParams:
    return {
        "from": _address(sender),
        "to": _address(transaction.to),
        "data": HexStr("0x" + transaction.data.hex()),
    }
