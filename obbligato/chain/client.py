"""A connection to one deployment: checked before use, calls and transactions with named refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import requests
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract as Web3Contract
from web3.exceptions import (
    BadResponseFormat,
    ContractCustomError,
    ContractLogicError,
    TimeExhausted,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.types import BlockIdentifier, TxParams, TxReceipt

from obbligato.chain.abis import DOLLAR, GOVERNOR, abi, refusal
from obbligato.chain.deployment import Deployment
from obbligato.chain.rpc import FailoverProvider, host_of
from obbligato.chain.views import Views
from obbligato.errors import ChainError, ContractRefused, ObbligatoError
from obbligato.keys import LocalSigner, Signer, sign_transaction
from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.typed_data import HasKey

RECEIPT_TIMEOUT_SECONDS: Final = 120
GAS_CAP: Final = 2**24
"""The most that one transaction may use (EIP-7825)."""

_CONTRACT_OF_DOMAIN: Final = {
    Contract.LICENSE_REGISTRY: "LicenseRegistry",
    Contract.ROYALTY_VAULT: "RoyaltyVault",
    Contract.GRANTS: "Grants",
    Contract.USAGE_ORACLE: "UsageOracle",
    Contract.DISPUTES: "Disputes",
}

Answer = TypeVar("Answer")


class Chain(Views):
    """One deployment on one chain, over one RPC endpoint or several.

    Make it with `connect`, which refuses a wrong chain or wrong contracts before anything is signed.
    """

    def __init__(self, web3: Web3, deployment: Deployment) -> None:
        self.web3 = web3
        self.deployment = deployment
        self._contracts: dict[str, Web3Contract] = {}
        for needless in ("ens_name_to_address", "validation"):
            # One asks for names, which no address of ours is; the other asks for the chain id before
            # and after every call, which the provider compares itself.
            if needless in web3.middleware_onion:
                web3.middleware_onion.remove(needless)

    @classmethod
    def connect(cls, urls: str | Sequence[str], deployment: Deployment) -> Chain:
        """Connect to one node, or to several of one chain, and compare chain id and runtime code hashes.

        Raises ChainError, which names nodes by their hosts alone: paths and user names of RPC URLs hold
        keys. Raises InputError for what is no http(s) URL.
        """
        nodes = [urls] if isinstance(urls, str) else list(urls)
        host = ", ".join(host_of(url) for url in nodes)
        chain = cls(Web3(FailoverProvider(nodes, deployment.chain_id)), deployment)
        answered(lambda: chain.web3.eth.chain_id, host)  # compared by the provider
        for name, contract in deployment.contracts.items():
            address = to_checksum_address(contract.address)
            code = answered(partial(chain.web3.eth.get_code, address), host)
            if "0x" + keccak(bytes(code)).hex() != contract.runtime_code_hash:
                raise ChainError(
                    f"the code at {contract.address} is not the {name} of the deployment: "
                    "check the manifest, or ask another RPC endpoint"
                )
        return chain

    def contract(self, name: str) -> Web3Contract:
        """The web3 contract of one of the five, of the dollar, or of the governor."""
        known = self._contracts.get(name)
        if known is not None:  # making one takes longer than most calls do
            return known
        if name == DOLLAR:
            address = self.deployment.token
        elif name == GOVERNOR:
            address = self.deployment.roles.governor
        else:
            address = self.deployment.address(name)
        made = self.web3.eth.contract(address=to_checksum_address(address), abi=abi(name))
        self._contracts[name] = made
        return made

    def domain(self, contract: Contract) -> Domain:
        """The EIP-712 domain of one of the five contracts."""
        return Domain(
            contract=contract,
            chain_id=self.deployment.chain_id,
            address=self.deployment.address(_CONTRACT_OF_DOMAIN[contract]),
        )

    def call(
        self, contract: str, function: str, *arguments: Any, block: BlockIdentifier = "latest"
    ) -> Any:
        """The answer of a view function. Raises ContractRefused, ChainError."""
        bound = self.contract(contract).get_function_by_name(function)(*arguments)
        return answered(lambda: bound.call(block_identifier=block))

    def encode(self, contract: str, function: str, *arguments: Any) -> bytes:
        """The calldata of a call: what a transaction to the contract carries."""
        bound = self.contract(contract).get_function_by_name(function)(*arguments)
        return bytes.fromhex(bound._encode_transaction_data().removeprefix("0x"))

    def transact(
        self,
        signer: HasKey | Signer,
        contract: str,
        function: str,
        *arguments: Any,
        gas: int | None = None,
    ) -> TxReceipt:
        """Sign, send and wait for one transaction. Raises ContractRefused, ChainError.

        A refusal is found before anything is sent. This is for scripts and the command line: the
        oracle has an outbox of its own.
        """
        bound = self.contract(contract).get_function_by_name(function)(*arguments)
        account = LocalSigner(signer.key) if hasattr(signer, "key") else signer
        sender = to_checksum_address(account.address)
        base: TxParams = {"from": sender}

        def prepare() -> TxParams:
            params: TxParams = {**base}
            params["gas"] = gas or min(bound.estimate_gas(base) * 11 // 10, GAS_CAP)
            params["nonce"] = self.web3.eth.get_transaction_count(sender, "pending")
            built: TxParams = bound.build_transaction(params)
            return built

        transaction = answered(prepare)
        raw = sign_transaction(account, dict(transaction))
        digest = answered(lambda: self.web3.eth.send_raw_transaction(raw))
        try:
            receipt = answered(
                lambda: self.web3.eth.wait_for_transaction_receipt(
                    digest, timeout=RECEIPT_TIMEOUT_SECONDS, poll_latency=0.01
                )
            )
        except TimeExhausted as error:
            raise ChainError(
                f"transaction {digest.hex()} was not mined in {RECEIPT_TIMEOUT_SECONDS} s: "
                "look it up before sending anything again"
            ) from error
        if receipt["status"] != 1:
            # The state changed between estimate and block: the same call now says why.
            answered(lambda: bound.call({**base, "gas": GAS_CAP}))
            raise ContractRefused("reverted without a reason", {"transaction": digest.hex()})
        return receipt


def answered(question: Callable[[], Answer], host: str = "the node") -> Answer:
    """The node's answer; reverts become ContractRefused, failures ChainError.

    Nothing of what `requests` says is repeated: it would show the URL, and with it the key.
    """
    try:
        return question()
    except (TimeExhausted, TransactionNotFound, ObbligatoError):
        raise
    except (ContractCustomError, ContractLogicError) as error:
        raise _refused(error.data) from error
    except Web3RPCError as error:
        rpc: Any = (error.rpc_response or {}).get("error", {})
        told = rpc if isinstance(rpc, dict) else {}
        data = told.get("data")
        if isinstance(data, str) and data.startswith("0x"):
            raise _refused(data) from error
        raise ChainError(f"{host} refused: {told.get('message') or error}") from error
    except requests.HTTPError as error:
        status = "an error" if error.response is None else f"status {error.response.status_code}"
        raise ChainError(f"{host} answered with {status}: check the RPC URL and its key") from None
    except requests.Timeout:
        raise ChainError(f"{host} did not answer in time: try again, or ask another one") from None
    except requests.RequestException:
        raise ChainError(f"{host} cannot be reached: is it running, is the URL right?") from None
    except BadResponseFormat:
        raise ChainError(f"{host} did not answer as a node does") from None
    except Web3Exception as error:
        raise ChainError(f"{host} did not answer as a node does: {error}") from error
    except ValueError:
        # A page where JSON was due; its text may repeat the URL.
        raise ChainError(f"{host} did not answer with JSON: is it an RPC endpoint?") from None


def _refused(data: object) -> ContractRefused:
    text = data if isinstance(data, str) else ""
    try:
        return refusal(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        return refusal(b"")
