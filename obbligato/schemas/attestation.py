"""What leader and attesters say to each other."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import Address, Bytes32

Signature = Annotated[str, Field(pattern=r"^0x(?:[0-9a-fA-F]{2}){1,2000}$")]


def _header_schema() -> dict[str, Any]:
    """Solidity's names; bytes as hexadecimal, whole numbers as digits where JSON would round them."""
    members = UsageReport.struct_types[UsageReport.primary_type()]
    kinds: dict[bool, dict[str, Any]] = {
        True: {"type": "string", "pattern": "^0x[0-9a-f]{64}$"},
        False: {"type": ["integer", "string"]},
    }
    return {
        "title": UsageReport.__name__,
        "type": "object",
        "properties": {member.name: kinds[member.type == "bytes32"] for member in members},
        "required": [member.name for member in members],
    }


HEADER_SCHEMA: Final = _header_schema()
"""The JSON Schema of a report's header."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttestationRequest(_Wire):
    """A report as its platform signed it. Rows are not sent: an attester computes its own."""

    header: Annotated[dict[str, Any], WithJsonSchema(HEADER_SCHEMA)]
    reporter: Address
    reporter_signature: Signature

    def report(self) -> UsageReport:
        """The header. Raises InputError."""
        return UsageReport.from_json(self.header)

    def signature(self) -> bytes:
        return bytes.fromhex(self.reporter_signature[2:])


class AttestationAnswer(_Wire):
    """An attester's signature over (reportId, configVersion), and the block it looked at."""

    report_id: Bytes32
    signer: Address
    config_version: Annotated[int, Field(ge=1)]
    signature: Annotated[str, Field(pattern=r"^0x[0-9a-f]{130}$")]
    block_number: int
    block_hash: str


class AttesterStatus(_Wire):
    """An attester, and the chain and contract that it signs for."""

    attester: Address
    chain_id: int
    oracle: Address
