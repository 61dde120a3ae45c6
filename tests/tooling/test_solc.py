"""The pinned compiler: which one it is, and that its output depends on nothing but the sources."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.solc.install import PIN, binary
from scripts.solc.standard_json import standard_json
from scripts.toolchain import ROOT

STAND_IN = ["node", str(ROOT / "scripts" / "solc" / "solc.cjs")]

SAMPLE = {
    "contracts/Sample.sol": """
        // SPDX-License-Identifier: Apache-2.0
        pragma solidity 0.8.30;
        import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
        contract Sample is ReentrancyGuardTransient {
            mapping(uint256 => bytes) public kept;
            function keep(uint256 id, bytes memory data) external nonReentrant {
                kept[id] = bytes.concat(data, data);
            }
        }
    """
}
COMPANION = {
    "contracts/Aside.sol": """
        // SPDX-License-Identifier: Apache-2.0
        pragma solidity 0.8.30;
        import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
        contract Aside {
            function half(uint256 x) external pure returns (uint256) { return Math.mulDiv(x, 1, 2); }
        }
    """
}


def run(command: list[str], folder: Path, *, stdin: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name != "SOLC_CACHE"}
    environment["PATH"] = f"{ROOT / 'node_modules' / '.bin'}:{environment['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return done.stdout


def compiled(command: list[str], folder: Path, sources: dict[str, str]) -> dict[str, Any]:
    """Compile `sources` in a folder that has nothing but node_modules; the Sample contract's output."""
    folder.mkdir(parents=True)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    stdin = json.dumps(standard_json(sources))
    output = json.loads(
        run([*command, "--standard-json", "--allow-paths", "."], folder, stdin=stdin)
    )
    errors = [error for error in output.get("errors", []) if error["severity"] == "error"]
    assert errors == []
    contract: dict[str, Any] = output["contracts"]["contracts/Sample.sol"]["Sample"]
    return contract


def code(contract: dict[str, Any]) -> tuple[str, str]:
    return contract["evm"]["bytecode"]["object"], contract["evm"]["deployedBytecode"]["object"]


def test_the_installed_compiler_is_the_pinned_one(tmp_path: Path) -> None:
    assert f"{PIN['version']}+commit.{PIN['commit']}." in run(
        [str(binary()), "--version"], tmp_path
    )


def test_brownie_and_npm_name_the_same_version() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    settings = (ROOT / "brownie-config.yaml").read_text()
    assert package["devDependencies"]["solc"] == PIN["version"]
    assert f"version: {PIN['version']}\n" in settings


def test_the_stand_in_refuses_flags_it_does_not_know(tmp_path: Path) -> None:
    done = subprocess.run(
        [*STAND_IN, "--optimize"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "unrecognised option '--optimize'" in done.stderr


def test_bytecode_is_the_same_in_any_folder_and_beside_any_other_source(tmp_path: Path) -> None:
    command = [str(binary())]
    here = compiled(command, tmp_path / "here", SAMPLE)
    there = compiled(command, tmp_path / "a longer" / "way off", {**SAMPLE, **COMPANION})
    assert code(here) == code(there)
    assert len(here["evm"]["deployedBytecode"]["object"]) > 500
    assert str(tmp_path) not in here["metadata"]
    assert str(ROOT) not in here["metadata"]


def test_the_native_compiler_and_the_stand_in_give_the_same_bytecode(tmp_path: Path) -> None:
    if "Emscripten" in run([str(binary()), "--version"], tmp_path):
        pytest.skip("the native compiler could not be downloaded when this machine was set up")
    native = compiled([str(binary())], tmp_path / "native", SAMPLE)
    stand_in = compiled(STAND_IN, tmp_path / "stand-in", SAMPLE)
    assert code(native) == code(stand_in)


def test_the_stand_in_on_several_cores_gives_what_one_compiler_run_gives(tmp_path: Path) -> None:
    sources = {
        f"contracts/{name}.sol": f"""
            // SPDX-License-Identifier: Apache-2.0
            pragma solidity 0.8.30;
            library Twice{name} {{ function twice(uint256 x) internal pure returns (uint256) {{ return 2 * x; }} }}
            interface I{name} {{ function twice(uint256 x) external returns (uint256); }}
            abstract contract Base{name} is I{name} {{ uint256 public last; }}
            contract {name} is Base{name} {{
                function twice(uint256 x) external returns (uint256) {{ return last = Twice{name}.twice(x); }}
            }}
        """
        for name in ("One", "Two", "Three")
    }
    stdin = json.dumps(standard_json(sources))
    once = (
        "const fs = require('fs'); console.log(require('solc').compile(fs.readFileSync(0, 'utf8')))"
    )
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    single = json.loads(run(["node", "-e", once], tmp_path, stdin=stdin))
    shared = json.loads(run([*STAND_IN, "--standard-json"], tmp_path, stdin=stdin))
    assert shared == single
