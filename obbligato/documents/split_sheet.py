"""Split sheets as musicians keep them: CSV with `party,role,ipi,isni,wallet,pr_bps,mr_bps,master_bps`.

Shares are in basis points, each column summing to 10 000 or to nothing. Performing (`pr`) and mechanical
(`mr`) shares are of the composition, `master` of the recording. Names, IPI and ISNI numbers are checked, and
stay where they are: neither chain nor documents get them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from obbligato.documents.identifiers import compact_isni
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_PAYEES, PPM, Role
from obbligato.protocol.splits import Payee
from obbligato.protocol.types import checked_address

COLUMNS: Final = ("party", "role", "ipi", "isni", "wallet", "pr_bps", "mr_bps", "master_bps")
SHARES: Final = ("pr_bps", "mr_bps", "master_bps")
WHOLE_BPS: Final = 10_000
_PPM_OF_BPS: Final = PPM // WHOLE_BPS
_ROLES: Final = {role_word(role): role for role in Role}
_IPI = re.compile(r"[0-9]{9,11}")


@dataclass(frozen=True, slots=True)
class Party:
    """One line: a name, what it did, its numbers, its account, its shares by column."""

    line: int
    name: str
    role: Role
    ipi: str | None
    isni: str | None
    wallet: str | None
    shares_bps: dict[str, int]


@dataclass(frozen=True, slots=True)
class SplitSheet:
    """A checked split sheet."""

    parties: tuple[Party, ...]

    def payees(self, column: str = "master_bps") -> list[Payee]:
        """Who is paid by one of the share columns. Raises InputError naming the line.

        Lines of one account are added up; it is then paid for the first of its roles.
        """
        shares: dict[str, tuple[int, Role]] = {}
        for party in self.parties:
            share = party.shares_bps[column] * _PPM_OF_BPS
            if not share:
                continue
            if party.wallet is None:
                raise InputError(
                    f"line {party.line}: {party.name!r} has a share and no account: give its wallet",
                    field="wallet",
                )
            before, role = shares.get(party.wallet, (0, party.role))
            shares[party.wallet] = before + share, role
        if not shares:
            raise InputError("nobody has a share in this column", field=column)
        return [
            Payee(account=account, share=share, role=role)
            for account, (share, role) in shares.items()
        ]


def read_split_sheet(text: str) -> SplitSheet:
    """A split sheet from CSV text. Raises InputError naming line and column."""
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        parties = tuple(_parties(lines))
    except csv.Error as error:
        raise InputError(f"line {lines.line_num}: {error}", field="split_sheet") from None
    if not parties:
        raise InputError("has no lines after its header", field="split_sheet")
    if len(parties) > MAX_PAYEES:
        raise InputError(
            f"has {len(parties)} lines, a split has at most {MAX_PAYEES}", field="split_sheet"
        )
    for column in SHARES:
        total = sum(party.shares_bps[column] for party in parties)
        if total not in (0, WHOLE_BPS):
            raise InputError(f"sums to {total} instead of {WHOLE_BPS} basis points", field=column)
    return SplitSheet(parties)


def compact_ipi(text: str) -> str:
    """An IPI name number as 11 digits. Raises InputError.

    Its last two are a check: 101 less the sum of the first nine, weighted 10 to 2, modulo 101 (CISAC).
    """
    digits = re.sub(r"[\s.\-]", "", text)
    if not _IPI.fullmatch(digits):
        raise InputError(f"{text!r} is not an IPI name number: it has 9 to 11 digits")
    padded = digits.zfill(11)
    total = sum(
        int(digit) * weight for digit, weight in zip(padded, range(10, 1, -1), strict=False)
    )
    if (101 - total % 101) % 101 != int(padded[9:]):
        raise InputError(f"{text!r} is not an IPI name number: one of its digits is mistyped")
    return padded


def _parties(lines: Iterator[list[str]]) -> Iterator[Party]:
    header = [name.strip().lower() for name in next(lines, [])]
    if sorted(header) != sorted(COLUMNS):
        raise InputError(f"line 1: the columns are {','.join(COLUMNS)}", field="split_sheet")
    for line, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InputError(
                f"line {line}: {len(cells)} cells for {len(header)} columns", field="split_sheet"
            )
        yield _party(dict(zip(header, (cell.strip() for cell in cells), strict=True)), line)


def _party(named: dict[str, str], line: int) -> Party:
    column = "party"
    try:
        if not named["party"]:
            raise InputError("is blank: name who it is")
        column = "role"
        role = _ROLES.get(named["role"].lower().replace("_", " "))
        if role is None:
            raise InputError(f"{named['role']!r} is not a role: use one of {', '.join(_ROLES)}")
        column = "ipi"
        ipi = compact_ipi(named["ipi"]) if named["ipi"] else None
        column = "isni"
        isni = compact_isni(named["isni"]) if named["isni"] else None
        column = "wallet"
        wallet = checked_address(named["wallet"]) if named["wallet"] else None
        shares = {}
        for column in SHARES:
            shares[column] = _bps(named[column])
    except InputError as error:
        raise InputError(f"line {line}: {error.reason}", field=column) from None
    return Party(line, named["party"], role, ipi, isni, wallet, shares)


def _bps(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= WHOLE_BPS and len(text) <= 5):
        raise InputError(f"{text[:20]!r} is not a share: give 0 to {WHOLE_BPS} basis points")
    return int(text)
