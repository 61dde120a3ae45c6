"""The client of the backend for artists, labels and societies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import httpx

from obbligato.chain.deployment import Deployment
from obbligato.client.catalogues import Catalogues
from obbligato.client.errors import StillWaiting
from obbligato.client.signing import check_sign_in, personal_digest
from obbligato.client.transport import (
    BACKEND,
    FIRST_POLL_SECONDS,
    IDEMPOTENCY_KEY,
    LONGEST_POLL_SECONDS,
    POLL_GROWTH,
    TIMEOUT,
    Address,
    AnyModel,
    Transport,
)
from obbligato.client.verify_acts import (
    Agreement,
    document_of_digest,
    domain_of,
    verify_act,
    verify_invitation,
)
from obbligato.documents.cid import digest_from_cid
from obbligato.documents.license import LicenseDocument
from obbligato.errors import InputError
from obbligato.keys import Signer
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import ActRequest
from obbligato.schemas.backend import (
    ActResponse,
    InvitationResponse,
    Listed,
    SignedIn,
    SignInChallenge,
)
from obbligato.store import ContentStore, GatewayStore

PATIENCE_SECONDS: Final = 30.0
"""How long something that was just sent may be unknown to the index."""


class BackendClient:
    """The backend as one account sees it; close it, or use it in a `with` block.

    `deployment` is your own manifest: messages are signed for its contracts on its chain and for no others.
    `signer` signs; without it everything that is public can be read. `documents` is where documents are read
    and compared with their digests (default: the backend's own gateway). Every verb raises BackendProblem where
    the backend says no, BackendUnreachable where nobody answers after some attempts, and InputError.
    """

    def __init__(
        self,
        url: str,
        deployment: Deployment,
        *,
        signer: Signer | None = None,
        documents: ContentStore | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = Address(BACKEND, url)
        address.check_private("sign-ins are")
        self._http = Transport(address, timeout=timeout, transport=transport, pause=pause)
        self._deployment = deployment
        self._signer = signer
        self._gateway = GatewayStore([address.url])
        self._documents: ContentStore = documents or self._gateway
        self._pause = pause
        self._clock = clock
        self._session: SignedIn | None = None
        self.catalogues = Catalogues(self._ask, self._send)
        """Bulk import: verbs of their own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections. The session ends by itself, or by `sign_out`."""
        self._http.close()
        self._gateway.close()

    @property
    def account(self) -> str:
        """Whose signatures it gives. Raises InputError where it has no signer."""
        return self._signing().address

    # ---- sessions

    def sign_in(self) -> SignedIn:
        """Sign in with a signature that does nothing else; done by itself where a verb needs it.

        Raises ActRefused where the text to sign is not that of a sign-in here.
        """
        signer = self._signing()
        response = self._http.ask(
            "POST", "/v1/sessions/challenges", json={"account": signer.address}, again=True
        )
        text = self._read(SignInChallenge, response).message
        check_sign_in(
            text,
            account=signer.address,
            chain_id=self._deployment.chain_id,
            url=self._http.address.url,
        )
        signature = signer.sign_digest(personal_digest(text))
        answer = self._http.ask(
            "POST", "/v1/sessions", json={"message": text, "signature": "0x" + signature.hex()}
        )
        self._session = self._read(SignedIn, answer)
        return self._session

    def sign_out(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._ask("DELETE", "/v1/sessions/current")
            self._session = None

    # ---- acts

    def prepare(self, request: ActRequest, *, key: str | None = None) -> ActResponse:
        """Prepare an act: checked, previewed, not signed. The same `key` is the same act."""
        headers = {IDEMPOTENCY_KEY: key or secrets.token_hex(16)}
        answer = self._ask("POST", f"/v1/acts/{request.kind}", json=request.body(), headers=headers)
        return self._read(ActResponse, answer)

    def sign(
        self,
        act: ActResponse,
        request: ActRequest,
        *,
        latest_deadline: int | None = None,
    ) -> ActResponse:
        """Compare an act with the request, sign exactly that, and hand the signature in.

        `latest_deadline`, by the chain's clock, bounds how long the signature may be used. Raises ActRefused
        before anything is signed.
        """
        signer = self._signing()
        message = verify_act(
            act, request, signer.address, self._deployment, self._documents, latest_deadline
        )
        digest = message.digest(domain_of(self._deployment, message.contract))
        body = {"signature": "0x" + signer.sign_digest(digest).hex()}
        answer = self._http.ask("POST", f"/v1/acts/{act.id}/signature", json=body, again=True)
        return self._read(ActResponse, answer)

    def wait(
        self,
        act_id: str,
        state: ActState = ActState.FINAL,
        *,
        timeout_seconds: float | None = None,
    ) -> ActResponse:
        """Wait until an act is as far as `state`, has ended, or waits for people to sign.

        Raises StillWaiting when the time is up.
        """
        started, pause = self._clock(), FIRST_POLL_SECONDS
        while True:
            act = self.act(act_id)
            has_arrived = act.state.has_reached(state) or act.state.has_ended
            if has_arrived or act.state.waits_for_people:
                return act
            if timeout_seconds is not None and self._clock() - started >= timeout_seconds:
                why = f": {act.waiting}" if act.waiting else ""
                raise StillWaiting(
                    f"after {timeout_seconds:g} s act {act.id} is {act.state.value}{why}; it goes on by "
                    "itself, ask for it later"
                )
            self._pause(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)

    def act(self, act_id: str) -> ActResponse:
        """An act as it is now."""
        return self._read(ActResponse, self._http.ask("GET", f"/v1/acts/{_word(act_id)}"))

    def acts(
        self,
        *,
        kind: str | None = None,
        state: ActState | None = None,
        license_id: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[tuple[ActResponse, ...], str | None]:
        """The account's acts, newest first, and where the next page begins."""
        page = self._page(
            "/v1/acts",
            {"kind": kind, "state": state, "license_id": license_id},
            limit,
            cursor,
            signed_in=True,
        )
        return tuple(self._read(ActResponse, each) for each in page.items), page.next

    def withdraw(self, act_id: str) -> None:
        """Withdraw an act that was not sent yet."""
        self._ask("DELETE", f"/v1/acts/{_word(act_id)}")

    # ---- invitations

    def invitations(self, *, limit: int = 200) -> tuple[InvitationResponse, ...]:
        """What the account is asked to agree to."""
        page = self._page("/v1/invitations", {}, limit, None, signed_in=True)
        return tuple(self._read(InvitationResponse, each) for each in page.items)

    def invitation(self, invitation_id: str) -> InvitationResponse:
        """One invitation."""
        answer = self._http.ask("GET", f"/v1/invitations/{_word(invitation_id)}")
        return self._read(InvitationResponse, answer)

    def check_invitation(
        self, invitation: InvitationResponse, *, latest_deadline: int | None = None
    ) -> Agreement:
        """What agreeing would sign, compared with what the invitation shows. Raises ActRefused."""
        return verify_invitation(invitation, self.account, self._deployment, latest_deadline)

    def accept(
        self, invitation: InvitationResponse, *, latest_deadline: int | None = None
    ) -> InvitationResponse:
        """Agree to a smaller share, by a signature over the payees that the invitation shows.

        Raises ActRefused before anything is signed.
        """
        signer = self._signing()
        message = self.check_invitation(invitation, latest_deadline=latest_deadline).message
        digest = message.digest(domain_of(self._deployment, message.contract))
        body = {"signature": "0x" + signer.sign_digest(digest).hex()}
        target = f"/v1/invitations/{_word(invitation.id)}/signature"
        return self._read(InvitationResponse, self._http.ask("POST", target, json=body, again=True))

    def decline(self, invitation: InvitationResponse) -> InvitationResponse:
        """Say no."""
        target = f"/v1/invitations/{_word(invitation.id)}/decline"
        return self._read(InvitationResponse, self._ask("POST", target, again=True))

    # ---- reading

    def license(self, license_id: int) -> Mapping[str, Any]:
        """A licence: terms, split, document, what is pending; as JSON has it."""
        return self._object(f"/v1/licenses/{license_id}")

    def licenses(
        self, *, limit: int = 50, cursor: str | None = None, **filters: str | int | None
    ) -> Listed:
        """A page of licences; filters as the API names them: isrc, artist, title, owner, payee, tier, at…"""
        return self._page("/v1/licenses", filters, limit, cursor)

    def document_of(self, license_id: int) -> LicenseDocument:
        """The document of a licence, compared with the digest that the backend reads off the chain."""
        cid = self.license(license_id).get("document")
        if not isinstance(cid, str):
            raise self._http.address.strange("a licence without a document")
        return document_of_digest(self._documents, digest_from_cid(cid))

    def balance(self, account: str | None = None) -> Mapping[str, Any]:
        """What an account has pending, claimable and paid; default: the signer's."""
        return self._object(f"/v1/payees/{account or self.account}")

    def earnings(
        self,
        account: str | None = None,
        *,
        by: Sequence[str] = ("month",),
        limit: int = 50,
        cursor: str | None = None,
        **filters: str | int | None,
    ) -> Listed:
        """A page of earnings grouped by month, platform_id, model_id, license_id, split_id, tier, metric, source."""
        target = f"/v1/payees/{account or self.account}/earnings"
        return self._page(target, {"by": list(by), **filters}, limit, cursor)

    def statement(self, month: str, format_: str = "pdf", account: str | None = None) -> bytes:
        """The statement of a month (`2026-10`) as json, csv, parquet or pdf."""
        target = f"/v1/payees/{account or self.account}/statements/{_word(month)}.{_word(format_)}"
        answer = self._http.send("GET", target)
        if not answer.is_success:
            raise BACKEND.problem_of(answer)
        return answer.content

    # ---- how it asks

    def _signing(self) -> Signer:
        if self._signer is None:
            raise InputError("this needs a signature: open a keystore", field="signer")
        return self._signer

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that somebody who is signed in is answered. Raises BackendProblem."""
        return self._http.address.json_of(self._send(method, path, **options))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to somebody who is signed in; signs in where that is needed, and again where it ended."""
        session = self._session or self.sign_in()
        answer = self._http.send(method, path, **_with_token(options, session))
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return answer
        return self._http.send(method, path, **_with_token(options, self.sign_in()))

    def _object(self, path: str) -> Mapping[str, Any]:
        answer = self._http.ask("GET", path)
        if not isinstance(answer, dict):
            raise self._http.address.strange("not an object")
        return answer

    def _page(
        self,
        path: str,
        filters: Mapping[str, Any],
        limit: int,
        cursor: str | None,
        *,
        signed_in: bool = False,
    ) -> Listed:
        params = {"limit": limit, "cursor": cursor, **filters}
        parameters = {name: value for name, value in params.items() if value is not None}
        ask = self._ask if signed_in else self._http.ask
        answer = ask("GET", path, params=parameters)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise self._http.address.strange("not a page")
        return Listed(tuple(answer["items"]), answer.get("next"))

    def _read(self, model: type[AnyModel], answer: object) -> AnyModel:
        return self._http.address.parse(model, answer)


def _with_token(settings: Mapping[str, Any], session: SignedIn) -> dict[str, Any]:
    headers = {**settings.get("headers", {}), "Authorization": f"Bearer {session.token}"}
    return {**settings, "headers": headers}


def _word(text: str) -> str:
    """A word of a path as it was given, so that an id is never taken for a path. Raises InputError."""
    if not text or not all(each.isascii() and (each.isalnum() or each == "-") for each in text):
        raise InputError(f"{text!r} is not an id: give letters and digits", field="id")
    return text
