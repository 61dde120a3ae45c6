"""Refuse a silenced warning that does not say why.

A `solhint-disable…`, `slither-disable…`, `noqa` or `type: ignore` must carry its reason: after the rule names on the
same line (`// solhint-disable-next-line no-inline-assembly -- saves 120 gas a row`, `# noqa: S310 -- our own node`), or
in a comment on the line above.

Usage: python -m scripts.suppressions
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.toolchain import ROOT

FOLDERS = ("backend", "contracts", "obbligato", "oracle", "scripts")
SILENCED = re.compile(
    r"//\s*(?:solhint|slither)-disable(?!-end)(?P<sol>.*)|#\s*(?:noqa|type:\s*ignore)(?P<py>.*)"
)
REASON = re.compile(r"\s--\s*\S|#\s*\S|\(\S")


def unexplained(text: str) -> Iterator[int]:
    """Numbers of the lines that silence a warning without a reason."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        match = SILENCED.search(line)
        if match is None:
            continue
        rest = match["sol"] if match["sol"] is not None else match["py"]
        above = lines[number - 2].strip() if number > 1 else ""
        explained_above = above.startswith(("//", "#", "*")) and SILENCED.search(above) is None
        if not (REASON.search(rest or "") or explained_above):
            yield number


def main() -> int:
    files = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".sol") and path != Path(__file__).resolve()
    ]
    findings = [
        f"{path.relative_to(ROOT)}:{n}" for path in files for n in unexplained(path.read_text())
    ]
    for finding in findings:
        print(f"{finding}: a warning is silenced without a reason")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
