"""From the headers of a request to its caller."""

from __future__ import annotations

from fastapi import Request

from backend.services import Services
from backend.sessions.callers import Caller


def caller_of(request: Request, services: Services) -> Caller | None:
    """Nobody, before somebody signs in."""
    return None
