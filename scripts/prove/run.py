"""Prove what can be proved of the contracts, and fuzz what cannot: what `make prove` runs.

Halmos runs the functions `check_…` of tests/symbolic on every input at once; Forge runs those named `testFuzz_…` and
`invariant_…` on random ones. A question without an answer in time fails as much as a counterexample: see
docs/proofs.md. Halmos lives in an environment of its own, .toolchain/halmos, which `make prove` installs from
requirements.txt here; `uv pip compile --universal --python-version 3.11 --generate-hashes requirements.in` wrote it.

Usage: python -m scripts.prove.run
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from scripts.toolchain import ROOT, TOOLCHAIN, environment

HALMOS: Final = TOOLCHAIN / "halmos" / "bin" / "halmos"
SOLVER: Final = Path(__file__).parent / "solver.py"
TESTS: Final = ROOT / "tests" / "symbolic"
RESULTS: Final = TOOLCHAIN / "halmos" / "results.json"
QUESTION_SECONDS: Final = 60


def declared(tests: Path = TESTS) -> set[str]:
    """The names of all proofs in the sources: none may be missing from what halmos answers."""
    return {
        name
        for file in sorted(tests.glob("*.t.sol"))
        for name in re.findall(r"function (check_\w+)\(", file.read_text())
    }


def unproved(results: dict[str, Any], names: set[str]) -> list[str]:
    """One line for each proof that is not complete: refuted, undecided, cut short at a loop, or never run."""
    problems = []
    seen = set()
    for contract in results["test_results"].values():
        for result in contract:
            name = result["name"].partition("(")[0]
            seen.add(name)
            if result["exitcode"] != 0:
                problems.append(f"{name}: not proved, halmos says why above")
            elif result["num_bounded_loops"]:
                problems.append(f"{name}: a loop was cut short, so not all of it was looked at")
    return problems + [f"{name}: did not run" for name in sorted(names - seen)]


def prove() -> list[str]:
    """Run halmos over Forge's build and return what is not proved."""
    RESULTS.unlink(missing_ok=True)
    python = HALMOS.with_name("python")
    command = [str(HALMOS), "--forge-build-out", ".toolchain/forge/out", "--function", "check_"]
    command += ["--no-status", "--loop", "6"]
    # One millisecond, the default, leaves it to the load of the machine which paths are looked at.
    command += ["--solver-timeout-branching", "100ms"]
    command += ["--solver-command", f"{python} {SOLVER} {QUESTION_SECONDS}"]
    command += ["--solver-timeout-assertion", f"{QUESTION_SECONDS + 5}s"]
    run = subprocess.run(
        [*command, "--json-output", str(RESULTS)], cwd=ROOT, env=environment(), check=False
    )
    if not RESULTS.exists():
        return [f"halmos stopped with exit code {run.returncode}"]
    return unproved(json.loads(RESULTS.read_text()), declared())


def fuzz() -> list[str]:
    """Run Forge's random tests and return what failed."""
    run = subprocess.run(["forge", "test"], cwd=ROOT, env=environment(), check=False)
    return [f"forge test stopped with exit code {run.returncode}"] if run.returncode else []


def main() -> int:
    if shutil.which("forge", path=environment()["PATH"]) is None:
        print(
            "no forge: `make setup` installs it on Linux, elsewhere install Foundry",
            file=sys.stderr,
        )
        return 1
    built = subprocess.run(["forge", "build"], cwd=ROOT, env=environment(), check=False)
    if built.returncode:
        return built.returncode
    problems = fuzz() + prove()
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"prove: OK, {len(declared())} proofs hold for every input")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
