"""Running the command in this process, as the shell would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from obbligato.cli.app import run
from tests.scenario import Scenario


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


SETTINGS = (
    "RPC_URL",
    "DEPLOYMENT",
    "STORE",
    "GATEWAYS",
    "ORACLE_URL",
    "BACKEND_URL",
    "KEYSTORE",
    "PASSWORD_FILE",
    "API_KEY",
)

Command = Callable[..., Ran]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests."""
    for name in SETTINGS:
        monkeypatch.delenv(f"OBBLIGATO_{name}", raising=False)


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command with nothing set."""

    def command(*arguments: object) -> Ran:
        code = int(run([str(argument) for argument in arguments]))
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return command


@pytest.fixture
def obbligato(bare: Command, scenario: Scenario) -> Command:
    """The command with the story's deployment and store."""
    protocol = scenario.protocol
    options = ("--rpc", protocol.url, "--deployment", protocol.manifest, "--store", protocol.folder)
    return lambda *arguments: bare(*options, *arguments)
