"""The service alone: sessions and keys over the told story, with records of their own for each test."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient

from backend.auth.api_keys import check_platform
from backend.auth.deps import CallerDep, SignedInDep, scoped
from backend.auth.routes import keys_router
from backend.auth.routes import router as session_router
from backend.db.service_db import ServiceDatabase
from backend.http.callers import Caller
from backend.http.deps import ServicesDep
from backend.http.middleware import add_middleware
from backend.services import Services
from obbligato.server.http import add_errors, add_health
from scripts.demo.cast import RELAY
from tests.scenario import Scenario

WALLET = Path(__file__).parents[3] / "build" / "contracts" / "TestWallet.json"


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    seconds: float

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Service:
    """What a test calls."""

    services: Services
    clock: Clock
    open: Callable[..., TestClient]

    def client(self, **settings: Any) -> TestClient:
        return self.open(**settings)


@pytest.fixture
def service(story_services: Services, tmp_path: Path, scenario: Scenario) -> Iterator[Service]:
    records = ServiceDatabase(f"sqlite:///{tmp_path}/records.db")
    clock = Clock(scenario.acts.now())
    services = dataclasses.replace(story_services, service_db=records, clock=clock)

    def opened(**settings: Any) -> TestClient:
        changed = dataclasses.replace(
            services, settings=services.settings.model_copy(update=settings)
        )
        return TestClient(
            _app(changed),
            base_url=changed.settings.public_url,
            raise_server_exceptions=False,
            client=("192.0.2.1", 4_000),
        )

    yield Service(services, clock, opened)
    records.close()


@pytest.fixture
def client(service: Service) -> TestClient:
    return service.client()


def _app(services: Services) -> FastAPI:
    """The routes of this part, and a few that stand for others'."""
    app = FastAPI()
    app.state.services = services
    add_errors(app)
    add_health(app, {})
    app.include_router(session_router)
    app.include_router(keys_router)
    app.include_router(_others())
    add_middleware(app, services)
    return app


def _others() -> APIRouter:
    router = APIRouter()

    @router.get("/public")
    def public(caller: CallerDep) -> dict[str, str | None]:
        return {"account": caller.account if caller else None}

    @router.post("/change")
    def change(caller: SignedInDep) -> dict[str, str]:
        return {"account": caller.account}

    @router.post("/platforms/{platform_id}/hooks")
    def hook(
        platform_id: int,
        services: ServicesDep,
        caller: Caller = Depends(scoped("webhooks:write")),  # noqa: B008
    ) -> dict[str, str]:
        check_platform(services, caller, platform_id)
        return {"by": caller.id}

    @router.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.get("/crash")
    def crash() -> None:
        raise RuntimeError("secret inside")

    return router


def signed(account: LocalAccount, text: str) -> str:
    """What a wallet's `personal_sign` answers (eth_account is not what the service checks with)."""
    return "0x" + bytes(account.sign_message(encode_defunct(text=text)).signature).hex()


def sign_in(client: TestClient, account: LocalAccount, **names: str) -> dict[str, Any]:
    """Sign in; the answer. The client forgets the cookie."""
    scenario = client.post(
        "/v1/sessions/challenges", json={"account": names.get("address", account.address)}
    ).json()
    answer = client.post(
        "/v1/sessions",
        json={"message": scenario["message"], "signature": signed(account, scenario["message"])},
    )
    client.cookies.clear()
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def wallet(scenario: Scenario) -> Iterator[tuple[str, LocalAccount]]:
    """A contract account (ERC-1271) and the key that signs for it."""
    from tests.onchain import PRODUCER

    with scenario.acts.undone():
        web3 = scenario.protocol.chain.web3
        made = json.loads(WALLET.read_text())
        built = web3.eth.contract(abi=made["abi"], bytecode=made["bytecode"])
        transaction = built.constructor(PRODUCER.address).build_transaction(
            {"from": RELAY.address, "nonce": web3.eth.get_transaction_count(RELAY.address)}
        )
        raw = RELAY.sign_transaction(transaction).raw_transaction
        receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
        address = receipt["contractAddress"]
        assert address is not None
        yield str(address), PRODUCER
