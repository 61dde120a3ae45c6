"""One process for everything, as in development; and never silently with a single attester."""

from __future__ import annotations

from pathlib import Path

import pytest

from obbligato.client import State
from scripts.demo.cast import ATTESTERS
from scripts.stack import keystore
from scripts.toolchain import ToolchainError
from tests.oracle.environment import OracleEnv


def inside(folder: Path, count: int) -> dict[str, str]:
    """Settings of a leader that runs so many attesters itself and knows no others."""
    paths = [keystore(folder / f"inside-{i}.json", ATTESTERS[i]) for i in range(count)]
    return {
        "OBBLIGATO_ORACLE_ATTESTERS": "",
        "OBBLIGATO_ORACLE_ATTESTER_KEYSTORES": " ".join(map(str, paths)),
    }


def restart(oracle_env: OracleEnv, folder: Path, **settings: str) -> None:
    oracle_env.leader.stop()
    oracle_env.leader.settings = {
        **oracle_env.leader.settings,
        "OBBLIGATO_ORACLE_FOLDER": str(folder / "leader"),
        **settings,
    }
    oracle_env.leader.log = folder / "leader.log"
    oracle_env.leader.start()


def test_attesters_inside_the_leader_make_a_quorum_and_the_status_page_says_so(
    own_leader: OracleEnv, tmp_path: Path
) -> None:
    oracle_env = own_leader
    restart(oracle_env, tmp_path, **inside(tmp_path, 3))
    oracle_env.leader.ready()
    model = oracle_env.model()
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, oracle_env.usage(client, model, tmp_path, (7, 5)))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
        attesters = client.oracle_status()["attesters"]
    assert attesters["inside_this_process"] == 3
    assert attesters["single"] is False
    assert len(oracle_env.happened(model)) == 1


def test_a_single_attester_must_be_asked_for(own_leader: OracleEnv, tmp_path: Path) -> None:
    oracle_env = own_leader
    oracle_env.acts.govern("UsageOracle", "setAttesters", [ATTESTERS[0].address])
    try:
        restart(oracle_env, tmp_path, **inside(tmp_path, 1))
        with pytest.raises(ToolchainError, match="one attester, which decides alone"):
            oracle_env.leader.ready()
        restart(
            oracle_env, tmp_path, **inside(tmp_path, 1), OBBLIGATO_ORACLE_SINGLE_ATTESTER="true"
        )
        oracle_env.leader.ready()
        with oracle_env.client() as client:
            assert client.oracle_status()["attesters"]["single"] is True
    finally:
        ascending = sorted((each.address for each in ATTESTERS), key=lambda a: int(a, 16))
        oracle_env.acts.govern("UsageOracle", "setAttesters", ascending)
