"""The application: every router, what all of them share, and its description."""

from __future__ import annotations

import importlib
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from backend.api import routes
from backend.api.answers import ProblemDocument
from backend.api.caching import AnswerCache
from backend.api.middleware import add_middleware
from backend.services import Services
from obbligato.sending.alerts import Alerts
from obbligato.service.http import add_errors, add_health

DESCRIPTION: Final = """\
Licences of recordings for AI: what may be done with each, at what price, who is paid; what was reported, and what
everybody earned. Everything that is read here follows from a public chain and can be checked against it.

- **Certainty**: `final` cannot change any more, `confirmed` still could. Nothing that is `pending` is on the chain yet.
- **Money** is in millionths of a dollar, **quantities** in millionths of a unit, both as decimal digits in strings.
  Times are seconds since 1970, UTC; "now" is the time of the newest block that was read.
- **Acts** are prepared, signed by an account (EIP-712), and sent for it: artists need no gas.
- **Errors** are problem documents (RFC 9457); `field` names what is wrong.
- **Pages** follow by `cursor`; answers of the index carry an `ETag`.
"""

TAGS: Final = (
    ("acts", "Mint, change, approve, claim, contest: prepare, sign, follow."),
    ("sessions", "Sign in with an account (EIP-4361); API keys of platforms."),
    ("catalogues", "Many recordings at once, from a CSV."),
    ("licenses", "Licences, their terms, documents and histories; consent."),
    ("platforms", "Platforms with their money and their record; reports and what contests them."),
    ("payees", "What payees earned, have, and were paid; statements."),
    ("transparency", "What happened in a month or a quarter."),
    ("live", "Events as they happen; webhooks."),
    ("blocks", "Documents on IPFS."),
    ("health", "Whether the service works."),
)


def create_app(
    services: Services,
    *,
    checks: Mapping[str, Callable[[], str | None]] | None = None,
    alerts: Alerts | None = None,
    stop: threading.Event | None = None,
    whole: bool = True,
) -> FastAPI:
    """The whole API over opened services; not `whole`: health and metrics alone."""
    app = FastAPI(
        title="Obbligato",
        version="1",
        summary="Licence terms for recordings, attested AI usage, every rightsholder paid.",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=[{"name": name, "description": words} for name, words in TAGS],
        servers=[{"url": services.settings.public_url}],
    )
    app.state.services = services
    app.state.cache = AnswerCache(services)
    app.state.alerts = alerts or Alerts()
    app.state.stop = stop or threading.Event()
    add_errors(app)
    add_health(app, checks or {})
    if whole:
        for router in routers():
            app.include_router(router)
    app.state.methods_of = lambda path: _methods_of(app, path)
    add_middleware(app, services)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


def routers() -> Iterator[APIRouter]:
    """The router of each module of `backend.api.routes`, by name."""
    for module in sorted(pkgutil.iter_modules(routes.__path__), key=lambda each: each.name):
        yield importlib.import_module(f"{routes.__name__}.{module.name}").router


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description, with the problem document that every error is."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            license_info=app.license_info,
            tags=app.openapi_tags,
            servers=app.servers,
            routes=app.routes,
        )
        known = schema.setdefault("components", {}).setdefault("schemas", {})
        known["ProblemDocument"] = ProblemDocument.model_json_schema()
        app.openapi_schema = schema
    return app.openapi_schema


def _methods_of(app: FastAPI, path: str) -> list[str]:
    """Every method that a path takes. Routers know only those of the first route that fits."""
    found: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            exact = "{" not in template
            methods = {method.upper() for method in operations}
            if exact:
                return sorted(methods)
            found |= methods
    return sorted(found)
