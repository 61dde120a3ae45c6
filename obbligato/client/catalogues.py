"""Bulk import of a catalogue: the calls of the backend, and the client's own reading of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx

from obbligato.client.transport import BACKEND, IDEMPOTENCY_KEY
from obbligato.documents.catalog_cells import LineErrors
from obbligato.documents.catalog_csv import read_corrections, read_file
from obbligato.protocol.splits import Split
from obbligato.schemas.acts import payees_of
from obbligato.schemas.backend import ActResponse
from obbligato.schemas.catalogue_lines import Defaults, LineMint, LineParser
from obbligato.schemas.terms import SplitInput

CSV: Final = "text/csv; charset=utf-8"
MOST_ACTS: Final = 100
PAGE: Final = 200

Ask = Callable[..., Any]
Send = Callable[..., httpx.Response]


class Catalogues:
    """The catalogues of an account, each made from one CSV file. Answers are as JSON has them."""

    def __init__(self, ask: Ask, send: Send) -> None:
        self._ask = ask
        self._send = send

    def upload(
        self,
        data: bytes,
        *,
        preset: str | None = None,
        payees: Split | None = None,
        owner: str | None = None,
    ) -> Mapping[str, Any]:
        """A catalogue of a file; the same file with the same defaults is the same catalogue.

        `preset`, `payees` and `owner` count for lines that name none.
        """
        params: dict[str, str] = {}
        if preset is not None:
            params["preset"] = preset
        if payees is not None:
            params["payees"] = json.dumps(payees_of(payees), separators=(",", ":"))
        if owner is not None:
            params["owner"] = owner
        again = hashlib.sha256(json.dumps(params, sort_keys=True).encode() + b"\0" + data)
        headers = {"Content-Type": CSV, IDEMPOTENCY_KEY: again.hexdigest()}
        answer: Mapping[str, Any] = self._ask(
            "POST", "/v1/catalogues", params=params, content=data, headers=headers
        )
        return answer

    def status(self, catalogue_id: str) -> Mapping[str, Any]:
        """A catalogue: how many of its lines are in which state."""
        answer: Mapping[str, Any] = self._ask("GET", f"/v1/catalogues/{catalogue_id}")
        return answer

    def lines(self, catalogue_id: str, *, state: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Its lines, in order, page by page."""
        cursor = None
        while True:
            given = {"state": state, "cursor": cursor, "limit": PAGE}
            params = {name: value for name, value in given.items() if value is not None}
            page = self._ask("GET", f"/v1/catalogues/{catalogue_id}/lines", params=params)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def errors(self, catalogue_id: str) -> bytes:
        """What is wrong, as a CSV to correct: line, field, reason, and the cells."""
        answer = self._send("GET", f"/v1/catalogues/{catalogue_id}/errors.csv")
        if not answer.is_success:
            raise BACKEND.problem_of(answer)
        return answer.content

    def correct(self, catalogue_id: str, data: bytes) -> Mapping[str, Any]:
        """Give refused lines anew: the columns of the file and `line`."""
        answer: Mapping[str, Any] = self._ask(
            "PUT",
            f"/v1/catalogues/{catalogue_id}/lines",
            content=data,
            headers={"Content-Type": CSV},
        )
        return answer

    def acts(
        self, catalogue_id: str, *, most: int = MOST_ACTS, again: bool = False
    ) -> tuple[ActResponse, ...]:
        """Mints of prepared lines, to be signed one by one and each checked against `mints_of_file`.

        `again`: of lines that were handed out before and are not minted; those that are signed come as they are.
        """
        body = {"most": most, "again": again}
        answer = self._ask("POST", f"/v1/catalogues/{catalogue_id}/acts", json=body)
        return tuple(ActResponse.model_validate(each) for each in answer["acts"])

    def withdraw(self, catalogue_id: str) -> None:
        """Withdraw a catalogue. What is minted stays."""
        self._ask("DELETE", f"/v1/catalogues/{catalogue_id}")


def mints_of_file(
    data: bytes,
    *,
    account: str,
    preset: str | None = None,
    payees: Split | None = None,
    corrections: bytes | None = None,
) -> dict[bytes, LineMint]:
    """By content hash, the mints that the lines of a file ask for; lines with errors are left out.

    `corrections` is a corrected file of errors: its lines replace those of the same number. The backend lists the
    errors of lines. Raises InputError where a file as a whole cannot be read.
    """
    cells_by_line = {each.line: each.cells for each in read_file(data) if each.problem is None}
    for correction in () if corrections is None else read_corrections(corrections):
        if correction.line is not None and correction.problem is None:
            cells_by_line[correction.line] = correction.cells
    split = (
        SplitInput() if payees is None else SplitInput.model_validate({"payees": payees_of(payees)})
    )
    parser = LineParser(Defaults(account, preset, split))
    mints: dict[bytes, LineMint] = {}
    for cells in cells_by_line.values():
        mint = parser.parse(cells, LineErrors())
        if mint is not None:
            mints.setdefault(mint.recording.content_hash, mint)
    return mints
