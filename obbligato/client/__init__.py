"""What AI platforms call: the usage oracle over HTTP, and a platform's own acts on the chain.

`signing.py` is used by both sides. Nothing here imports the oracle.
"""

from obbligato.client.errors import (
    ApiProblem,
    HeaderRefused,
    OracleProblem,
    OracleUnreachable,
    StillWaiting,
)
from obbligato.client.oracle import AsyncOracleClient, OracleClient
from obbligato.client.usage import UploadedFile, Usage
from obbligato.client.verify_reports import Expected, checked_headers
from obbligato.schemas.oracle import PricedRow, State, Submission

__all__ = [
    "ApiProblem",
    "AsyncOracleClient",
    "Expected",
    "HeaderRefused",
    "OracleClient",
    "OracleProblem",
    "OracleUnreachable",
    "PricedRow",
    "State",
    "StillWaiting",
    "Submission",
    "UploadedFile",
    "Usage",
    "checked_headers",
]
