"""Blocks in a Kubo node, through its RPC (https://docs.ipfs.tech/reference/kubo/rpc/)."""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from obbligato.documents.cid import check_block, cid_of, digest_from_cid
from obbligato.errors import NotFound
from obbligato.store.port import BlockState, BlockStatus, StoreError, check_size

DEFAULT_ADDRESS: Final = "/ip4/127.0.0.1/tcp/5001/http"
_ABSENT = ("not found", "could not find", "not pinned", "deadline exceeded")


class KuboStore:
    """Any Kubo RPC, by multiaddress. CIDs are those of every other store: one raw block each.

    Blocks go through `block/put` and not `add`: `add` of ipfshttpclient sends raw-leaves=false,
    which gives another CID for the same bytes. `Client(address)` and not `connect`: that one
    refuses every daemon of today by its version.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_seconds: int = 30) -> None:
        """Nothing is asked of the node yet. Raises StoreError for an address that is none."""
        import ipfshttpclient  # here, so that only those who use Kubo pay for importing it

        # ipfshttpclient passes urllib3 an argument that means nothing any more.
        warnings.filterwarnings(
            "ignore", message="The 'strict' parameter", category=FutureWarning, module="urllib3"
        )
        self._address = address
        self._error: type[Exception] = ipfshttpclient.exceptions.Error
        self._refusal: type[Exception] = ipfshttpclient.exceptions.ErrorResponse
        self._unreachable = (
            ipfshttpclient.exceptions.ConnectionError,
            ipfshttpclient.exceptions.TimeoutError,
        )
        self._timeout_seconds = timeout_seconds
        try:
            # The node gives up first, so that its own reason is heard.
            self._client: Any = ipfshttpclient.Client(address, timeout=timeout_seconds + 5)
        except (self._error, ValueError) as error:
            raise StoreError(f"{address!r} is not the address of a Kubo RPC: {error}") from error

    def put(self, data: bytes) -> str:
        """Store and pin a block."""
        cid = cid_of(check_size(data))
        options = {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "true"}
        answer = self._ask(self._client.block.put, io.BytesIO(data), **options)
        if answer["Key"] != cid:
            raise StoreError(f"{self._address} stored {answer['Key']} where {cid} was put")
        return cid

    def get(self, cid: str) -> bytes:
        """The verified bytes of a block, fetched from the network if the node has none."""
        digest_from_cid(cid)
        data: bytes = self._ask(self._client.block.get, cid)
        return check_block(cid, data)

    def pin(self, cid: str) -> None:
        """Keep a block, fetching it from the network if the node has none."""
        digest_from_cid(cid)
        self._ask(self._client.pin.add, cid)

    def status(self, cid: str) -> BlockStatus:
        """What the node itself does with a block; the network is not asked."""
        digest_from_cid(cid)
        try:
            size = int(self._ask(self._client.block.stat, cid, offline="true")["Size"])
        except NotFound:
            return BlockStatus(cid, BlockState.ABSENT, None)
        try:
            self._ask(self._client.pin.ls, cid)
        except NotFound:
            return BlockStatus(cid, BlockState.STORED, size)
        return BlockStatus(cid, BlockState.PINNED, size)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, verb: Any, argument: object, **options: str) -> Any:
        options["timeout"] = f"{self._timeout_seconds}s"
        try:
            return verb(argument, opts=options)
        except self._refusal as error:
            reason = str(error)
            if any(sign in reason for sign in _ABSENT):
                raise NotFound(f"{self._address} has no such block: {reason}") from error
            raise StoreError(f"{self._address} refused: {reason}") from error
        except self._unreachable as error:
            reason = "no Kubo answers there: start it, or correct the address of its RPC"
            raise StoreError(f"{self._address} cannot be asked: {reason}") from error
        except self._error as error:
            raise StoreError(f"{self._address} cannot be asked: {error}") from error
