"""The reference of the leader's and the attester's APIs, made from their own descriptions: docs/oracle-api.md.

python -m oracle.reference [FILE]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from obbligato.server.reference import Operation, operations
from oracle.attester.attester import Attester
from oracle.attester.server import attester_api
from oracle.intake.api import Intake, intake_api

HEAD: Final = """\
# The APIs of the usage oracle

What the leader (`obbligato oracle serve`) and an attester (`obbligato oracle attest`) answer. Full descriptions, with
every parameter and field, are at their `/openapi.json`. This page is made from them by `python -m oracle.reference
docs/oracle-api.md`; a test compares them. How requests are signed is in [platform.md](platform.md). Errors are
problem documents (RFC 9457).
"""
HEALTH: Final = {"/livez", "/readyz"}
"""They are not under a version: nobody's program reads them but the operator's."""
COLUMNS: Final = "| route | operation | body | answer | problems | |\n|---|---|---|---|---|---|"


def descriptions() -> dict[str, dict[str, Any]]:
    """The OpenAPI descriptions by the service's name; nothing is opened for them."""
    leader = cast("Intake", SimpleNamespace(store=None, checks={}))
    attester = cast("Attester", SimpleNamespace(store=None))
    return {
        "The leader": intake_api(leader).openapi(),
        "An attester": attester_api(attester, {}).openapi(),
    }


def reference() -> str:
    """The whole page."""
    sections = [HEAD]
    for title, described in descriptions().items():
        lines = [_line(each) for each in operations(described) if each.path not in HEALTH]
        sections.append("\n".join([f"## {title}", "", COLUMNS, *lines, ""]))
    return "\n".join(sections)


def contents(described: dict[str, Any]) -> list[str]:
    """What a body or an answer is, each as the name of its model or its media type."""
    names = []
    for kind, content in described.get("content", {}).items():
        model = content.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
        names.append(model or kind)
    return names


def _line(operation: Operation) -> str:
    described = operation.specification
    answers = {status: each for status, each in described["responses"].items() if status < "4"}
    models = dict.fromkeys(name for each in answers.values() for name in contents(each))
    return " | ".join(
        [
            f"| `{operation.method} {operation.path}`",
            f"`{operation.name}`",
            ", ".join(f"`{name}`" for name in contents(described.get("requestBody", {}))),
            f"{', '.join(sorted(answers))} {', '.join(f'`{name}`' for name in models)}".strip(),
            ", ".join(sorted(status for status in described["responses"] if status >= "4")),
            f"{operation.summary} |",
        ]
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(reference())
    else:
        os.write(1, reference().encode())
