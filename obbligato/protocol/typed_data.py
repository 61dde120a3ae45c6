"""Every message that is signed: who signs what, for which contract.

Fields carry the Solidity names of docs/rules.md in snake_case. `account` is who signs; a licence is
located by `license_id` and bound by `current_document`, the sha-256 of its document. Terms and
splits are nested whole, so that a wallet shows every price and payee; EIP-712's hash of a nested
struct is the digest that the chain keeps.
"""

from __future__ import annotations

from typing import ClassVar, Final, Protocol

from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError

from obbligato.errors import InputError
from obbligato.protocol.eip712 import Contract, Domain, Message
from obbligato.protocol.quorum import recover_signer
from obbligato.protocol.splits import PAYEE_TYPE, SPLIT_TYPE, Split
from obbligato.protocol.terms import RATE_CARD_TYPE, TERMS_TYPE, Terms
from obbligato.protocol.types import (
    Address,
    Bytes32,
    MetricField,
    PricingField,
    TierField,
    UInt32,
    UInt64,
    UInt256,
)

__all__ = [
    "MESSAGES",
    "AcceptSplit",
    "Amend",
    "ApproveGrant",
    "ApproveOperator",
    "Attestation",
    "Challenge",
    "ChangeSplit",
    "Claim",
    "Contract",
    "Domain",
    "GuardClaims",
    "HasKey",
    "Message",
    "Mint",
    "Redirect",
    "Reinstate",
    "Revoke",
    "UsageReport",
    "recover",
    "sign",
]


class Mint(Message):
    """`account` mints a licence with these terms, split and document for this content."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "Mint(address account,Terms terms,Split split,bytes32 document,bytes32 content,"
        "uint256 nonce,uint64 deadline)" + PAYEE_TYPE + RATE_CARD_TYPE + SPLIT_TYPE + TERMS_TYPE
    )

    account: Address
    terms: Terms
    split: Split
    document: Bytes32
    content: Bytes32
    nonce: UInt256
    deadline: UInt64


class Amend(Message):
    """The owner changes the terms or the document of a licence."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "Amend(address account,uint32 licenseId,bytes32 currentDocument,Terms terms,"
        "bytes32 document,uint256 nonce,uint64 deadline)" + RATE_CARD_TYPE + TERMS_TYPE
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    terms: Terms
    document: Bytes32
    nonce: UInt256
    deadline: UInt64


class Revoke(Message):
    """The owner ends consent with the current term."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "Revoke(address account,uint32 licenseId,bytes32 currentDocument,"
        "uint256 nonce,uint64 deadline)"
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    nonce: UInt256
    deadline: UInt64


class Reinstate(Message):
    """The owner undoes a revoke before it takes effect."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "Reinstate(address account,uint32 licenseId,bytes32 currentDocument,"
        "uint256 nonce,uint64 deadline)"
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    nonce: UInt256
    deadline: UInt64


class ChangeSplit(Message):
    """The owner changes who is paid from now on."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "ChangeSplit(address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,"
        "Split toSplit,uint256 nonce,uint64 deadline)" + PAYEE_TYPE + SPLIT_TYPE
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    from_split: Split
    to_split: Split
    nonce: UInt256
    deadline: UInt64


class AcceptSplit(Message):
    """A payee whose share shrinks agrees to the change."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "AcceptSplit(address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,"
        "Split toSplit,uint256 nonce,uint64 deadline)" + PAYEE_TYPE + SPLIT_TYPE
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    from_split: Split
    to_split: Split
    nonce: UInt256
    deadline: UInt64


class ApproveOperator(Message):
    """An owner lets `operator` act for all of its licences, or no longer."""

    contract: ClassVar[Contract] = Contract.LICENSE_REGISTRY
    type_string: ClassVar[str] = (
        "ApproveOperator(address account,address operator,bool approved,"
        "uint256 nonce,uint64 deadline)"
    )

    account: Address
    operator: Address
    approved: bool
    nonce: UInt256
    deadline: UInt64


class ApproveGrant(Message):
    """The licensor approves one grant, where its terms ask for approval."""

    contract: ClassVar[Contract] = Contract.GRANTS
    type_string: ClassVar[str] = (
        "ApproveGrant(address account,uint32 licenseId,bytes32 currentDocument,uint8 tier,"
        "uint32 platformId,address platformAdmin,bytes32 modelId,uint64 fee,"
        "uint256 nonce,uint64 deadline)"
    )

    account: Address
    license_id: UInt32
    current_document: Bytes32
    tier: TierField
    platform_id: UInt32
    platform_admin: Address
    model_id: Bytes32
    fee: UInt64
    nonce: UInt256
    deadline: UInt64


class Claim(Message):
    """A payee takes what its splits have earned, if it is at least `minimum` money units."""

    contract: ClassVar[Contract] = Contract.ROYALTY_VAULT
    type_string: ClassVar[str] = (
        "Claim(address account,address to,uint64 minimum,uint256 nonce,uint64 deadline)"
    )

    account: Address
    to: Address
    minimum: UInt64
    nonce: UInt256
    deadline: UInt64


class Redirect(Message):
    """A payee chooses where its claims are paid."""

    contract: ClassVar[Contract] = Contract.ROYALTY_VAULT
    type_string: ClassVar[str] = (
        "Redirect(address account,address to,uint256 nonce,uint64 deadline)"
    )

    account: Address
    to: Address
    nonce: UInt256
    deadline: UInt64


class GuardClaims(Message):
    """A payee lets nobody else claim for it, or lets everybody again."""

    contract: ClassVar[Contract] = Contract.ROYALTY_VAULT
    type_string: ClassVar[str] = (
        "GuardClaims(address account,bool guarded,uint256 nonce,uint64 deadline)"
    )

    account: Address
    guarded: bool
    nonce: UInt256
    deadline: UInt64


class UsageReport(Message):
    """The header of a report, signed by the platform. Its digest is the `reportId`."""

    contract: ClassVar[Contract] = Contract.USAGE_ORACLE
    type_string: ClassVar[str] = (
        "UsageReport(uint32 platformId,bytes32 modelId,uint64 sequence,uint32 attempt,"
        "bytes32 previous,uint64 periodStart,uint64 periodEnd,uint8 pricing,uint32 rowCount,"
        "bytes32 rowsDigest,uint64 total,bytes32 evidence,uint64 deadline)"
    )

    platform_id: UInt32
    model_id: Bytes32
    sequence: UInt64
    attempt: UInt32
    previous: Bytes32
    period_start: UInt64
    period_end: UInt64
    pricing: PricingField
    row_count: UInt32
    rows_digest: Bytes32
    total: UInt64
    evidence: Bytes32
    deadline: UInt64

    def report_id(self, domain: Domain) -> bytes:
        """The 32 bytes that identify the report, whoever's signature it carries."""
        return self.digest(domain)


class Attestation(Message):
    """An attester recomputed the report from its evidence; all attesters sign the same."""

    contract: ClassVar[Contract] = Contract.USAGE_ORACLE
    type_string: ClassVar[str] = "Attestation(bytes32 reportId,uint64 configVersion)"

    report_id: Bytes32
    config_version: UInt64


class Challenge(Message):
    """Somebody holds that a row's quantity is `claimed_quantity` millionths of a unit."""

    contract: ClassVar[Contract] = Contract.DISPUTES
    type_string: ClassVar[str] = (
        "Challenge(address account,bytes32 reportId,uint32 licenseId,bytes32 currentDocument,"
        "uint8 tier,uint8 metric,uint64 claimedQuantity,bytes32 evidence,uint64 maximumBond,"
        "uint256 nonce,uint64 deadline)"
    )

    account: Address
    report_id: Bytes32
    license_id: UInt32
    current_document: Bytes32
    tier: TierField
    metric: MetricField
    claimed_quantity: UInt64
    evidence: Bytes32
    maximum_bond: UInt64
    nonce: UInt256
    deadline: UInt64


MESSAGES: Final[tuple[type[Message], ...]] = (
    Mint,
    Amend,
    Revoke,
    Reinstate,
    ChangeSplit,
    AcceptSplit,
    ApproveOperator,
    ApproveGrant,
    Claim,
    Redirect,
    GuardClaims,
    UsageReport,
    Attestation,
    Challenge,
)


class HasKey(Protocol):
    """What of an eth_account `LocalAccount` signing needs."""

    @property
    def key(self) -> bytes: ...


def sign(message: Message, domain: Domain, signer: HasKey | bytes | str) -> bytes:
    """The 65 bytes `r 32 | s 32 | v 1` of an account, or of a private key (32 bytes or 0x…).

    Deterministic (RFC 6979), s in the lower half, v 27 or 28. Raises InputError, which never
    repeats the key.
    """
    digest = message.digest(domain)
    signature = _private_key(signer).sign_msg_hash(digest).to_bytes()
    return signature[:64] + bytes([signature[64] + 27])


def recover(message: Message, domain: Domain, signature: bytes) -> str:
    """The checksummed address whose key signed. Raises InputError for a malformed signature.

    A contract account (ERC-1271) signs in its own way: ask it on chain where this is not `account`.
    """
    return recover_signer(message.digest(domain), signature)


def _private_key(signer: HasKey | bytes | str) -> PrivateKey:
    try:
        if isinstance(signer, str):
            return PrivateKey(bytes.fromhex(signer.removeprefix("0x")))
        return PrivateKey(bytes(signer if isinstance(signer, bytes) else signer.key))
    except (ValueError, ValidationError):
        raise InputError(
            "not a private key: give 32 bytes, or 0x and 64 hexadecimal digits", field="signer"
        ) from None
