"""The file of a request: the body itself, or one part of a form, never more bytes than are allowed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from obbligato.documents.catalog_cells import parse_account, reason_of
from obbligato.documents.catalog_csv import FILE, MOST_BYTES
from obbligato.documents.presets import preset_named
from obbligato.errors import InputError
from obbligato.schemas.catalogue_lines import Defaults, payees_input
from obbligato.schemas.terms import SplitInput
from obbligato.server.http import Problem

FIELDS: Final = ("owner", "preset", "payees")
_FORM_BYTES: Final = 65_536
"""The most bytes of a form around its file."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of a CSV, and the fields of the form around it."""

    data: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


async def read_upload(request: Request) -> Upload:
    """The file of a request. Raises Problem 413 and 415, InputError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/csv", "application/csv"):
        return Upload(await _body(request, MOST_BYTES))
    if kind == "multipart/form-data":
        return await _form(request, await _body(request, MOST_BYTES + _FORM_BYTES))
    raise Problem(
        415,
        "Another kind of content",
        "Send the file as text/csv, or as the part `file` of multipart/form-data.",
        field="Content-Type",
    )


def defaults_of(account: str, fields: Mapping[str, str | None]) -> Defaults:
    """The defaults of a catalogue from `owner`, `preset` and `payees`. Raises InputError naming which is wrong."""
    owner, preset, payees = (fields.get(name) or None for name in FIELDS)
    try:
        owner = parse_account(owner) if owner else account
    except InputError as error:
        raise InputError(error.reason, field="owner") from None
    name = preset_named(preset[:40].strip().lower()).name if preset else None
    return Defaults(owner, name, _payees(payees) if payees else SplitInput())


async def _body(request: Request, most: int) -> bytes:
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            _check_size(data, most)
    except ClientDisconnect:
        raise InputError("did not arrive whole: send it again", field=FILE) from None
    return bytes(data)


def _check_size(data: bytes | bytearray, most: int = MOST_BYTES) -> None:
    if len(data) > most:
        raise Problem(
            413,
            "Too large",
            f"The file has more than {MOST_BYTES} bytes: divide it into several catalogues.",
            field=FILE,
        )


async def _form(request: Request, body: bytes) -> Upload:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=1, max_fields=10)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise InputError(f"is no form that can be read: {error}", field=FILE) from None
    try:
        return await _fields(form)
    finally:
        await form.close()


async def _fields(form: FormData) -> Upload:
    data = None
    fields = {}
    for name, value in form.multi_items():
        if name == FILE:
            data = await value.read() if isinstance(value, UploadFile) else value.encode()
        elif name in FIELDS and isinstance(value, str):
            fields[name] = value
        else:
            raise InputError(
                f"is no field of this form: use {FILE}, {', '.join(FIELDS)}", field=name[:60]
            )
    if data is None:
        raise InputError("is missing: give it as a part of the form", field=FILE)
    _check_size(data)
    return Upload(data, fields)


def _payees(text: str) -> SplitInput:
    """A JSON list of payees, or the text of a cell of the column `payees`."""
    try:
        if text.lstrip().startswith("["):
            return SplitInput(payees=json.loads(text))
        return payees_input(text)
    except InputError as error:
        raise InputError(error.reason, field="payees") from None
    except ValidationError as error:
        raise InputError(reason_of(error), field="payees") from None
    except (ValueError, RecursionError):
        raise InputError("is not a list of payees as JSON", field="payees") from None
