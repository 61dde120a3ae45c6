"""Judging one line: all that is wrong with it, or the licence document and what is minted with it.

Terms and splits are made once for each way of writing them: most lines of a catalogue share a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from backend.db.service_db import LineState
from backend.imports import parsing as reading
from backend.imports.parsing import (
    PRICE_COLUMNS,
    PRICES,
    TERMS_COLUMNS,
    Errors,
    content_of,
    isrc_of,
    reason_of,
)
from obbligato.documents.canonical import sha256
from obbligato.documents.license import Recording, license_document
from obbligato.documents.presets import Preset, preset_named
from obbligato.documents.wording import legal_text
from obbligato.errors import InputError
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    MAX_TERM_DAYS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    Tier,
)
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.terms import PayeeInput, PricesInput, SplitInput, TermsInput

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A line as far as it can collide with another."""

    line: int
    state: str
    cells: Mapping[str, str]


class Holders:
    """By recording, the line that has it: one that is prepared already, else the first in the file."""

    def __init__(self, lines: Iterable[Written], judge: Judge) -> None:
        self._judge = judge
        self._holders: dict[Key, int] = {}
        for each in sorted(lines, key=lambda each: (not _is_done(each.state), each.line)):
            for _, key in self._keys(each.cells):
                self._holders.setdefault(key, each.line)

    def refuse(self, line: int, cells: Mapping[str, str], errors: Errors) -> None:
        """Adds an error for everything that another line has."""
        for column, key in self._keys(cells):
            holder = self._holders.get(key, line)
            if holder != line:
                errors.add(column, _REASONS[column].format(line=holder), other_line=holder)

    def _keys(self, cells: Mapping[str, str]) -> list[tuple[str, Key]]:
        found: list[tuple[str, Key]] = []
        content, owner = content_of(cells), self._judge.owner_of(cells)
        if content is not None and owner is not None:
            found.append(("content_hash", ("content", content.hex(), owner)))
        isrc = isrc_of(cells)
        if isrc is not None:
            found.append(("isrc", ("isrc", isrc)))
        return found


def _is_done(state: str) -> bool:
    return state in (LineState.PREPARED, LineState.OFFERED, LineState.MINTED)


_REASONS = {
    "content_hash": "line {line} has the same recording for the same owner: keep one of the two",
    "isrc": "line {line} has the same ISRC: one of the two is mistyped, or there twice",
}

_MOST_KEPT: Final = 2_000
"""Terms and splits that are remembered: a file may have a price of its own on every line."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What counts where a line names nothing of its own."""

    owner: str
    preset: str | None = None
    payees: tuple[PayeeInput, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As a catalogue keeps them, beside its owner."""
        payees = None if self.payees is None else [each.model_dump() for each in self.payees]
        return {"preset": self.preset, "payees": payees}

    @classmethod
    def from_json(cls, owner: str, data: Mapping[str, Any]) -> Defaults:
        """The defaults that were kept."""
        payees = data["payees"]
        made = payees and tuple(PayeeInput.model_validate(each) for each in payees)
        return cls(owner, data["preset"], made or None)

    def split(self, owner: str, forbidden: tuple[str, ...]) -> Split:
        """Who is paid where a line does not say: the owner alone without a default. Raises InputError."""
        given = SplitInput(payees=None if self.payees is None else list(self.payees))
        return given.split(owner, forbidden=forbidden)


@dataclass(frozen=True, slots=True)
class Offer:
    """Terms with their legal text, and what a preset covers."""

    terms: Terms
    digest: bytes
    text: bytes
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pays:
    """A split with its digest."""

    split: Split
    digest: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """What a line is: errors, or else everything that it takes to mint it."""

    errors: list[dict[str, Any]]
    owner: str | None = None
    content: bytes | None = None
    offer: Offer | None = None
    pays: Pays | None = None
    data: bytes = b""
    """The bytes of the licence document."""
    document: bytes | None = None
    """Their digest."""


Wrong = list[dict[str, Any]]


@dataclass
class Judge:
    """Judges the lines of one catalogue."""

    defaults: Defaults
    forbidden: tuple[str, ...]
    _offers: dict[tuple[str | None, ...], tuple[Offer | None, Wrong]] = field(default_factory=dict)
    _splits: dict[tuple[str | None, str], tuple[Pays | None, Wrong]] = field(default_factory=dict)

    def owner_of(self, cells: Mapping[str, str]) -> str | None:
        """Whose licence a line asks for, where that can be read."""
        return self._owner(cells, Errors())

    def judge(self, cells: Mapping[str, str], errors: Errors) -> Judged:
        """The line; `errors` are those that are known of it already."""
        recording = reading.recording(cells, errors)
        owner = self._owner(cells, errors)
        image = self._image(cells, errors)
        scope = errors.read("scope", lambda: reading.scope(cells["scope"])) if "scope" in cells else None  # fmt: skip
        offer = self._offer(cells, errors)
        pays = None if owner is None else self._pays(cells, owner, errors)
        if errors.found or recording is None or offer is None or pays is None or owner is None:
            return Judged(errors.found, owner, reading.content_of(cells))
        covering = recording.model_copy(update={"scope": scope or _scope(offer)})
        data = self._document(covering, offer.terms, image, errors)
        if data is None:
            return Judged(errors.found, owner, recording.content_hash)
        return Judged([], owner, recording.content_hash, offer, pays, data, sha256(data))

    def _owner(self, cells: Mapping[str, str], errors: Errors) -> str | None:
        if "owner" not in cells:
            return self.defaults.owner
        return errors.read("owner", lambda: reading.account(cells["owner"]))

    def _image(self, cells: Mapping[str, str], errors: Errors) -> str | None:
        if "image" not in cells:
            return None
        return errors.read("image", lambda: reading.image(cells["image"]))

    def _offer(self, cells: Mapping[str, str], errors: Errors) -> Offer | None:
        key = tuple(cells.get(column) for column in TERMS_COLUMNS)
        if key not in self._offers:
            own = Errors()
            if len(self._offers) >= _MOST_KEPT:
                self._offers.clear()
            self._offers[key] = _offer(cells, self.defaults.preset, own), own.found
        offer, found = self._offers[key]
        errors.found.extend(found)
        return offer

    def _pays(self, cells: Mapping[str, str], owner: str, errors: Errors) -> Pays | None:
        key = cells.get("payees"), owner
        if key not in self._splits:
            own = Errors()
            if len(self._splits) >= _MOST_KEPT:
                self._splits.clear()
            self._splits[key] = own.read("payees", lambda: self._split(key[0], owner)), own.found
        pays, found = self._splits[key]
        errors.found.extend(found)
        return pays

    def _split(self, cell: str | None, owner: str) -> Pays:
        split = (
            self.defaults.split(owner, self.forbidden)
            if cell is None
            else reading.payees(cell).split(None, forbidden=self.forbidden)
        )
        return Pays(split, split.digest())

    def _document(
        self, recording: Recording, terms: Terms, image: str | None, errors: Errors
    ) -> bytes | None:
        try:
            return license_document(recording=recording, terms=terms, image=image).to_bytes()
        except InputError as error:
            field_name = (error.field or "title").removeprefix("recording.").split(".")[0]
            errors.add(field_name, error.reason)
        return None


def _scope(offer: Offer) -> tuple[str, ...]:
    """What the terms need, where a line names no scope."""
    needed = [name for tier, name in _PARTS.items() if offer.terms.offers(tier)]
    return tuple(dict.fromkeys((*offer.scope, *needed)))


def _offer(cells: Mapping[str, str], preset_default: str | None, errors: Errors) -> Offer | None:
    preset = _preset(cells, preset_default, errors)
    given: dict[str, Any] = {"tiers": _tiers(cells, errors)}
    if "term_days" in cells:
        given["term_days"] = errors.read(
            "term_days",
            lambda: reading.whole(cells["term_days"], least=MIN_TERM_DAYS, most=MAX_TERM_DAYS),
        )
    if "influence_cap_bps" in cells:
        given["influence_cap_bps"] = errors.read(
            "influence_cap_bps",
            lambda: reading.whole(cells["influence_cap_bps"], least=0, most=MAX_INFLUENCE_CAP_BPS),
        )
    if "flags" in cells:
        given["flags"] = errors.read("flags", lambda: reading.flags(cells["flags"]))
    if not errors.found and preset is None and not given["tiers"]:
        errors.add("preset", "says nothing about what is allowed: name a preset, or give prices")
    if errors.found:
        return None
    try:
        terms = TermsInput(preset=preset.name if preset else None, **given).terms()
    except InputError as error:
        errors.add(error.field if error.field in TERMS_COLUMNS else "flags", error.reason)
        return None
    except ValidationError as error:
        errors.add("flags", reason_of(error))
        return None
    scope = preset.scope if preset else ("recording",)
    return Offer(terms, terms.digest(), legal_text(terms), scope)


def _preset(cells: Mapping[str, str], default: str | None, errors: Errors) -> Preset | None:
    name = cells["preset"].strip().lower() if "preset" in cells else default
    return None if name is None else errors.read("preset", lambda: preset_named(name[:40]))


def _tiers(cells: Mapping[str, str], errors: Errors) -> dict[str, PricesInput]:
    """The tiers that have a price on this line, each with all its prices."""
    tiers: dict[str, dict[str, int | None]] = {}
    for column in PRICE_COLUMNS:
        if column not in cells:
            continue
        tier, _, price = column.partition(".")
        units = _price(column, cells[column], errors)
        if price != _FEE or units is not None:
            tiers.setdefault(tier, {})[price] = units
    return {tier: PricesInput(**prices) for tier, prices in tiers.items()}


def _price(column: str, cell: str, errors: Errors) -> int | None:
    if cell.strip().lower() == reading.NOT_OFFERED and not column.endswith(_FEE):
        return None
    return errors.read(column, lambda: reading.whole(cell, least=0, most=NOT_OFFERED - 1))


_FEE: Final = PRICES[3]
_PARTS: Final = {Tier.STEMS: "stems", Tier.VOICE: "voice"}
