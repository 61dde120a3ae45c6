"""The operations of an OpenAPI description, for the pages of documentation that are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

METHODS: Final = ("get", "head", "post", "put", "patch", "delete")


class Operation(NamedTuple):
    """One route: method in capitals, path, its id, the first line of its description, and all that OpenAPI says."""

    method: str
    path: str
    name: str
    summary: str
    specification: dict[str, Any]


def operations(described: dict[str, Any]) -> Iterator[Operation]:
    """Every operation, in the order of the description."""
    for path, methods in described["paths"].items():
        for method in METHODS:
            if method in methods:
                specification = methods[method]
                first = specification.get("description", "").split("\n")[0]
                yield Operation(
                    method.upper(), path, specification.get("operationId", ""), first, specification
                )
