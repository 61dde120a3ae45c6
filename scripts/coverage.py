"""Contract coverage, measured on a copy of the project that is compiled so that source maps hold.

Under the IR pipeline the optimiser moves and merges code, and Brownie's coverage misses statements that did run (a
quarter of them in a fully exercised contract). The copy under .toolchain/coverage is therefore compiled without the IR
and without the optimiser; if the compiler then runs out of stack, with the IR at its least (which loses fewer).

Usage: python -m scripts.coverage [BROWNIE TEST ARGUMENT]...
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from scripts.toolchain import ROOT, TOOLCHAIN

COPY = TOOLCHAIN / "coverage"
COPIED = ("contracts", "scripts", "tests", "brownie-config.yaml")
# .toolchain/coverage/.toolchain: the copy has its own stamps and runs, but the same compiler and its cache.
SHARED = ("solcx", "solc-cache")

LEGACY: dict[str, Any] = {"viaIR": False, "optimizer": {"enabled": False, "runs": 200}}
LEAST_IR: dict[str, Any] = {
    "viaIR": True,
    "optimizer": {
        "enabled": False,
        "runs": 200,
        "details": {"yul": True, "yulDetails": {"stackAllocation": True, "optimizerSteps": "u"}},
    },
}


def copy_project() -> None:
    """Bring the copy up to date: own contracts, tests, scripts; everything else is the project's, by link."""
    (COPY / ".toolchain").mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, COPY / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for entry in ROOT.iterdir():
        if entry.name not in (*COPIED, ".git", ".toolchain", "build", "reports"):
            link(COPY / entry.name, entry)
    for name in SHARED:
        (TOOLCHAIN / name).mkdir(exist_ok=True)
        link(COPY / ".toolchain" / name, TOOLCHAIN / name)


def link(path: Path, target: Path) -> None:
    if not path.is_symlink():
        path.symlink_to(target)


def configure(settings: dict[str, Any]) -> None:
    """Rewrite the copy's compiler settings."""
    config = yaml.safe_load((ROOT / "brownie-config.yaml").read_text())
    config["compiler"]["solc"].update(settings)
    (COPY / "brownie-config.yaml").write_text(yaml.safe_dump(config))


def compile_copy(settings: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    configure(settings)
    return subprocess.run(
        [COPY / "scripts" / "brownie", "compile"], capture_output=True, text=True, check=False
    )


def main(arguments: list[str]) -> int:
    copy_project()
    run = compile_copy(LEGACY)
    if run.returncode != 0 and "tack too deep" in run.stdout + run.stderr:
        print("The compiler runs out of stack without the IR: measuring with the IR at its least.")
        run = compile_copy(LEAST_IR)
    if run.returncode != 0:
        print(run.stdout + run.stderr, file=sys.stderr)
        return run.returncode
    brownie = str(COPY / "scripts" / "brownie")
    command = [brownie, "test", *(arguments or ["tests/contracts"]), "--coverage"]
    code = subprocess.run(command, check=False).returncode
    report = COPY / "reports" / "coverage.json"
    if report.exists():
        (ROOT / "reports").mkdir(exist_ok=True)
        shutil.copy2(report, ROOT / "reports" / "coverage.json")
        print("reports/coverage.json written")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
