"""The standard JSON input of the whole project, as the compiler settings in brownie-config.yaml say.

Usage: python -m scripts.solc.standard_json [--no-code] > input.json
--no-code asks for syntax trees and interfaces only, which the compiler answers within a second.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.toolchain import ROOT

CODE = ["evm.bytecode", "evm.deployedBytecode"]
FACE = ["abi", "devdoc", "userdoc", "metadata"]


def source_files(root: Path = ROOT) -> list[Path]:
    """The project's contracts, in a fixed order."""
    return sorted((root / "contracts").rglob("*.sol"))


def standard_json(
    sources: dict[str, str], *, root: Path = ROOT, outputs: Sequence[str] = (*FACE, *CODE)
) -> dict[str, Any]:
    """Compiler input for `sources` (path: text).

    Every path in it is relative, so that the bytecode is the same anywhere.
    """
    compiler = yaml.safe_load((root / "brownie-config.yaml").read_text())["compiler"]
    solc = compiler["solc"]
    return {
        "language": "Solidity",
        "sources": {path: {"content": sources[path]} for path in sorted(sources)},
        "settings": {
            "evmVersion": compiler["evm_version"],
            "optimizer": solc["optimizer"],
            "viaIR": solc["viaIR"],
            "remappings": solc["remappings"],
            "outputSelection": {"*": {"*": list(outputs), "": ["ast"]}},
        },
    }


def project_json(*, outputs: Sequence[str] = (*FACE, *CODE)) -> dict[str, Any]:
    """Compiler input for every contract of the project."""
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in source_files()}
    return standard_json(sources, outputs=outputs)


if __name__ == "__main__":
    json.dump(
        project_json(outputs=FACE if "--no-code" in sys.argv[1:] else [*FACE, *CODE]), sys.stdout
    )
