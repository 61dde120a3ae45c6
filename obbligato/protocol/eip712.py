"""EIP-712 hashing of structs, nested structs and arrays of structs, fast enough for hot paths.

Source of the format: https://eips.ethereum.org/EIPS/eip-712. A struct states its own Solidity
type string; its hash is read off that string, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, Self

from eth_hash.auto import keccak
from pydantic.alias_generators import to_snake

from obbligato.errors import InputError
from obbligato.protocol.types import Address, Strict, UInt256

DOMAIN_TYPE: Final = (
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
DOMAIN_VERSION: Final = "1"
LARGEST_JSON_INTEGER: Final = 2**53 - 1
"""Integers above it lose digits in JavaScript: JSON carries them as decimal strings."""


class Member(NamedTuple):
    """One member of a struct: its Solidity type, its Solidity name, its Python attribute."""

    type: str
    name: str
    attribute: str


class Contract(StrEnum):
    """The contracts that verify signatures; the value is the name in the EIP-712 domain."""

    LICENSE_REGISTRY = "Obbligato LicenseRegistry"
    ROYALTY_VAULT = "Obbligato RoyaltyVault"
    GRANTS = "Obbligato Grants"
    USAGE_ORACLE = "Obbligato UsageOracle"
    DISPUTES = "Obbligato Disputes"


class Domain(Strict):
    """Where a signature counts: one contract at one address on one chain."""

    contract: Contract
    chain_id: UInt256
    address: Address

    @cached_property
    def separator(self) -> bytes:
        """The 32-byte domain separator."""
        return keccak(
            keccak(DOMAIN_TYPE.encode())
            + keccak(self.contract.value.encode())
            + keccak(DOMAIN_VERSION.encode())
            + self.chain_id.to_bytes(32, "big")
            + bytes.fromhex(self.address[2:]).rjust(32, b"\0")
        )

    def as_json(self) -> dict[str, Any]:
        """The `domain` object of eth_signTypedData_v4."""
        return {
            "name": self.contract.value,
            "version": DOMAIN_VERSION,
            "chainId": _json_integer(self.chain_id),
            "verifyingContract": self.address,
        }


class TypedStruct(Strict):
    """A struct that EIP-712 can hash. Subclasses set `type_string`."""

    type_string: ClassVar[str]
    type_hash: ClassVar[bytes]
    struct_types: ClassVar[dict[str, tuple[Member, ...]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "type_string" in cls.__dict__:
            cls.type_hash = keccak(cls.type_string.encode())
            cls.struct_types = _members(cls.type_string)

    @classmethod
    def primary_type(cls) -> str:
        """The Solidity name of the struct."""
        return next(iter(cls.struct_types))

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`: 32 bytes."""
        words = [self.type_hash]
        for member in self.struct_types[self.primary_type()]:
            words.append(_word(member.type, getattr(self, member.attribute)))
        return keccak(b"".join(words))

    def as_json(self) -> dict[str, Any]:
        """The struct as JSON: Solidity names, 0x hexadecimal, large integers as strings."""
        return {
            member.name: _json_value(getattr(self, member.attribute))
            for member in self.struct_types[self.primary_type()]
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The struct whose `as_json` this is: whole numbers may be decimal strings, too.

        Raises InputError naming the field.
        """
        if not isinstance(data, dict):
            raise InputError("give an object with " + ", ".join(cls._names()))
        return cls.read(_plain(cls.struct_types, cls.primary_type(), data))

    @classmethod
    def _names(cls) -> list[str]:
        return [member.name for member in cls.struct_types[cls.primary_type()]]


class Message(TypedStruct):
    """A struct that someone signs for one contract. Subclasses set `contract`."""

    contract: ClassVar[Contract]

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed. Raises InputError for another contract's domain."""
        if domain.contract is not self.contract:
            raise InputError(
                f"{self.primary_type()} is signed for {self.contract.value}, "
                f"not for {domain.contract.value}: give the domain of that contract",
                field="domain",
            )
        return keccak(b"\x19\x01" + domain.separator + self.struct_hash())

    def as_typed_data(self, domain: Domain) -> dict[str, Any]:
        """The JSON a wallet takes in eth_signTypedData_v4. Raises InputError as `digest` does."""
        self.digest(domain)
        structs = {**_members(DOMAIN_TYPE), **self.struct_types}
        return {
            "types": {
                struct: [{"name": member.name, "type": member.type} for member in members]
                for struct, members in structs.items()
            },
            "primaryType": self.primary_type(),
            "domain": domain.as_json(),
            "message": self.as_json(),
        }


def _members(type_string: str) -> dict[str, tuple[Member, ...]]:
    structs = {}
    for part in type_string.rstrip(")").split(")"):
        struct, _, listed = part.partition("(")
        pairs = [declared.split(" ") for declared in listed.split(",")]
        structs[struct] = tuple(Member(type_, name, to_snake(name)) for type_, name in pairs)
    return structs


def _word(type_: str, value: Any) -> bytes:
    """One member as 32 bytes. The models have already checked the widths."""
    if type_.startswith("uint"):
        return int(value).to_bytes(32, "big")
    if type_ == "bytes32":
        return bytes(value)
    if type_ == "address":
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    if type_ == "bool":
        return bytes(31) + (b"\1" if value else b"\0")
    if isinstance(value, TypedStruct):
        return value.struct_hash()
    if type_.endswith("[]"):
        return keccak(b"".join(item.struct_hash() for item in value))
    raise TypeError(f"no encoding is written for the Solidity type {type_}")


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, TypedStruct):
        return value.as_json()
    if isinstance(value, tuple):
        return [item.as_json() for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return _json_integer(int(value))
    return value


def _plain(structs: Mapping[str, tuple[Member, ...]], type_: str, value: object) -> object:
    """A member's JSON as its model reads it: decimal strings where it has whole numbers are numbers."""
    if type_.startswith("uint"):
        return _whole_number(value)
    if type_.endswith("[]") and isinstance(value, list):
        return [_plain(structs, type_.removesuffix("[]"), item) for item in value]
    if type_ in structs and isinstance(value, dict):
        types = {member.name: member.type for member in structs[type_]}
        return {name: _plain(structs, types.get(name, ""), item) for name, item in value.items()}
    return value


def _whole_number(value: object) -> object:
    """The number that a decimal string writes; anything else as it is, for the model to judge."""
    decimal = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78
    return int(value) if decimal and isinstance(value, str) else value


def _json_integer(value: int) -> int | str:
    return value if value <= LARGEST_JSON_INTEGER else str(value)
