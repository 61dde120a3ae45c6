"""What artists, labels and societies call: the web backend over HTTP. Nothing here imports the backend.

Whoever signs through this client signs what was asked for: every message is made anew from the request and from
the manifest of the deployment, and compared, before a key is used.
"""

from obbligato.client.backend.asked import (
    AmendAsked,
    Asked,
    ChallengeAsked,
    ClaimAsked,
    GrantAsked,
    MintAsked,
    OperatorAsked,
    RedirectAsked,
    ReinstateAsked,
    RevokeAsked,
    SplitChangeAsked,
)
from obbligato.client.backend.client import BackendClient
from obbligato.client.backend.models import Act, ActState, Invitation, Listed, Preview
from obbligato.client.backend.problems import ActRefused, BackendProblem, BackendUnreachable

__all__ = [
    "Act",
    "ActRefused",
    "ActState",
    "AmendAsked",
    "Asked",
    "BackendClient",
    "BackendProblem",
    "BackendUnreachable",
    "ChallengeAsked",
    "ClaimAsked",
    "GrantAsked",
    "Invitation",
    "Listed",
    "MintAsked",
    "OperatorAsked",
    "Preview",
    "RedirectAsked",
    "ReinstateAsked",
    "RevokeAsked",
    "SplitChangeAsked",
]
