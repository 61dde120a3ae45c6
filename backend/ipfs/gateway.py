"""What a trustless gateway gives for a CID: https://specs.ipfs.tech/http-gateways/trustless-gateway/.

Only raw blocks by sha2-256, and only those that this deployment refers to or has: nothing is fetched for strangers
that has nothing to do with it.
"""

from __future__ import annotations

import io
from typing import Final, Literal, NamedTuple

from backend.ipfs.references import is_referred_to
from backend.services import Services
from obbligato.documents.cid import digest_from_cid
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.server.http import Problem
from obbligato.store import BlockState, write_car

RAW: Final = "application/vnd.ipld.raw"
CAR: Final = "application/vnd.ipld.car"
CAR_TYPE: Final = f"{CAR}; version=1; order=dfs; dups=n"
FOREVER: Final = "public, max-age=29030400, immutable"

Format = Literal["raw", "car"]
_FORMATS: Final[dict[str, Format]] = {"raw": "raw", "car": "car"}
_ANY: Final = ("*/*", "application/*")


class GatewayResponse(NamedTuple):
    """A body with its headers, the entity tag among them."""

    body: bytes
    headers: dict[str, str]


def negotiate_format(format_name: str | None, accept: str | None) -> Format:
    """The format that `?format=` names, else the Accept header, else raw.

    Raises Problem 400 for a format and 406 for media types that only a gateway serves which is to be trusted.
    """
    if format_name is not None:
        if format_name not in _FORMATS:
            raise Problem(
                400, "No such format", "Ask for format=raw or format=car.", field="format"
            )
        return _FORMATS[format_name]
    if not accept or not accept.strip():
        return "raw"
    any_will_do = False
    for each in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        if kind == RAW:
            return "raw"
        if kind == CAR:
            _check_version(parameters)
            return "car"
        any_will_do = any_will_do or kind in _ANY
    if any_will_do:
        return "raw"
    raise Problem(406, "Not in this form", f"Accept {RAW} or {CAR}.", field="Accept")


def _check_version(parameters: list[str]) -> None:
    for parameter in parameters:
        if parameter.startswith("version=") and parameter != "version=1":
            raise Problem(400, "No such CAR", "Only version=1 is served.", field="Accept")


def headers_of(cid: str, form: Format) -> dict[str, str]:
    """What every answer says, whatever the block holds: it never changes."""
    ending = "bin" if form == "raw" else "car"
    return {
        "content-type": RAW if form == "raw" else CAR_TYPE,
        "content-disposition": f'attachment; filename="{cid}.{ending}"',
        "etag": f'"{cid}.{form}"',
        "cache-control": FOREVER,
        "vary": "Accept",
        "x-content-type-options": "nosniff",
        "x-ipfs-path": f"/ipfs/{cid}",
        "x-ipfs-roots": cid,
    }


def read_block(
    services: Services, cid: str, form: Format, *, held_only: bool = False
) -> GatewayResponse:
    """A block as raw bytes or as a CAR of itself.

    `held_only` fetches nothing, for whoever sends `Cache-Control: only-if-cached`. Raises Problem 400 for what
    is no CID of ours, 412 with `held_only`, NotFound, DigestMismatch, StoreError.
    """
    try:
        digest_from_cid(cid)
    except InputError as error:
        raise Problem(400, "Not a CID of ours", error.reason, field="cid") from error
    try:
        held = services.store.status(cid).state is not BlockState.ABSENT
    except DigestMismatch:
        # Somebody tampered with it here: another source may have it, if it is one of ours.
        if held_only or not is_referred_to(services, cid):
            raise
        held = True
    if not held and held_only:
        raise Problem(412, "Not held", f"Block {cid} is not here.", field="cid")
    if not held and not is_referred_to(services, cid):
        raise NotFound(f"block {cid} is not here, and nothing of this deployment refers to it")
    data = services.store.get(cid)
    if form == "car":
        car = io.BytesIO()
        write_car([cid], services.store, car)
        data = car.getvalue()
    return GatewayResponse(data, headers_of(cid, form))
