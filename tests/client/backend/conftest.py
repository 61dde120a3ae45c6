"""A backend that plays its part in this process: it reads requests with the service's own models, and can lie."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from obbligato.chain.deployment import CONTRACTS, Deployment
from obbligato.client.backend import BackendClient
from obbligato.client.signing import personal_digest
from obbligato.client.verify_acts import domain_of
from obbligato.documents.cid import cid_of
from obbligato.documents.license import LicenseDocument, Recording, license_document
from obbligato.documents.wording import role_word
from obbligato.errors import NotFound
from obbligato.keys import LocalSigner
from obbligato.protocol.constants import Role
from obbligato.protocol.quorum import recover_signer
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.typed_data import AcceptSplit, Message, Mint
from obbligato.schemas.acts import ActRequest
from obbligato.schemas.backend import ActResponse
from obbligato.schemas.terms import RecordingInput, SplitInput, TermsInput
from obbligato.store import BlockState, BlockStatus

SIGNER = LocalSigner(b"\x05" * 32)
OTHER = LocalSigner(b"\x06" * 32)
URL = "https://music.example"
NOW = 1_790_000_000
CONTENT = b"\x11" * 32

RECORDING = Recording(
    title="Aurora", artists=("Nadia Vale",), isrc="USUG12400910", content_hash=CONTENT
)


def manifest() -> Deployment:
    """A deployment that was never made."""
    contract = {
        "block": 1,
        "transaction": "0x" + "00" * 32,
        "constructor_arguments": "0x",
        "runtime_code_hash": "0x" + "00" * 32,
    }
    account = "0x" + "ab" * 20
    return Deployment.read(
        {
            "chain_id": 31337,
            "network": "test",
            "block": 1,
            "token": account,
            "contracts": {
                name: {"address": "0x" + f"{number:02x}" * 20, **contract}
                for number, name in enumerate(CONTRACTS, start=1)
            },
            "roles": {
                "governor": account,
                "guardian": account,
                "arbiter": account,
                "attesters": [account],
                "deployer": account,
            },
            "parameters": {},
            "compiler": {
                "version": "0.8.30",
                "evm_version": "prague",
                "via_ir": True,
                "optimizer_runs": 1,
                "input_hash": "0x" + "00" * 32,
            },
        }
    )


DEPLOYMENT = manifest()


class Shelf:
    """A store of blocks in memory."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        self.blocks[cid_of(data)] = data
        return cid_of(data)

    def get(self, cid: str) -> bytes:
        if cid not in self.blocks:
            raise NotFound(f"no block {cid}")
        return self.blocks[cid]

    def pin(self, cid: str) -> None:
        self.get(cid)

    def status(self, cid: str) -> BlockStatus:
        known = self.blocks.get(cid)
        return (
            BlockStatus(cid, BlockState.ABSENT, None)
            if known is None
            else BlockStatus(cid, BlockState.PINNED, len(known))
        )


@dataclass
class FakeBackend:
    """Answers as the service does. `lies` replace fields of what it wants signed."""

    shelf: Shelf = field(default_factory=Shelf)
    lies: dict[str, Any] = field(default_factory=dict)
    domain: dict[str, Any] = field(default_factory=dict)
    host: str = "music.example"
    acts: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    first: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    """What the next requests are answered with, before anything else."""
    signatures: list[bytes] = field(default_factory=list)
    nonce: str = "n0nce0000001"
    sessions: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.first:
            return self.first.pop(0)(request)
        target = (request.method, request.url.path)
        body = json.loads(request.content) if request.content else {}
        if target == ("POST", "/v1/sessions/challenges"):
            return httpx.Response(200, json={"message": self.text(body["account"])})
        if target == ("POST", "/v1/sessions"):
            return self.signed_in(body)
        if request.url.path.endswith("/signature"):
            return self.signed(request.url.path.split("/")[3], bytes.fromhex(body["signature"][2:]))
        if request.headers.get("Authorization") != f"Bearer obs_{self.sessions}":
            return problem(401, "Not signed in", "Sign in first.")
        if target == ("POST", "/v1/acts/mint"):
            return self.minted(body, request.headers.get("Idempotency-Key", ""))
        return problem(404, "Not found", f"there is no {request.url.path}")

    def text(self, account: str) -> str:
        return (
            f"{self.host} wants you to sign in with your Ethereum account:\n{account}\n\n"
            f"Sign in to Obbligato.\n\nURI: https://{self.host}\nVersion: 1\nChain ID: 31337\n"
            f"Nonce: {self.nonce}\nIssued At: 2026-11-24T00:00:00Z\n"
            "Expiration Time: 2026-11-24T00:10:00Z"
        )

    def signed_in(self, body: dict[str, Any]) -> httpx.Response:
        account = body["message"].split("\n")[1]
        signature = bytes.fromhex(body["signature"][2:])
        assert recover_signer(personal_digest(body["message"]), signature) == account
        self.sessions += 1
        token = {
            "token": f"obs_{self.sessions}",
            "account": account,
            "expires_at": NOW,
            "roles": {},
        }
        return httpx.Response(201, json=token)

    def minted(self, body: dict[str, Any], key: str) -> httpx.Response:
        if key in self.keys:
            return httpx.Response(201, json=self.acts[self.keys[key]])
        terms = TermsInput.model_validate(body["terms"]).terms()
        recording = RecordingInput.model_validate({"recording": body["recording"]}).recording
        given = SplitInput.model_validate({"payees": body.get("payees")})
        document = license_document(recording=recording, terms=terms, image=body.get("image"))
        self.shelf.put(document.to_bytes())
        message = Mint.read(
            {
                "account": SIGNER.address,
                "terms": terms,
                "split": given.split(SIGNER.address),
                "document": document.digest(),
                "content": recording.content_hash,
                "nonce": 7,
                "deadline": NOW + 3_600,
            }
        )
        made = self.act("mint", message)
        self.keys[key] = made["id"]
        return httpx.Response(201, json=made)

    def act(self, kind: str, message: Message) -> dict[str, Any]:
        """An act as the service shows it."""
        typed = message.model_copy(update=self.lies).as_typed_data(
            domain_of(DEPLOYMENT, message.contract)
        )
        typed["domain"].update(self.domain)
        made: dict[str, Any] = {
            "id": secrets.token_hex(16),
            "kind": kind,
            "state": "prepared",
            "account": SIGNER.address,
            "made_by": SIGNER.address,
            "license_id": None,
            "document": None,
            "preview": {"title": "License “Aurora”", "sentences": ["…"], "costs": "Nothing."},
            "warnings": [],
            "deadline": NOW + 3_600,
            "typed_data": typed,
            "transaction_to_send": None,
            "invitations": [],
            "waiting": None,
            "problem": None,
            "result": None,
            "transaction": None,
            "created_at": NOW,
            "updated_at": NOW,
        }
        self.acts[made["id"]] = made
        return made

    def signed(self, act_id: str, signature: bytes) -> httpx.Response:
        self.signatures.append(signature)
        known = self.acts[act_id]
        state = "agreed" if "act_id" in known else "signed"
        made = {**known, "state": state, "typed_data": None}
        return httpx.Response(200, json=made)


def problem(status: int, title: str, detail: str, **more: Any) -> httpx.Response:
    """A problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


def invitation(
    message: AcceptSplit, shown: Split, *, before: int, after: int, domain: str | None = None
) -> dict[str, Any]:
    """An invitation as the service shows it."""
    typed = message.as_typed_data(domain_of(DEPLOYMENT, message.contract))
    if domain:
        typed["domain"]["verifyingContract"] = domain
    paid_to = [
        {
            "account": payee.account,
            "share_ppm": payee.share,
            "percent": "?",
            "role": role_word(payee.role),
        }
        for payee in shown.payees
    ]
    return {
        "id": "cd" * 16,
        "act_id": "ab" * 16,
        "account": message.account,
        "share_before_ppm": before,
        "share_after_ppm": after,
        "state": "waiting",
        "deadline": NOW,
        "preview": {"title": "Change who is paid", "sentences": [], "paid_to": paid_to},
        "typed_data": typed,
    }


def pair(first: int) -> Split:
    """Two payees."""
    return Split.of(
        [
            Payee(account=SIGNER.address, share=first, role=Role.PERFORMER),
            Payee(account=OTHER.address, share=1_000_000 - first, role=Role.LABEL),
        ]
    )


def act_of(fake: FakeBackend, request: ActRequest, message: Message) -> Any:
    """A prepared act with this message, as the client reads it."""
    return ActResponse.model_validate(fake.act(request.kind, message))


def document(**changed: Any) -> LicenseDocument:
    """The document of the recording under other terms than most tests ask for."""
    terms = TermsInput(preset="no-ai").terms()
    return license_document(recording=RECORDING.model_copy(update=changed), terms=terms)


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(fake: FakeBackend, pauses: list[float]) -> Iterator[BackendClient]:
    with BackendClient(
        URL,
        DEPLOYMENT,
        signer=SIGNER,
        documents=fake.shelf,
        transport=httpx.MockTransport(fake),
        pause=pauses.append,
        clock=lambda: sum(pauses),
    ) as made:
        yield made
