"""`make up`, and what a new user does with it over HTTP alone: sign in, mint, earn, read a statement, claim."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pypdf
import pytest
from eth_account.messages import encode_defunct

from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from scripts.toolchain import ROOT, environment
from scripts.up.__main__ import NEWCOMER
from tests.waiting import wait_until

PATIENCE_SECONDS = 120
GENERATION_UNITS = 2_400
"""What the preset "Train, don't imitate" asks for one generation, in millionths of a dollar."""


class User:
    """Somebody with an account and nothing else."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def sign_in(self) -> Any:
        asked = self.post("/v1/sessions/challenges", {"account": NEWCOMER.address})
        signed = NEWCOMER.sign_message(encode_defunct(text=asked["message"]))
        session = self.post(
            "/v1/sessions",
            {"message": asked["message"], "signature": "0x" + signed.signature.hex()},
        )
        self.http.headers["Authorization"] = f"Bearer {session['token']}"
        return session

    def sign(self, act: Any) -> Any:
        signed = NEWCOMER.sign_typed_data(full_message=act["typed_data"])
        return self.post(
            f"/v1/acts/{act['id']}/signature", {"signature": "0x" + signed.signature.hex()}
        )

    def act(self, act: Any, *states: str) -> Any:
        """The act, once it is in one of these states."""

        def found() -> Any:
            now = self.get(f"/v1/acts/{act['id']}")
            assert now["state"] != "failed", now["problem"]
            return now if now["state"] in states else None

        return wait_until(found, PATIENCE_SECONDS)

    def seen(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """What a path answers, once it is there and as the condition says."""

        def found() -> Any:
            answer = self.http.get(path)
            return answer.status_code == 200 and condition(answer.json()) and answer.json()

        return wait_until(found, PATIENCE_SECONDS)


@pytest.fixture
def user(running: dict[str, str]) -> Iterator[User]:
    made = User(running["OBBLIGATO_BACKEND_URL"])
    yield made
    made.http.close()


def test_a_newcomer_mints_earns_and_is_paid(running: dict[str, str], user: User) -> None:
    me = NEWCOMER.address
    chain = Chain.connect(
        running["OBBLIGATO_RPC_URL"], read_deployment(Path(running["OBBLIGATO_DEPLOYMENT"]))
    )
    assert user.sign_in()["account"] == me

    act = user.post(
        "/v1/acts/mint",
        {
            "recording": {
                "title": "Morgenrot <b>& Söhne</b>",
                "artists": ["Nadia Vale"],
                "isrc": "US-UG1-24-00910",
                "content_hash": "0x" + "5e" * 32,
            },
            "terms": {"preset": "train-dont-imitate"},
        },
    )
    assert act["state"] == "prepared"
    assert "each generation: 0.0024 dollars" in " ".join(act["preview"]["sentences"])
    user.sign(act)
    license_id = user.act(act, "confirmed", "final")["result"]["license_id"]
    user.act(act, "final")
    licensed = user.seen(f"/v1/licenses/{license_id}", lambda it: it["certainty"] == "final")
    assert (licensed["owner"], licensed["title"]) == (me, "Morgenrot <b>& Söhne</b>")

    used = subprocess.run(
        [sys.executable, "-m", "scripts.up.use", "--license", str(license_id), "--units", "1000"],
        cwd=ROOT,
        env={**environment(), **running},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert used.returncode == 0, used.stderr
    earned = 1_000 * GENERATION_UNITS

    def of_license(answer: dict[str, Any]) -> list[tuple[str, str]]:
        """Others may have earned for this account on the same `make up`: what this licence has."""
        items = answer["items"]
        mine = [each for each in items if each["license_id"] == license_id]
        return [(each["tier"], each["amount_units"]) for each in mine]

    earnings = f"/v1/payees/{me}/earnings?by=tier&by=license_id"
    user.seen(earnings, lambda answer: of_license(answer) == [("GENERATIVE", str(earned))])
    # Whatever else it earned was reported before, and is settled since.
    balance = user.get(f"/v1/payees/{me}")
    claimable, paid_before = int(balance["claimable_units"]), int(balance["paid_units"])
    assert claimable >= earned
    (month,) = user.get(f"/v1/payees/{me}/statements")["items"]
    pdf = user.http.get(f"/v1/payees/{me}/statements/{month['month']}.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf.content)).pages)
    assert "Morgenrot <b>& Söhne</b>" in " ".join(text.split())
    assert "2.400000" in text

    claim = user.post("/v1/acts/claim", {})
    user.sign(claim)
    assert user.act(claim, "final")["result"] == {"amount_units": str(claimable)}
    assert chain.call("TestDollar", "balanceOf", me) == paid_before + claimable
    paid = str(paid_before + claimable)
    after = user.seen(f"/v1/payees/{me}", lambda answer: answer["paid_units"] == paid)
    assert after["claimable_units"] == "0"


def test_the_demo_s_catalogue_is_there_for_everybody(running: dict[str, str]) -> None:
    with httpx.Client(base_url=running["OBBLIGATO_BACKEND_URL"]) as http:
        page = http.get("/v1/licenses", params={"limit": 200}).json()
        assert len([each for each in page["items"] if each["license_id"] <= 64]) == 64
        assert http.get("/readyz").json()["status"] == "ready"


def test_the_commands_that_it_prints_work(running: dict[str, str]) -> None:
    minted = command(
        running,
        *(
            "license",
            "--title",
            "My song",
            "--artist",
            "Me",
            "--content-hash",
            "0x" + "0" * 63 + "1",
        ),
        *("--preset", "train-dont-imitate", "--yes", "--final", "--json"),
    )
    assert minted["state"] == "final"
    balance = command(running, "balance", "--json")
    assert balance["account"] == NEWCOMER.address


def command(running: dict[str, str], *arguments: str) -> Any:
    """What `obbligato artist …` prints, in a shell that has read the file `environment`."""
    done = subprocess.run(
        [sys.executable, "-m", "obbligato", "artist", *arguments],
        cwd=ROOT,
        env={**environment(), **running},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
