"""The watcher as a process under supervision: what its pages, its metrics and its alerts say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.watcher.cli import Watching
from oracle.watcher.findings import FindingKind
from oracle.watcher.watcher import Sweep, Watcher
from scripts.stack import Service
from scripts.toolchain import free_ports
from tests.oracle.proxy import proxy
from tests.oracle.watcher.conftest import USES, Scene
from tests.server.listener import listening


def test_a_watcher_that_cannot_look_says_so_and_looks_again(scene: Scene, tmp_path: Path) -> None:
    protocol = scene.acts.protocol
    with free_ports() as port, proxy(protocol.url) as node, listening() as alerts:
        arguments = ["oracle", "watch", "--port", str(port), "--every", "1", "--json"]
        watcher = Service(
            "watcher",
            f"http://127.0.0.1:{port}",
            [*arguments, "--folder", str(tmp_path / "watching"), "--depth", "0"],
            {
                "OBBLIGATO_RPC_URL": node.url,
                "OBBLIGATO_DEPLOYMENT": str(protocol.manifest),
                "OBBLIGATO_STORE": str(protocol.folder),
                "OBBLIGATO_ORACLE_ALERT_URL": alerts.url,
            },
            tmp_path / "log",
        )
        watcher.start()
        try:
            watcher.ready()
            with node.having(status=503):
                watcher.until(lambda: watcher.get("/readyz") == 503, 60, "not ready")
                assert watcher.get("/livez") == 200
                alert = alerts.wait_for(lambda post: "watcher" in json.dumps(post))
                assert "in backoff" in json.dumps(alert)
            watcher.ready()
        finally:
            code = watcher.stop()
        assert code == 0


def test_a_watcher_that_dies_is_started_again_and_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.report([], scene.evidence(scene.events(USES)))  # it leaves out what its evidence has
    watcher = scene.watcher()
    sweep, deaths = Watcher.sweep, [SystemExit("the first look ends it")]

    def dies_once(self: Watcher) -> Sweep:
        if deaths:
            raise deaths.pop()
        return sweep(self)

    sweeps: list[Sweep] = []
    monkeypatch.setattr(Watcher, "sweep", dies_once)
    monkeypatch.setattr("oracle.watcher.cli._tell", lambda sweep, **_: sweeps.append(sweep))
    with listening() as alerts:
        watching = Watching(watcher, 0.05, alerts.url, as_json=True)
        watching.supervisor.start()
        try:
            died = alerts.wait_for(lambda post: "the first look ends it" in json.dumps(post))
            assert "watcher" in json.dumps(died)
            alerts.wait_for(lambda post: post is not died and "watcher" in json.dumps(post))
        finally:
            watching.stop.set()
            watching.supervisor.join()
    assert watching.supervisor.restarts("watcher") == 1
    assert not deaths
    (told,) = sweeps
    assert {finding.kind for finding in told.findings} == {FindingKind.OMITTED}
