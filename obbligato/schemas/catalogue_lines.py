"""A line of a catalogue: the mint that its cells and the catalogue's defaults ask for, or all of its errors.

The backend prepares mints with it, and the client compares each mint with its own reading of the file before it signs.
Terms and splits are parsed once for each set of cells: most lines of a catalogue share a few.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from obbligato.documents import catalog_cells
from obbligato.documents.catalog_cells import LineErrors
from obbligato.documents.catalog_csv import TERMS_COLUMNS
from obbligato.documents.license import Recording, license_document
from obbligato.documents.terms_input import scope_for
from obbligato.documents.wording import legal_text
from obbligato.errors import InputError
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.acts import MintRequest
from obbligato.schemas.terms import PayeeInput, SplitInput

_MOST_CACHED: Final = 2_000
"""Terms and splits in the cache: a file may have a price of its own on every line."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Owner, preset and payees of lines that name none."""

    owner: str
    preset: str | None = None
    payees: SplitInput = field(default_factory=SplitInput)
    """Without payees, the owner of the line alone."""

    def as_json(self) -> dict[str, Any]:
        """The JSON that a catalogue stores beside its owner."""
        return {"preset": self.preset, "payees": self.payees.model_dump()["payees"]}

    @classmethod
    def from_json(cls, owner: str, data: Mapping[str, Any]) -> Defaults:
        """The defaults of a stored catalogue."""
        return cls(owner, data["preset"], SplitInput(payees=data["payees"] or None))


@dataclass(frozen=True, slots=True)
class LineTerms:
    """Terms with their digest and legal text."""

    terms: Terms
    digest: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class LineSplit:
    """A split with its digest."""

    split: Split
    digest: bytes


@dataclass(frozen=True, slots=True)
class LineMint:
    """The mint of a line without errors."""

    owner: str
    recording: Recording
    image: str | None
    terms: LineTerms
    split: LineSplit
    data: bytes
    """The bytes of the licence document."""

    def request(self) -> MintRequest:
        """The request for the same mint, which names everything."""
        return MintRequest.of(
            self.recording, self.terms.terms, self.split.split, self.image, self.owner
        )


_Cache = dict[Hashable, tuple[Any, list[dict[str, Any]]]]


@dataclass
class LineParser:
    """Parses the lines of one catalogue; `forbidden` accounts cannot be payees."""

    defaults: Defaults
    forbidden: tuple[str, ...] = ()
    _terms: _Cache = field(default_factory=dict)
    _splits: _Cache = field(default_factory=dict)

    def owner_of(self, cells: Mapping[str, str]) -> str | None:
        """The owner of a line, or None where the cell holds no account."""
        return self._owner(cells, LineErrors())

    def parse(self, cells: Mapping[str, str], errors: LineErrors) -> LineMint | None:
        """The mint of a line; None where the line has errors, which are added to those of `errors`."""
        recording = catalog_cells.recording_of(cells, errors)
        owner = self._owner(cells, errors)
        image = scope = None
        if "image" in cells:
            image = errors.read("image", lambda: catalog_cells.parse_image(cells["image"]))
        if "scope" in cells:
            scope = errors.read("scope", lambda: catalog_cells.parse_scope(cells["scope"]))
        terms = self._line_terms(cells, errors)
        split = None if owner is None else self._line_split(cells, owner, errors)
        if errors.items or not (owner and recording and terms and split):
            return None
        recording = recording.model_copy(update={"scope": scope or scope_for(terms.terms)})
        try:
            document = license_document(recording=recording, terms=terms.terms, image=image)
            return LineMint(owner, recording, image, terms, split, document.to_bytes())
        except InputError as error:
            column = (error.field or "title").removeprefix("recording.").split(".")[0]
            errors.add(column, error.reason)
        return None

    def _owner(self, cells: Mapping[str, str], errors: LineErrors) -> str | None:
        if "owner" not in cells:
            return self.defaults.owner
        return errors.read("owner", lambda: catalog_cells.parse_account(cells["owner"]))

    def _line_terms(self, cells: Mapping[str, str], errors: LineErrors) -> LineTerms | None:
        def parse(own: LineErrors) -> LineTerms | None:
            terms = catalog_cells.terms_of(cells, self.defaults.preset, own)
            return None if terms is None else LineTerms(terms, terms.digest(), legal_text(terms))

        key = tuple(cells.get(column) for column in TERMS_COLUMNS)
        terms: LineTerms | None = _cached(self._terms, key, parse, errors)
        return terms

    def _line_split(
        self, cells: Mapping[str, str], owner: str, errors: LineErrors
    ) -> LineSplit | None:
        cell = cells.get("payees")

        def split_of_cell() -> Split:
            payees = self.defaults.payees if cell is None else payees_input(cell)
            return payees.split(owner, forbidden=self.forbidden)

        def parse(own: LineErrors) -> LineSplit | None:
            split = own.read("payees", split_of_cell)
            return None if split is None else LineSplit(split, split.digest())

        split: LineSplit | None = _cached(self._splits, (cell, owner), parse, errors)
        return split


def payees_input(cell: str) -> SplitInput:
    """The payees of a cell. Raises InputError naming the payee, ValidationError."""
    payees = []
    for number, payee in enumerate(catalog_cells.parse_payees(cell), start=1):
        try:
            payees.append(PayeeInput.model_validate(payee))
        except ValidationError as error:
            raise InputError(f"payee {number}: {catalog_cells.reason_of(error)}") from None
    return SplitInput(payees=payees)


def _cached(
    cache: _Cache, key: Hashable, parse: Callable[[LineErrors], Any], errors: LineErrors
) -> Any:
    """The value of these cells, parsed once; its errors are added to those of the line."""
    if key not in cache:
        own = LineErrors()
        if len(cache) >= _MOST_CACHED:
            cache.clear()
        cache[key] = parse(own), own.items
    value, items = cache[key]
    errors.items.extend(items)
    return value
