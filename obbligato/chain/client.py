"""A connection to one deployment: checked before use, calls and transactions with named refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
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
from obbligato.eip712 import Contract, Domain
from obbligato.errors import ChainError, ContractRefused, InputError, ObbligatoError
from obbligato.typed_data import HasKey

RPC_TIMEOUT_SECONDS: Final = 30
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


class Chain:
    """One deployment on one chain, over one RPC endpoint.

    Make it with `connect`, which refuses a wrong chain or wrong contracts before anything is signed.
    """

    def __init__(self, web3: Web3, deployment: Deployment) -> None:
        self.web3 = web3
        self.deployment = deployment

    @classmethod
    def connect(cls, url: str, deployment: Deployment) -> Chain:
        """Connect and compare chain id and runtime code hashes.

        Raises ChainError, which names the endpoint by its host alone: paths and user names of RPC
        URLs hold keys. Raises InputError for what is no http(s) URL.
        """
        host = host_of(url)
        # No retries of our own accord: a transaction must not be sent twice because an answer was lost.
        provider = HTTPProvider(
            url,
            request_kwargs={"timeout": RPC_TIMEOUT_SECONDS},
            exception_retry_configuration=None,
        )
        chain = cls(Web3(provider), deployment)
        try:
            found = answered(lambda: chain.web3.eth.chain_id, host)
        except (TypeError, AttributeError, LookupError):  # JSON, but of another protocol
            raise ChainError(f"{host} did not answer as a node does") from None
        if found != deployment.chain_id:
            raise ChainError(
                f"{host} is chain {found}, the deployment is on chain {deployment.chain_id}: "
                "give the RPC endpoint of the right network"
            )
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
        if name == DOLLAR:
            address = self.deployment.token
        elif name == GOVERNOR:
            address = self.deployment.roles.governor
        else:
            address = self.deployment.address(name)
        return self.web3.eth.contract(address=to_checksum_address(address), abi=abi(name))

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

    def transact(
        self, signer: HasKey, contract: str, function: str, *arguments: Any, gas: int | None = None
    ) -> TxReceipt:
        """Sign, send and wait for one transaction. Raises ContractRefused, ChainError.

        A refusal is found before anything is sent. This is for scripts and the command line: the
        oracle has an outbox of its own.
        """
        bound = self.contract(contract).get_function_by_name(function)(*arguments)
        account = self.web3.eth.account.from_key(signer.key)
        base: TxParams = {"from": account.address}

        def prepare() -> TxParams:
            params: TxParams = {**base}
            params["gas"] = gas or min(bound.estimate_gas(base) * 11 // 10, GAS_CAP)
            params["nonce"] = self.web3.eth.get_transaction_count(account.address, "pending")
            built: TxParams = bound.build_transaction(params)
            return built

        transaction = answered(prepare)
        raw = account.sign_transaction(transaction).raw_transaction
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


def host_of(url: str) -> str:
    """The host of an RPC URL, which is all of it that may be shown. Raises InputError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("is not the URL of an RPC endpoint: give http(s)://host…", field="rpc")
    return f"{host}:{port}" if port else host


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
