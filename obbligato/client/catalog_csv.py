"""What each line of a catalogue's CSV asks for, so that its mint can be compared with the file before it is signed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from obbligato.client.errors import ActRefused
from obbligato.documents.identifiers import compact_isrc
from obbligato.documents.license import LicenseDocument
from obbligato.documents.terms_input import PRICES, terms_from, terms_json
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import PPM, Role, Tier
from obbligato.protocol.eip712 import Message
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import Mint
from obbligato.protocol.types import checked_address, checked_bytes32
from obbligato.schemas.acts import payees_of

_BAR: Final = re.compile(r"(?<!\\)\|")
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 -- spreadsheets take the wide ones, too
_ROLES: Final = {role_word(role): role for role in Role}


@dataclass(frozen=True, slots=True)
class LineAsked:
    """The mint that one line asks for: whose, of what, under which terms, paid to whom."""

    line: int
    owner: str
    title: str
    artists: tuple[str, ...]
    content: bytes
    isrc: str | None
    terms: Terms
    split: Split

    kind: ClassVar[str] = "mint"
    message: ClassVar[type[Message]] = Mint

    def body(self) -> dict[str, Any]:
        recording = {
            "title": self.title,
            "artists": list(self.artists),
            "isrc": self.isrc,
            "content_hash": "0x" + self.content.hex(),
        }
        return {
            "recording": recording,
            "terms": terms_json(self.terms),
            "payees": payees_of(self.split),
            "owner": self.owner,
        }

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": self.owner,
            "terms": self.terms.digest(),
            "split": self.split.digest(),
            "content": self.content,
        }

    def check(self, document: LicenseDocument) -> None:
        """Make sure that a document, read by its digest, is about this line. Raises ActRefused."""
        recording = document.recording
        facts = {
            "title": (recording.title, self.title),
            "artists": (recording.artists, self.artists),
            "content_hash": (recording.content_hash, self.content),
            "isrc": (recording.isrc, self.isrc),
            "terms": (document.terms.terms(), self.terms),
        }
        for field, (found, due) in facts.items():
            if found != due:
                raise ActRefused(f"the document is not what line {self.line} says", field=field)


def lines_asked(
    data: bytes,
    *,
    account: str,
    preset: str | None = None,
    payees: Split | None = None,
    corrections: bytes | None = None,
) -> dict[bytes, LineAsked]:
    """By content hash, what the lines of a file ask for; lines that say nothing readable are left out.

    `corrections` is a corrected file of errors: its lines replace those of the same number. What is wrong with
    lines is listed by the backend. Raises InputError for what is no CSV in UTF-8.
    """
    lines = dict(_records(data))
    for _, cells in _records(corrections) if corrections is not None else ():
        number = cells.pop("line", "").strip()
        if number.isascii() and number.isdigit():
            lines[int(number)] = {name: _unguarded(cell) for name, cell in cells.items()}
    found: dict[bytes, LineAsked] = {}
    for line, cells in lines.items():
        try:
            asked = _asked(line, cells, account, preset, payees)
        except (InputError, KeyError):
            continue
        found.setdefault(asked.content, asked)
    return found


def _unguarded(cell: str) -> str:
    """The cell without the apostrophe that keeps spreadsheets from running it."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _records(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = data.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        begins = reader.line_num + 1
        for values in reader:
            line, begins = begins, reader.line_num + 1
            if len(values) == len(header):
                yield (
                    line,
                    {
                        name: value
                        for name, value in zip(header, values, strict=True)
                        if value.strip()
                    },
                )
    except UnicodeDecodeError:
        raise InputError("is not UTF-8: save the file as “CSV UTF-8”", field="file") from None
    except csv.Error as error:
        raise InputError(f"is not CSV: {error}", field="file") from None


def _asked(
    line: int,
    cells: Mapping[str, str],
    account: str,
    preset: str | None,
    payees: Split | None,
) -> LineAsked:
    owner = checked_address(cells["owner"].strip()) if "owner" in cells else account
    return LineAsked(
        line=line,
        owner=owner,
        title=cells["title"],
        artists=_listed(cells["artists"]),
        content=_content(cells["content_hash"].strip()),
        isrc=compact_isrc(cells["isrc"].strip()) if "isrc" in cells else None,
        terms=_terms(cells, preset),
        split=_split(cells.get("payees"), owner, payees),
    )


def _terms(cells: Mapping[str, str], preset: str | None) -> Terms:
    tiers: dict[str, dict[str, str | None]] = {}
    for tier in Tier:
        for price in PRICES:
            cell = cells.get(f"{tier.name}.{price}")
            if cell is not None:
                offered = cell.strip().lower() != "not offered"
                tiers.setdefault(tier.name, {})[price] = cell.strip() if offered else None
    given: dict[str, Any] = {
        "preset": cells["preset"].strip().lower() if "preset" in cells else preset,
        "tiers": tiers,
        "term_days": _digits(cells, "term_days"),
        "influence_cap_bps": _digits(cells, "influence_cap_bps"),
    }
    if "flags" in cells:
        named = cells["flags"].strip()
        none = named.lower() == "none"
        given["flags"] = [] if none else [part.strip().upper() for part in named.split("|")]
    return terms_from(given)


def _split(cell: str | None, owner: str, default: Split | None) -> Split:
    if cell is None:
        alone = Payee(account=owner, share=PPM, role=Role.PERFORMER)
        return default or Split.of([alone])
    payees = []
    for part in cell.split("|"):
        account, share, role = (word.strip() for word in (*part.split(":"), "", "", "")[:3])
        payees.append(
            Payee(
                account=checked_address(account),
                share=int(share) if share.isascii() and share.isdigit() else 0,
                role=_ROLES[role.lower().replace("_", " ")],
            )
        )
    return Split.of(payees)


def _listed(cell: str) -> tuple[str, ...]:
    r"""The parts between bars; `\|` is a bar within a part."""
    parts = [part.replace("\\|", "|") for part in _BAR.split(cell)]
    return tuple(parts if len(parts) == 1 else (part.strip() for part in parts))


def _content(text: str) -> bytes:
    return checked_bytes32("0x" + text if _HEX.fullmatch(text) else text.replace("0X", "0x", 1))


def _digits(cells: Mapping[str, str], column: str) -> int | None:
    text = cells.get(column, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
