"""`obbligato serve` as operators run it, behind a node that misbehaves: nothing is lost, doubled or half-done."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from scripts.demo.cast import RELAY
from scripts.stack import PASSWORD, Service, backend_service
from scripts.toolchain import free_ports
from tests.onchain import ARTIST, DUO, LABEL, STRANGER, Acts, DeployedProtocol, new_protocol
from tests.oracle.proxy import SEND, Proxy, proxy
from tests.waiting import wait_until

PATIENCE = 90
FINALITY = 8
"""Deeper than any fork below."""


@dataclass
class BackendEnv:
    """A node behind a proxy, and the backend over it."""

    protocol: DeployedProtocol
    acts: Acts
    proxy: Proxy
    backend: Service
    folder: Path
    users: list[User] = field(default_factory=list)
    patience: float = PATIENCE

    def user(self, account: LocalAccount) -> User:
        self.users.append(User(self, account))
        return self.users[-1]

    def mine(self, blocks: int = 1) -> None:
        self.acts.node("anvil_mine", hex(blocks))

    def until(self, condition: Callable[[], Any], *, mining: bool = False) -> Any:
        """What the condition answers once it is true."""

        def after_a_block() -> Any:
            found = condition()
            if mining and not found:
                self.mine()
            return found

        return wait_until(after_a_block, self.patience, self.backend.tail, every_seconds=0.1)

    def minted(self, content: str) -> list[int]:
        """The licences on the chain for a content hash, by the chain's own events."""
        events = self.protocol.chain.contract("LicenseRegistry").events.LicenseMinted()
        logs = events.get_logs(
            from_block=0, argument_filters={"content": bytes.fromhex(content[2:])}
        )
        return [log["args"]["licenseId"] for log in logs]

    def sent_by_relay(self) -> int:
        """Transactions of the relay that are in blocks."""
        return int(self.protocol.chain.web3.eth.get_transaction_count(RELAY.address))


class User:
    """Somebody with an account, over HTTP."""

    def __init__(self, backend_env: BackendEnv, account: LocalAccount) -> None:
        self.backend_env, self.account = backend_env, account
        self.http = httpx.Client(base_url=backend_env.backend.url, timeout=30)

    def sign_in(self) -> User:
        asked = self.http.post(
            "/v1/sessions/challenges", json={"account": self.account.address}
        ).json()
        self.message = asked["message"]
        signed = self.account.sign_message(encode_defunct(text=self.message))
        self.proof = {"message": self.message, "signature": "0x" + signed.signature.hex()}
        answer = self.http.post("/v1/sessions", json=self.proof)
        assert answer.status_code in (200, 201), answer.text
        self.token = answer.json()["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        self.http.cookies.clear()
        return self

    def prepare(self, title: str, key: str | None = None, **changed: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post("/v1/acts/mint", json=request(title, **changed), headers=headers)

    def sign(self, act: Any) -> httpx.Response:
        signed = self.account.sign_typed_data(full_message=act["typed_data"])
        signature = "0x" + signed.signature.hex()
        return self.http.post(f"/v1/acts/{act['id']}/signature", json={"signature": signature})

    def act(self, identity: str) -> Any:
        return self.http.get(f"/v1/acts/{identity}").json()

    def reach(self, identity: str, *states: str, mining: bool = True) -> Any:
        def found() -> Any:
            now = self.act(identity)
            assert now["state"] != "failed", now
            return now if now["state"] in states else None

        return self.backend_env.until(found, mining=mining)


def request(title: str, **changed: Any) -> dict[str, Any]:
    return {
        "recording": {"title": title, "artists": ["Nadia Vale"], "content_hash": content(title)},
        "terms": {"preset": "train-dont-imitate"},
        **changed,
    }


def content(title: str) -> str:
    return "0x" + hashlib.sha256(title.encode()).hexdigest()


@pytest.fixture(scope="module")
def backend_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendEnv]:
    folder = tmp_path_factory.mktemp("processes")
    with new_protocol(folder) as protocol, proxy(protocol.url) as node, free_ports() as port:
        backend = backend_service(
            folder / "backend",
            rpc=node.url,
            manifest=protocol.manifest,
            port=port,
            OBBLIGATO_BACKEND_FINALITY=str(FINALITY),
            OBBLIGATO_BACKEND_READS_PER_MINUTE="100000",
            OBBLIGATO_BACKEND_WRITES_PER_MINUTE="100000",
            OBBLIGATO_BACKEND_ACTS_PER_DAY="1000",
            OBBLIGATO_BACKEND_ACCOUNT_DAY_ETHER="100",
            OBBLIGATO_BACKEND_DAY_ETHER="100",
        )
        made = BackendEnv(protocol, Acts(protocol), node, backend, folder)
        made.mine(FINALITY + 1)
        backend.start()
        try:
            backend.ready(PATIENCE)
            yield made
        finally:
            assert backend.stop() == 0, backend.tail()


@pytest.fixture(autouse=True)
def _everybody_leaves(backend_env: BackendEnv) -> Iterator[None]:
    yield
    for user in backend_env.users:
        user.http.close()
    backend_env.users.clear()


@pytest.fixture
def artist(backend_env: BackendEnv) -> User:
    return backend_env.user(ARTIST).sign_in()


@contextlib.contextmanager
def restarted(backend_env: BackendEnv, **changed: str) -> Iterator[None]:
    """The backend with other settings in this block."""
    backend_env.backend.stop()
    backend_env.backend.start(**changed)
    try:
        backend_env.backend.ready(PATIENCE)
        yield
    finally:
        backend_env.backend.stop()
        backend_env.backend.start()
        backend_env.backend.ready(PATIENCE)


# ---- crashes


@pytest.mark.parametrize(
    ("method", "forward"),
    [("eth_estimateGas", False), (SEND, False), (SEND, True), ("eth_getTransactionReceipt", True)],
    ids=["before it signs", "signed, not sent", "sent, no answer", "mined, not noted"],
)
def test_a_relay_that_is_killed_mints_exactly_once(
    backend_env: BackendEnv, artist: User, method: str, forward: bool
) -> None:
    title = f"Killed at {method} {forward}"
    act = artist.prepare(title).json()
    held = backend_env.proxy.hold(method, forward=forward)
    assert artist.sign(act).status_code == 200
    held.wait()
    backend_env.backend.kill()
    held.abandon()
    backend_env.backend.start()
    backend_env.backend.ready(PATIENCE)
    final = artist.reach(act["id"], "final")
    assert backend_env.minted(content(title)) == [final["result"]["license_id"]]


# ---- reorgs (fault 36)


@pytest.mark.parametrize("depth", [1, 6])
def test_a_mint_survives_forks_and_is_never_final_before_it_is(
    backend_env: BackendEnv, artist: User, depth: int
) -> None:
    title = f"Forked {depth}"
    backend_env.mine(FINALITY + 1)
    act = artist.prepare(title).json()
    artist.sign(act)
    artist.reach(act["id"], "confirmed", mining=True)
    backend_env.mine(max(0, depth - 1))
    backend_env.acts.node("anvil_reorg", depth, [])

    def gone_or_back() -> bool:
        """The index follows the fork: what it says of the licence is what the chain says."""
        assert artist.act(act["id"])["state"] != "final"
        shown = artist.http.get("/v1/licenses", params={"content": content(title)}).json()["items"]
        assert all(each["certainty"] == "confirmed" for each in shown)
        return [each["license_id"] for each in shown] == backend_env.minted(content(title))

    backend_env.until(gone_or_back)
    final = artist.reach(act["id"], "final")
    assert backend_env.minted(content(title)) == [final["result"]["license_id"]]
    backend_env.until(
        lambda: (
            artist.http.get(f"/v1/licenses/{final['result']['license_id']}").json().get("certainty")
            == "final"
        ),
        mining=True,
    )


# ---- the node and the store fail (faults 30, 33)


@pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 500}, {"html": True}, {"reset": True}],
    ids=["429", "500", "a page", "no answer"],
)
def test_a_failing_node_is_said_so_and_work_goes_on_after_it(
    backend_env: BackendEnv, artist: User, fault: dict[str, Any]
) -> None:
    title = f"Node fails {fault}"
    act = artist.prepare(title).json()
    with backend_env.proxy.having(**fault):
        backend_env.until(lambda: backend_env.backend.get("/readyz") == 503)
        shown = httpx.get(f"{backend_env.backend.url}/readyz").json()
        assert shown["checks"]["rpc"]
        # What the index knows is still read.
        assert artist.http.get("/v1/licenses").status_code == 200
        refused = artist.sign(act)
        assert (refused.status_code, refused.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
    backend_env.until(lambda: backend_env.backend.get("/readyz") == 200)
    assert artist.sign(act).status_code == 200
    artist.reach(act["id"], "final")
    assert len(backend_env.minted(content(title))) == 1


def test_a_node_of_another_chain_stops_it_before_it_signs(
    backend_env: BackendEnv, artist: User
) -> None:
    act = artist.prepare("Another chain").json()
    with backend_env.proxy.having(chain_id=1):
        backend_env.until(lambda: backend_env.backend.get("/readyz") == 503)
        sent = backend_env.sent_by_relay()
        assert artist.sign(act).status_code == 503
        assert backend_env.sent_by_relay() == sent
        # Such a node is not asked again: somebody has to look at it.
        backend_env.backend.stop()
    backend_env.backend.start()
    backend_env.backend.ready(PATIENCE)
    artist.sign(act)
    artist.reach(act["id"], "final")


def test_with_ipfs_down_nothing_is_prepared_and_a_retry_works(
    backend_env: BackendEnv, artist: User
) -> None:
    title = "IPFS down"
    before = artist.http.get("/v1/acts", params={"limit": 200}).json()["items"]
    with restarted_without_store(backend_env):
        answer = artist.prepare(title, key="ipfs")
        assert answer.status_code == 503, answer.text
        assert "nothing was prepared" in answer.json()["detail"]
        after = artist.http.get("/v1/acts", params={"limit": 200}).json()["items"]
        assert [each["id"] for each in after] == [each["id"] for each in before]
    act = artist.prepare(title, key="ipfs")
    assert act.status_code == 201
    artist.sign(act.json())
    artist.reach(act.json()["id"], "final")


@contextlib.contextmanager
def restarted_without_store(backend_env: BackendEnv) -> Iterator[None]:
    """A Kubo that nobody runs: the process is up, its store is not."""
    backend_env.backend.stop()
    backend_env.backend.start(OBBLIGATO_BACKEND_KUBO="/ip4/127.0.0.1/tcp/9/http")
    try:
        backend_env.backend.answers()
        backend_env.until(
            lambda: httpx.get(f"{backend_env.backend.url}/readyz").json()["checks"]["ipfs"]
        )
        yield
    finally:
        backend_env.backend.stop()
        backend_env.backend.start()
        backend_env.backend.ready(PATIENCE)


# ---- the index is deleted (fault 38)


def test_a_deleted_index_is_built_anew_and_says_the_same(
    backend_env: BackendEnv, artist: User
) -> None:
    act = artist.prepare("Rebuilt").json()
    artist.sign(act)
    final = artist.reach(act["id"], "final")
    license_id = final["result"]["license_id"]
    backend_env.mine(FINALITY + 1)
    paths = (
        "/v1/licenses?limit=200",
        f"/v1/licenses/{license_id}",
        f"/v1/licenses/{license_id}/history",
        "/v1/status",
    )
    head = backend_env.acts.protocol.chain.web3.eth.block_number

    def there() -> bool:
        return bool(artist.http.get("/v1/status").json().get("head_number") == head)

    def answers() -> list[bytes]:
        return [artist.http.get(path).content for path in paths]

    backend_env.until(there)
    before = answers()
    backend_env.backend.stop()
    for file in (backend_env.folder / "backend").glob("index.db*"):
        file.unlink()
    backend_env.backend.start()
    backend_env.backend.ready(PATIENCE)
    backend_env.until(there)
    backend_env.until(lambda: answers() == before)
    # What only the records know is still there: the session, and the act.
    assert artist.act(act["id"])["state"] == "final"
    assert artist.http.get("/v1/sessions/current").json()["account"] == ARTIST.address


# ---- people (faults 2, 39, 40, 41)


def test_a_key_prepares_one_act_whatever_happens_in_between(
    backend_env: BackendEnv, artist: User
) -> None:
    first = artist.prepare("Idempotent", key="one")
    backend_env.backend.kill()
    backend_env.backend.start()
    backend_env.backend.ready(PATIENCE)
    again = artist.prepare("Idempotent", key="one")
    assert (first.status_code, again.json()["id"]) == (201, first.json()["id"])
    other = artist.prepare("Something else", key="one")
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")


def test_a_sign_in_cannot_be_used_twice(backend_env: BackendEnv) -> None:
    user = backend_env.user(STRANGER).sign_in()
    again = httpx.post(f"{backend_env.backend.url}/v1/sessions", json=user.proof)
    assert (again.status_code, again.json()["field"]) == (401, "message.nonce")


def test_nobody_touches_somebody_else_s_licence_or_act(
    backend_env: BackendEnv, artist: User
) -> None:
    act = artist.prepare("Mine").json()
    artist.sign(act)
    license_id = artist.reach(act["id"], "final")["result"]["license_id"]
    stranger = backend_env.user(STRANGER).sign_in()
    backend_env.until(lambda: artist.http.get(f"/v1/licenses/{license_id}").status_code == 200)
    refused = stranger.http.post("/v1/acts/revoke", json={"license_id": license_id})
    assert (refused.status_code, refused.json()["field"]) == (403, "license_id")
    open_ = artist.prepare("Mine, too").json()
    assert stranger.http.delete(f"/v1/acts/{open_['id']}").status_code == 403
    assert stranger.sign({**open_}).json()["field"] == "signature"
    assert artist.act(open_["id"])["state"] == "prepared"
    assert stranger.http.post(
        "/v1/platforms/1/keys", json={"label": "x", "scopes": []}
    ).status_code in (
        403,
        404,
        422,
    )


def test_no_secret_is_in_the_log_or_in_an_answer(backend_env: BackendEnv, artist: User) -> None:
    log = backend_env.backend.log.read_text()
    for secret in (artist.token, PASSWORD, RELAY.key.hex(), ARTIST.key.hex()):
        assert secret not in log
    assert artist.token not in artist.http.get("/v1/sessions/current").text
    assert RELAY.key.hex() not in httpx.get(f"{backend_env.backend.url}/metrics").text


def test_a_keystore_that_others_can_read_is_refused_at_start(backend_env: BackendEnv) -> None:
    keystore = backend_env.folder / "backend" / "relay.json"
    backend_env.backend.stop()
    keystore.chmod(0o644)
    try:
        backend_env.backend.start()
        assert backend_env.backend.process is not None
        assert backend_env.backend.process.wait(timeout=PATIENCE) == 2
        assert "chmod 600" in backend_env.backend.tail(3)
    finally:
        backend_env.backend.stop()
        keystore.chmod(0o600)
        backend_env.backend.start()
        backend_env.backend.ready(PATIENCE)


# ---- bad input (faults 10, 18, 46)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"payees": []}, "payees"),
        ({"payees": [{"account": LABEL.address, "share_ppm": 0, "role": "label"}]}, "payees"),
        ({"payees": [{"account": LABEL.address, "share_ppm": 999_999, "role": "label"}]}, "payees"),
        (
            {
                "payees": [
                    {"account": LABEL.address, "share_ppm": 500_000, "role": "label"},
                    {"account": LABEL.address, "share_ppm": 500_000, "role": "label"},
                ]
            },
            "payees",
        ),
        (
            {"payees": [{"account": "0x" + "00" * 20, "share_ppm": 10**6, "role": "label"}]},
            "account",
        ),
        (
            {
                "payees": [
                    {"account": "0x" + f"{n:040x}", "share_ppm": 1, "role": "label"}
                    for n in range(1, 66)
                ]
            },
            "payees",
        ),
        ({"payees": [{"account": LABEL.address, "share_ppm": 1e6, "role": "label"}]}, "share_ppm"),
        ({"terms": {"tiers": {"GENERATIVE": {"generation_units": -1}}}}, "generation_units"),
        ({"terms": {"tiers": {"GENERATIVE": {"generation_units": 1.5}}}}, "generation_units"),
        ({"terms": {"tiers": {"GENERATIVE": {"generation_units": "NaN"}}}}, "generation_units"),
        ({"terms": {"tiers": {"GENERATIVE": {"generation_units": 2**64}}}}, "generation_units"),
        ({"terms": {"tiers": {"SAMPLING": {}}}}, "SAMPLING"),
        ({"terms": {"term_days": 364, "tiers": {}}}, "term_days"),
        ({"recording": {"title": "x", "artists": [], "content_hash": content("x")}}, "artists"),
        ({"recording": {"title": " ", "artists": ["a"], "content_hash": content("x")}}, "title"),
        (
            {
                "recording": {
                    "title": "x",
                    "artists": ["a"],
                    "content_hash": content("x"),
                    "isrc": "US-UG1",
                }
            },
            "isrc",
        ),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_prepared(
    backend_env: BackendEnv, artist: User, changed: dict[str, Any], field: str
) -> None:
    answer = artist.prepare("Wrong", **changed)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["field"]


@pytest.mark.parametrize("quantity", [-1, 1.5, "NaN", 2**64, "1e3", None, True])
def test_a_quantity_that_is_none_is_refused(artist: User, quantity: object) -> None:
    body = {
        "report_id": "0x" + "11" * 32,
        "license_id": 1,
        "tier": "GENERATIVE",
        "metric": "GENERATION",
        "claimed_quantity": quantity,
        "evidence_text": "x",
    }
    answer = artist.http.post("/v1/acts/challenge", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "claimed_quantity")


TITLES = [
    "ä" * 500,
    "שלום עולם ‮ and back",
    "🎼👩‍🎤🏽 é",
    "\"quoted\" 'twice' `thrice`",
    "<script>alert(1)</script>",
    '=HYPERLINK("http://example.com")',
]


def test_titles_are_kept_whole_and_answers_are_data(backend_env: BackendEnv, artist: User) -> None:
    acts = [artist.prepare(title).json() for title in TITLES]
    for act in acts:
        assert artist.sign(act).status_code == 200
    ids = [artist.reach(act["id"], "final")["result"]["license_id"] for act in acts]
    for license_id, title in zip(ids, TITLES, strict=True):
        path = f"/v1/licenses/{license_id}"
        backend_env.until(lambda path=path: artist.http.get(path).json().get("title"), mining=True)
        answer = artist.http.get(path)
        assert answer.json()["title"] == title
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert artist.http.get(f"{path}/document").json()["recording"]["title"] == title


def test_a_split_change_over_http_asks_who_loses(backend_env: BackendEnv) -> None:
    duo = backend_env.user(DUO).sign_in()
    payees = [
        {"account": DUO.address, "share_ppm": 500_000, "role": "performer"},
        {"account": LABEL.address, "share_ppm": 500_000, "role": "label"},
    ]
    act = duo.prepare("Shared", payees=payees).json()
    duo.sign(act)
    license_id = duo.reach(act["id"], "final")["result"]["license_id"]
    backend_env.until(lambda: duo.http.get(f"/v1/licenses/{license_id}").status_code == 200)
    alone = [{"account": DUO.address, "share_ppm": 1_000_000, "role": "performer"}]
    change = duo.http.post(
        "/v1/acts/change-split", json={"license_id": license_id, "payees": alone}
    ).json()
    assert duo.sign(change).json()["state"] == "inviting"
    label = backend_env.user(LABEL).sign_in()
    (asked,) = label.http.get("/v1/invitations").json()["items"]
    assert asked["share_after_ppm"] == 0
    signed = LABEL.sign_typed_data(full_message=asked["typed_data"])
    # From the link alone, without a session.
    answer = httpx.post(
        f"{backend_env.backend.url}/v1/invitations/{asked['id']}/signature",
        json={"signature": "0x" + signed.signature.hex()},
    )
    assert answer.json()["state"] == "agreed"
    duo.reach(change["id"], "final")
