"""Write the ABIs that `obbligato` carries, from the compiled contracts: run by `make abi` after a change to contracts/.

python -m scripts.export_abi [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "contracts"
TARGET = ROOT / "obbligato" / "chain" / "abi"
EXPORTED = (
    "RoyaltyVault",
    "LicenseRegistry",
    "Grants",
    "UsageOracle",
    "Disputes",
    "TestDollar",
    "Governor",
)


def exported(name: str) -> str:
    """The ABI file of a compiled contract: one entry a line, so that diffs read well."""
    abi: list[dict[str, Any]] = json.loads((BUILD / f"{name}.json").read_text())["abi"]
    lines = [json.dumps(entry, separators=(",", ":"), sort_keys=True) for entry in abi]
    return "[\n" + ",\n".join(sorted(lines)) + "\n]\n"


def main(arguments: list[str]) -> int:
    """Write, or with --check compare; the exit code."""
    stale = []
    for name in EXPORTED:
        path, text = TARGET / f"{name}.json", exported(name)
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text)
    if "--check" in arguments and stale:
        print(f"stale: {', '.join(stale)}; run `make abi`")
        return 1
    print(f"{len(EXPORTED)} ABIs, {len(stale)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
