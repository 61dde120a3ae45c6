"""What AI platforms call: the usage oracle over HTTP, and a platform's own acts on the chain.

`signing.py` is used by both sides. Nothing here imports the oracle.
"""

from obbligato.client.asynchronous import AsyncOracleClient
from obbligato.client.checking import Expected, checked_headers
from obbligato.client.models import PricedRow, State, Submission
from obbligato.client.problems import ApiProblem, HeaderRefused, OracleUnreachable, StillWaiting
from obbligato.client.sync import OracleClient
from obbligato.client.usage import UploadedFile, Usage

__all__ = [
    "ApiProblem",
    "AsyncOracleClient",
    "Expected",
    "HeaderRefused",
    "OracleClient",
    "OracleUnreachable",
    "PricedRow",
    "State",
    "StillWaiting",
    "Submission",
    "UploadedFile",
    "Usage",
    "checked_headers",
]
