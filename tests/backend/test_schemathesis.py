"""Schemathesis finds nothing: every operation of a real backend over the told story, with somebody signed in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from eth_account.messages import encode_defunct

from scripts.schemathesis.run import NoSchemathesis, program, run
from scripts.stack import Service, backend_service
from scripts.toolchain import free_ports
from tests.onchain import ARTIST, Acts
from tests.scenario import Scenario

START_SECONDS = 180
OFTEN = {
    "OBBLIGATO_BACKEND_READS_PER_MINUTE": "1000000",
    "OBBLIGATO_BACKEND_WRITES_PER_MINUTE": "1000000",
}
"""Nobody is to be told to wait."""


@pytest.fixture
def backend(scenario: Scenario, tmp_path: Path) -> Iterator[Service]:
    """A real backend over the story, with blocks of its own; what it does to the chain is undone."""
    shutil.copytree(scenario.protocol.folder, tmp_path / "blocks")
    with Acts(scenario.protocol).undone(), free_ports() as port:
        service = backend_service(
            tmp_path,
            rpc=scenario.protocol.url,
            manifest=scenario.protocol.manifest,
            port=port,
            **{"OBBLIGATO_STORE": str(tmp_path / "blocks"), **OFTEN},
        )
        try:
            service.start()
            service.ready(START_SECONDS)
            yield service
        finally:
            service.stop()


def signed_in(url: str) -> str:
    """The token of a new session of the artist."""
    asked = httpx.post(f"{url}/v1/sessions/challenges", json={"account": ARTIST.address})
    message = asked.raise_for_status().json()["message"]
    signature = ARTIST.sign_message(encode_defunct(text=message)).signature
    given = {"message": message, "signature": "0x" + signature.hex().removeprefix("0x")}
    made = httpx.post(f"{url}/v1/sessions", json=given).raise_for_status().json()
    token: str = made["token"]
    return token


def test_schemathesis_finds_nothing_in_the_whole_api(backend: Service, tmp_path: Path) -> None:
    try:
        program()
    except NoSchemathesis as missing:
        pytest.skip(str(missing))
    token, leaving = signed_in(backend.url), signed_in(backend.url)

    done = run(backend.url, token=token, leaving=leaving, folder=tmp_path)

    assert done.returncode == 0, done.stdout
    unexpected = [line for line in backend.log.read_text().splitlines() if "unexpected" in line]
    assert unexpected == []
