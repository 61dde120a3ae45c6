"""The reference of the API, made from its own description: docs/api.md.

python -m backend.reference [FILE]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from backend.app import TAGS, create_app
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.server.reference import Operation, operations

HEAD: Final = """\
# The API of the web backend

What `obbligato serve` answers. Its full description, with every parameter and example, is at `/openapi.json` and, to
read, at `/docs`. This page is made from it by `python -m backend.reference docs/api.md`; a test compares them.
"""


def description() -> dict[str, Any]:
    """The OpenAPI description of the whole API; nothing is opened for it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = BackendSettings(rpc_urls=("http://127.0.0.1:1",), deployment=folder)
        services = cast("Services", SimpleNamespace(settings=settings))
        described: dict[str, Any] = create_app(services).openapi()
    return described


def reference() -> str:
    """The whole page."""
    described = description()
    by_tag: dict[str, list[Operation]] = defaultdict(list)
    for each in operations(described):
        by_tag[
            each.specification["tags"][0] if each.specification.get("tags") else "health"
        ].append(each)
    words = {
        name: description.replace("\n", " ")
        for name, description in (
            *TAGS,
            *((tag, "") for tag in sorted(by_tag.keys() - {name for name, _ in TAGS})),
        )
    }
    introduction = described["info"]["description"].strip()
    sections = [f"{HEAD}\n{introduction}\n"]
    sections += [_section(tag, words[tag], by_tag[tag]) for tag in words if tag in by_tag]
    return "\n".join(sections)


def _section(tag: str, words: str, found: list[Operation]) -> str:
    lines = [
        f"## {tag}",
        "",
        *([words, ""] if words else []),
        "| route | operation | |",
        "|---|---|---|",
    ]
    for each in sorted(found, key=lambda each: (each.path, each.method)):
        route = f"`{each.method} {each.path}`"
        lines.append(f"| {route} | `{each.name}` | {each.summary.replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(reference())
    else:
        os.write(1, reference().encode())
