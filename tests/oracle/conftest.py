"""The world of the process tests: one a session; the leader is started anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.attesting.node import Attester
from tests.onchain import House, new_house
from tests.oracle.attesting import UNITS, Evidence, Scene, new_scene
from tests.oracle.recordings import Licensed, license_recordings
from tests.oracle.world import World, new_world


@pytest.fixture(scope="session")
def oracle_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A deployment of its own: attesters remember what they signed, so that nothing here may be undone."""
    with new_house(tmp_path_factory.mktemp("oracle-house")) as house:
        yield house


@pytest.fixture(scope="session")
def whole_world(oracle_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with new_world(oracle_house, tmp_path_factory.mktemp("oracle-world")) as world:
        yield world


@pytest.fixture
def world(whole_world: World, tmp_path: Path) -> Iterator[World]:
    """The world with a leader that runs; a test that ended it, or left it broken, gets it a new one."""
    leader = whole_world.leader
    whole_world.proxy.heal()
    if leader.process is None or leader.process.poll() is not None:
        leader.settings = {**leader.settings, "OBBLIGATO_ORACLE_FOLDER": str(tmp_path / "leader")}
        leader.log = tmp_path / "leader.log"
        leader.start()
    leader.ready()
    yield whole_world
    whole_world.proxy.close()


@pytest.fixture(scope="session")
def licensed(whole_world: World) -> Licensed:
    """Sixty more licences, of real recordings."""
    return license_recordings(whole_world.acts)


@pytest.fixture
def own_leader(world: World) -> Iterator[World]:
    """The world for a test that changes the leader's settings: the next one gets a leader as it was."""
    settings = dict(world.leader.settings)
    yield world
    world.leader.stop()
    world.leader.settings = settings


@pytest.fixture(scope="module")
def scene(onchain: House) -> Iterator[Scene]:
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
