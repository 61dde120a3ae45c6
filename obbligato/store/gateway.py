"""Reading blocks from any IPFS HTTP gateway, trusting none.

Source of the protocol: https://specs.ipfs.tech/http-gateways/trustless-gateway/. A gateway may
answer anything, an HTML page with status 200 included: the digest decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import httpx

from obbligato.documents.cid import check_block, digest_from_cid
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store.port import MAX_BLOCK_BYTES, BlockState, BlockStatus, StoreError

RAW_BLOCK: Final = "application/vnd.ipld.raw"
_ABSENT = {404, 410}
_log = logging.getLogger(__name__)


class GatewayStore:
    """A read-only store over one or more gateways, asked in the order given.

    `timeout_seconds` bounds the whole answer of one gateway, body included.
    """

    def __init__(
        self,
        gateways: Sequence[str],
        *,
        timeout_seconds: float = 10.0,
    ) -> None:
        """`gateways` are base URLs such as `https://example.org`. Raises InputError for others."""
        if not gateways:
            raise InputError("name at least one gateway", field="gateways")
        for position, gateway in enumerate(gateways):
            if not _is_base_url(gateway):
                raise InputError(
                    f"{gateway!r} is not a gateway: give a base URL such as https://example.org",
                    field="gateways",
                    row=position,
                )
        self._gateways = [gateway.rstrip("/") for gateway in gateways]
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(
            timeout=timeout_seconds,
            follow_redirects=True,  # gateways redirect to a host per CID; the digest still decides
            max_redirects=3,
            headers={"Accept": RAW_BLOCK, "Accept-Encoding": "identity"},
        )

    def put(self, data: bytes) -> str:
        """Always StoreError: gateways only serve."""
        raise StoreError("a gateway only serves blocks: put this into an embedded or a Kubo store")

    def get(self, cid: str) -> bytes:
        """The verified bytes of a block from the first gateway that has them.

        With none: DigestMismatch if one served other bytes, NotFound if every one says it has none,
        and otherwise StoreError with each gateway's reason.
        """
        digest_from_cid(cid)
        failures: list[Exception] = []
        for gateway in self._gateways:
            try:
                return check_block(cid, self._fetch(gateway, cid))
            except (DigestMismatch, NotFound, StoreError) as error:
                failures.append(error)
                if isinstance(error, DigestMismatch):
                    _log.warning("gateway %s served other bytes: %s", gateway, error)
        for failure in failures:
            if isinstance(failure, DigestMismatch):
                raise failure
        if all(isinstance(failure, NotFound) for failure in failures):
            raise NotFound(f"no gateway has block {cid}: {_joined(failures)}")
        raise StoreError(f"no gateway served block {cid}: {_joined(failures)}")

    def pin(self, cid: str) -> None:
        """Always StoreError: gateways only serve."""
        raise StoreError(f"a gateway cannot be told to keep {cid}: pin it in a store of your own")

    def status(self, cid: str) -> BlockStatus:
        """STORED or ABSENT; asks for the bytes themselves, since a mere answer proves nothing."""
        try:
            data = self.get(cid)
        except NotFound:
            return BlockStatus(cid, BlockState.ABSENT, None)
        return BlockStatus(cid, BlockState.STORED, len(data))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fetch(self, gateway: str, cid: str) -> bytes:
        deadline = time.monotonic() + self._timeout_seconds
        try:
            with self._client.stream("GET", f"{gateway}/ipfs/{cid}?format=raw") as response:
                if response.status_code in _ABSENT:
                    raise NotFound(f"{gateway} answered {response.status_code}")
                if response.status_code != httpx.codes.OK:
                    raise StoreError(f"{gateway} answered {response.status_code}")
                return _body(response, gateway, deadline)
        except httpx.HTTPError as error:
            raise StoreError(f"{gateway}: {type(error).__name__}: {error}") from error


def _is_base_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and not (url.query or url.fragment)


def _body(response: httpx.Response, gateway: str, deadline: float) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_BLOCK_BYTES:
            raise StoreError(f"{gateway} sent more than the {MAX_BLOCK_BYTES} bytes of a block")
        if time.monotonic() > deadline:
            raise StoreError(f"{gateway} took too long")
    return bytes(body)


def _joined(failures: Sequence[Exception]) -> str:
    return "; ".join(str(failure) for failure in failures)
