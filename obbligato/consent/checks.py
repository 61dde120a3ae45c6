"""Asking for consent for many recordings at once: a file of questions, and an answer with its reason for each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obbligato.consent import LicenseBook
from obbligato.documents.file_inputs import named, read_bytes
from obbligato.documents.identifiers import compact_isrc
from obbligato.errors import InputError, NotFound
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.times import moment_text

MAX_FILE_BYTES = 256 * 1_048_576

HasGrant = Callable[[int, Tier], bool]
"""Whether the platform that asks holds a grant of this licence for this tier."""


@dataclass(frozen=True, slots=True)
class Question:
    """May this recording be used for this tier? `line` is where it stands in its file, from 1."""

    line: int
    tier: Tier
    license_id: int | None = None
    isrc: str | None = None


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """Yes or no, and why; `license_id` is the licence that was found."""

    question: Question
    allowed: bool
    reason: str
    license_id: int | None = None


def read_questions(path: Path, tier: Tier | None) -> list[Question]:
    """The questions of a `.csv` or `.jsonl` file with `license_id` or `isrc` in each line.

    `tier` is for lines that name none; other columns are left alone. Raises InputError naming the
    line and field of the first that is no question.
    """
    questions = []
    for line, values in _records(path):
        try:
            questions.append(_question(line, values, tier))
        except InputError as error:
            raise _at(path, line, error) from error
    if not questions:
        raise InputError(f"{path} asks for nothing: give lines with license_id or isrc")
    return questions


class ConsentChecker:
    """Answers questions about one moment, from a book that has followed the chain."""

    def __init__(self, book: LicenseBook, at: int, has_grant: HasGrant | None = None) -> None:
        self._book = book
        self._at = at
        self._has_grant = has_grant

    def answer(self, question: Question) -> ConsentAnswer:
        """Absence is not consent: whatever is not a plain yes is a no, with its reason."""
        license_id = question.license_id
        if license_id is None:
            try:
                license_ids = self._book.licenses_of(str(question.isrc), self._at, self._at + 1)
            except NotFound as error:
                return ConsentAnswer(question, False, str(error))
            if len(license_ids) > 1:
                listed = ", ".join(str(each) for each in license_ids)
                return ConsentAnswer(
                    question, False, f"licences {listed} claim it: ask by license_id"
                )
            if not license_ids:
                return ConsentAnswer(question, False, "no licence")
            license_id = license_ids[0]
        allowed, reason = self._of_licence(license_id, question.tier)
        return ConsentAnswer(question, allowed, reason, license_id)

    def _of_licence(self, license_id: int, tier: Tier) -> tuple[bool, str]:
        try:
            history = self._book.history(license_id)
        except NotFound:
            return False, "no licence"
        version = history.version_at(self._at)
        if version is None or not version.terms.offers(tier):
            return False, why_not(history, tier, self._at)
        if version.terms.has(Flag.GRANT_REQUIRED):
            if self._has_grant is not None and self._has_grant(license_id, tier):
                return True, f"by terms {version.terms_id} and a grant"
            return False, "asks for a grant: buy one first"
        return True, f"by terms {version.terms_id}"


def why_not(history: LicenseHistory, tier: Tier, at: int) -> str:
    """Why a licence does not consent to a tier at a moment: since when, if it ever did."""
    ends = [version.start for version in history.versions[1:]]
    ended = [
        until
        for version, until in zip(history.versions, [*ends, history.ends_at], strict=True)
        if version.terms.offers(tier) and until is not None and version.start < until <= at
    ]
    if ended:
        return f"no consent since {moment_text(max(ended))}"
    later = history.first_moment(tier, at, 2**40 - 1)
    return "no consent" if later is None else f"no consent before {moment_text(later)}"


def _question(line: int, values: Mapping[str, Any], tier: Tier | None) -> Question:
    license_id, isrc = _cell(values, "license_id"), _cell(values, "isrc")
    if (license_id is None) == (isrc is None):
        raise InputError("give license_id or isrc, one of them")
    own = _cell(values, "tier")
    if own is None and tier is None:
        raise InputError("is missing: give a column tier, or --tier", field="tier")
    try:
        tier_of_line = tier if own is None else named(Tier, own)
    except InputError as error:
        raise InputError(error.reason, field="tier") from error
    assert tier_of_line is not None
    if isrc is not None:
        return Question(line, tier_of_line, isrc=_isrc(isrc))
    return Question(line, tier_of_line, license_id=_license_id(license_id))


def _cell(values: Mapping[str, Any], name: str) -> object | None:
    value = values.get(name)
    return None if isinstance(value, str) and not value.strip() else value


def _isrc(value: object) -> str:
    try:
        return compact_isrc(value)
    except InputError as error:
        raise InputError(error.reason, field="isrc") from error


def _license_id(value: object) -> int:
    digits = isinstance(value, str) and value.strip().isascii() and value.strip().isdigit()
    number = int(value) if digits and isinstance(value, str) and len(value) < 20 else value
    if type(number) is not int or not 1 <= number < 2**32:
        raise InputError(f"{value!r} is not the number of a licence", field="license_id")
    return number


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Lines (from 1, as editors count) with their values by name."""
    try:
        text = read_bytes(path, most=MAX_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8") from error
    if path.suffix.lower() == ".csv":
        return _csv(path, text)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _jsonl(path, text)
    raise InputError(f"{path}: give a .csv or .jsonl file")


def _csv(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header) or not {"license_id", "isrc"} & set(header):
            raise InputError(f"{path}: give a column license_id or isrc, and each column once")
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                wrong = InputError(f"{len(values)} values for {len(header)} columns")
                raise _at(path, reader.line_num, wrong)
            yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, each in enumerate(text.split("\n"), start=1):
        if not each.strip():
            continue
        try:
            values = json.loads(each)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise _at(path, line, InputError("is not a JSON object"))
        yield line, values


def _at(path: Path, line: int, error: InputError) -> InputError:
    return InputError(f"{path}, line {line}: {error}")
