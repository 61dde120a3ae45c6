"""Finding the route of a request by the first segments of its path, instead of trying all of them in turn."""

from __future__ import annotations

from collections import defaultdict

from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import Receive, Scope, Send

_DEPTH = 2
"""`/v1/licenses`: so many segments of a path have no parameters."""


class RoutesByPath:
    """In front of a router: the routes whose path begins like that of the request, in their order.

    What none of them takes (another method, another path) is left to the router.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._routes: dict[tuple[str, ...], list[BaseRoute]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for route in self._known().get(_beginning(scope["path"]), ()):
                match, child_scope = route.matches(scope)
                if match is Match.FULL:
                    scope.setdefault("router", self._router)
                    scope.update(child_scope)
                    await route.handle(scope, receive, send)
                    return
        await self._router.app(scope, receive, send)

    def _known(self) -> dict[tuple[str, ...], list[BaseRoute]]:
        """Worked out at the first request: until then an application can get further routes."""
        if self._routes is None:
            found: defaultdict[tuple[str, ...], list[BaseRoute]] = defaultdict(list)
            for route in self._router.routes:
                if isinstance(route, Route) and "{" not in "".join(_beginning(route.path)):
                    found[_beginning(route.path)].append(route)
            self._routes = dict(found)
        return self._routes


def _beginning(path: str) -> tuple[str, ...]:
    return tuple(path.split("/", _DEPTH + 1)[1 : _DEPTH + 1])
