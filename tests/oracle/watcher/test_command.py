"""`obbligato oracle watch` as operators run it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from obbligato.chain.abis import DOLLAR
from obbligato.cli.options import Session
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import aggregate
from obbligato.errors import InputError
from obbligato.keys import create_keystore
from oracle.watcher.cli import watch
from scripts.demo.cast import RELAY
from tests.onchain import DOLLARS
from tests.oracle.watcher.conftest import USES, Scene, changed


def run(scene: Scene, *arguments: str, store: Path | None = None) -> tuple[int, str]:
    """The command's exit code and output."""
    app = typer.Typer()
    app.command()(watch)
    protocol = scene.acts.protocol
    begins = str(scene.first_block)
    fixed = ["--once", "--depth", "0", "--from-block", begins, "--folder", str(scene.folder / "c")]
    result = CliRunner().invoke(
        app,
        [*fixed, *arguments],
        obj=Session(protocol.url, protocol.manifest, store or protocol.folder, ()),
        catch_exceptions=False,
    )
    return result.exit_code, result.stdout


def test_the_command_tells_by_its_exit_code_what_it_found(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(aggregate(events), scene.evidence(events))
    assert run(scene)[0] == 0
    elsewhere = scene.folder / "blocks"
    shutil.copytree(scene.acts.protocol.folder, elsewhere)
    (file,) = elsewhere.glob(f"blocks/*/{cid_from_digest(report.header.evidence)}")
    file.unlink()
    assert run(scene, "--folder", str(scene.folder / "d"), store=elsewhere)[0] == 3
    scene.start, scene.end = scene.end, scene.acts.wait(1)
    events = scene.events(USES)
    scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    code, output = run(scene, "--json")
    assert code == 1
    (finding,) = json.loads(output)["findings"]
    assert finding["kind"] == "overstated"
    assert finding["row"] == [1, 3, 2]
    assert finding["contest"]["words"] == "would be contested"


def test_the_command_contests_with_a_keystore_and_not_without(scene: Scene) -> None:
    events = scene.events(USES)
    report = scene.report(changed(aggregate(events), 0, +1), scene.evidence(events))
    with pytest.raises(InputError, match="--keystore"):
        run(scene, "--contest")
    keystore, password = scene.folder / "key.json", scene.folder / "password"
    password.write_text("of the tests alone\n")
    password.chmod(0o600)
    address = create_keystore(keystore, "of the tests alone")
    chain = scene.acts.chain
    chain.transact(RELAY, DOLLAR, "mint", address, 20 * DOLLARS)
    scene.acts.node("anvil_setBalance", address, hex(10**18))
    signing = ("--contest", "--keystore", str(keystore), "--password-file", str(password))
    code, output = run(scene, *signing, "--most-bonds", "10")
    assert code == 1
    assert "challenge " in output
    assert scene.held(report, 0)
