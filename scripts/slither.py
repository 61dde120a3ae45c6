"""Run Slither over the project's contracts. Runs inside Slither's own environment (.venv-slither), see the Makefile.

Slither knows how to read a Brownie project, but from build files of several compiler runs, whose node numbers clash.
So the whole project is handed to the compiler once, for syntax trees only, and Slither reads crytic-compile's export.

Usage: .venv-slither/bin/python scripts/slither.py INPUT.json SOLC [SLITHER ARGUMENT]...
with INPUT.json from `python -m scripts.solc.standard_json --no-code`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output

# Detectors that say nothing about these contracts, and why. Everything else must be clean or silenced in place.
EXCLUDED = {
    "calls-loop": "the loops call contracts of this deployment, and a failure must undo the whole act",
    "costly-loop": "a batch of licences writes its counter once each, which costs less than the licences' own slots",
    "uninitialized-local": "structs in memory start as zeros, which is what they are meant to start as",
    "assembly": "assembly is allowed where it pays, and tested against a plain version",
    "incorrect-equality": "it flags every comparison with 0, which here is how 'none' is stored",
    "naming-convention": "immutables are in capitals; solhint checks names",
    "timestamp": "every clock here runs for days: a validator's few seconds decide nothing",
}

NO_CODE = {"object": "", "sourceMap": "", "linkReferences": {}}


class SyntaxOnly(SolcStandardJson):  # type: ignore[misc]  # the library has no types
    """A compilation without bytecode: nothing that Slither looks at needs it."""

    def compile(self, crytic_compile: CryticCompile, **kwargs: Any) -> None:
        solc = kwargs["solc"]
        run = subprocess.run(
            [solc, "--standard-json", "--allow-paths", "."],
            input=json.dumps(self.to_dict()),
            capture_output=True,
            text=True,
            check=True,
        )
        output = json.loads(run.stdout)
        errors = [
            e["formattedMessage"] for e in output.get("errors", []) if e["severity"] == "error"
        ]
        if errors:
            sys.exit("\n".join(errors))
        for contracts in output["contracts"].values():
            for contract in contracts.values():
                contract["evm"] = {
                    "bytecode": NO_CODE,
                    "deployedBytecode": NO_CODE,
                    "methodIdentifiers": {},
                }
        version = subprocess.run([solc, "--version"], capture_output=True, text=True, check=True)
        unit = CompilationUnit(crytic_compile, "standard_json")
        unit.compiler_version = CompilerVersion(
            compiler="solc",
            version=version.stdout.partition("Version: ")[2].partition("+")[0],
            optimized=True,
        )
        parse_standard_json_output(output, unit)


def main(source: Path, solc: str, arguments: list[str]) -> int:
    compiled = CryticCompile(SyntaxOnly(str(source)), solc=solc)
    (written,) = compiled.export(export_format="standard", export_dir=str(source.parent))
    export = Path(written).rename(
        source.parent / "project_export.json"
    )  # Slither goes by the end of the name
    slither = Path(sys.executable).parent / "slither"
    # Told what it reads: it would else take the settings of the symbolic proofs for the project.
    framework = ["--compile-force-framework", "Standard"]
    excluded = ["--exclude", ",".join(EXCLUDED)]
    return subprocess.run(
        [slither, export, *framework, *excluded, *arguments], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
