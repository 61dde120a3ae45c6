"""The application: every router, what all of them share, and its description."""

from __future__ import annotations

from fastapi import FastAPI

from backend.api.caching import AnswerCache
from backend.services import Services
from obbligato.service.http import add_errors


def create_app(services: Services) -> FastAPI:
    """The whole API over opened services."""
    app = FastAPI(title="Obbligato", version="1")
    app.state.services = services
    app.state.cache = AnswerCache(services)
    add_errors(app)
    return app
