"""The application: every router, what all of them share, and its description."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from backend import status
from backend.actions import routes as actions_routes
from backend.auth import routes as auth_routes
from backend.disputes import routes as disputes_routes
from backend.events import routes as events_routes
from backend.http.caching import AnswerCache
from backend.http.middleware import RoutesByPath, add_middleware
from backend.imports import routes as imports_routes
from backend.ipfs import routes as ipfs_routes
from backend.licenses import routes as licenses_routes
from backend.payees import routes as payees_routes
from backend.platforms import routes as platforms_routes
from backend.reports import routes as reports_routes
from backend.services import Services
from backend.transparency import routes as transparency_routes
from obbligato.server.http import add_description, add_errors, add_health

ROUTERS: Final = (
    actions_routes.router,
    imports_routes.router,
    licenses_routes.consent_index,
    licenses_routes.checks,
    disputes_routes.router,
    ipfs_routes.documents_router,
    licenses_routes.grants_router,
    actions_routes.invitations_router,
    ipfs_routes.router,
    auth_routes.keys_router,
    licenses_routes.index,
    licenses_routes.texts,
    events_routes.live_router,
    payees_routes.router,
    payees_routes.files,
    platforms_routes.router,
    actions_routes.presets_router,
    reports_routes.router,
    auth_routes.router,
    status.router,
    licenses_routes.terms_router,
    transparency_routes.router,
    events_routes.webhooks_router,
)

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
    stop: threading.Event | None = None,
    whole: bool = True,
    counts: Path | None = None,
) -> FastAPI:
    """The whole API over opened services; not `whole`: health and metrics alone.

    `counts` is the file in which several processes count requests together.
    """
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
    app.state.stop = stop or threading.Event()
    add_errors(app)
    add_health(app, checks or {})
    if whole:
        # FastAPI matches what is in an included router twice: routes of its own it finds at once.
        app.router.routes.extend(route for router in ROUTERS for route in router.routes)
    app.router.middleware_stack = RoutesByPath(app.router)
    app.state.methods_of = lambda path: _methods_of(app, path)
    add_middleware(app, services, counts)
    add_description(app)
    return app


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
