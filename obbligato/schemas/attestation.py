"""What leader and attesters say to each other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import Address, Bytes32

Signature = Annotated[str, Field(pattern=r"^0x(?:[0-9a-fA-F]{2}){1,2000}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttestationRequest(_Wire):
    """A report as its platform signed it. Rows are not sent: an attester computes its own."""

    header: dict[str, Any]
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
