"""The world of the process tests: one a session; the leader is started anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.attester.attester import Attester
from tests.onchain import DAY, DeployedProtocol, new_protocol
from tests.oracle.attesting import UNITS, Evidence, Scene, new_scene
from tests.oracle.environment import OracleEnv, new_oracle_env
from tests.oracle.recordings import Licensed, license_recordings


@pytest.fixture(scope="session")
def oracle_protocol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedProtocol]:
    """A deployment of its own: attesters remember what they signed, so that nothing here may be undone."""
    with new_protocol(tmp_path_factory.mktemp("oracle-protocol")) as protocol:
        yield protocol


@pytest.fixture(scope="session")
def whole_oracle_env(
    oracle_protocol: DeployedProtocol, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OracleEnv]:
    with new_oracle_env(oracle_protocol, tmp_path_factory.mktemp("oracle")) as oracle_env:
        yield oracle_env


@pytest.fixture
def oracle_env(whole_oracle_env: OracleEnv, tmp_path: Path) -> Iterator[OracleEnv]:
    """The world with a leader that runs; a test that ended it, or left it broken, gets it a new one."""
    leader = whole_oracle_env.leader
    whole_oracle_env.begin()
    whole_oracle_env.proxy.heal()
    if leader.process is None or leader.process.poll() is not None:
        leader.settings = {**leader.settings, "OBBLIGATO_ORACLE_FOLDER": str(tmp_path / "leader")}
        leader.log = tmp_path / "leader.log"
        leader.start()
    leader.ready()
    yield whole_oracle_env
    whole_oracle_env.proxy.close()


@pytest.fixture(scope="session")
def licensed_recordings(whole_oracle_env: OracleEnv) -> Licensed:
    """Sixty more licences, of real recordings."""
    return license_recordings(whole_oracle_env.acts)


@pytest.fixture
def licensed(oracle_env: OracleEnv, licensed_recordings: Licensed) -> Licensed:
    """Those licences; the period is the last day, in which all of them are in force."""
    now = oracle_env.acts.now()
    return replace(licensed_recordings, period=(now - DAY, now))


@pytest.fixture
def own_leader(oracle_env: OracleEnv) -> Iterator[OracleEnv]:
    """The world for a test that changes the leader's settings: the next one gets a leader as it was."""
    settings = dict(oracle_env.leader.settings)
    yield oracle_env
    oracle_env.leader.stop()
    oracle_env.leader.settings = settings


@pytest.fixture(scope="module")
def scene(onchain: DeployedProtocol) -> Iterator[Scene]:
    """What attesters are asked about, on a chain that is put back after each file of tests."""
    with new_scene(onchain) as scene:
        yield scene


@pytest.fixture(scope="module")
def evidence(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Of `UNITS`, metered."""
    return scene.metered(scene.uses(*UNITS), tmp_path_factory.mktemp("metered"))


@pytest.fixture
def attester(scene: Scene, tmp_path: Path) -> Attester:
    """The first attester, with nothing remembered."""
    return scene.attester(tmp_path)
