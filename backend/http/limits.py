"""How often somebody may ask: a sliding window of a minute for each address, account and key.

A window costs two numbers for whoever asked in this minute or the last; nothing is swept, the older minute is
dropped whole. Several processes (`--workers`) count together, in a table of fixed size that all have in memory.
Whose a token is, is learnt from requests that were let in with it, without asking the database: a made-up token
leaves its sender with the allowance of the address. Each process learns that by itself.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from backend.http.callers import COOKIE, SAFE_METHODS, Caller
from backend.settings import BackendSettings
from obbligato.errors import InputError

MINUTE: Final = 60
_MINUTE: Final = MINUTE * 1_000
SIGNED_IN_TIMES: Final = 3
"""How many times as often somebody may read who is known."""
NEVER_LIMITED: Final = frozenset({"/livez", "/readyz", "/metrics"})
WRITING_PATHS: Final = frozenset({"/v1/sessions/nonce"})
"""A GET that keeps something."""
READING_PATHS: Final = frozenset({"/v1/consent-checks"})
"""A POST that only asks."""
MOST_WATCHED: Final = 200_000
"""Of each kind, in one minute: whoever comes after them shares one allowance."""
SLOTS: Final = 1 << 18
"""Of the table that several processes share: names that fall into one slot share an allowance."""
_SLOT_BYTES: Final = 16
_KEY_BYTES: Final = 16
MOST_KNOWN: Final = 20_000
KNOWN_SECONDS: Final = 900

HeaderList = Sequence[tuple[bytes, bytes]]


class Allowance(NamedTuple):
    """What is left in the window."""

    granted: bool
    left: int
    wait: int
    """Seconds until the next request is let in, where this one is not; else until the window moves on."""


class Counts(Protocol):
    """Requests by name, in a minute and in the one before."""

    def read(self, name: str, minute: int) -> tuple[int, int]:
        """How many there are in this minute, and how many there were in the one before."""

    def add(self, name: str, minute: int) -> None:
        """Count one."""


class LocalCounts:
    """The counts of one process."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[str, int]] = {}

    def read(self, name: str, minute: int) -> tuple[int, int]:
        """As `Counts` says."""
        now, watched = self._watched(name, minute)
        return now.get(watched, 0), self._minutes.get(minute - 1, {}).get(watched, 0)

    def add(self, name: str, minute: int) -> None:
        """As `Counts` says."""
        now, watched = self._watched(name, minute)
        now[watched] = now.get(watched, 0) + 1

    def _watched(self, name: str, minute: int) -> tuple[dict[str, int], str]:
        now = self._minutes.get(minute)
        if now is None:
            now = {}
            self._minutes = {minute - 1: self._minutes.get(minute - 1, {}), minute: now}
        return now, name if name in now or len(now) < MOST_WATCHED else "everybody else"


class SharedCounts:
    """The counts of several processes: a table in a file that all have in memory.

    Each name has a slot in the table by its keyed digest, so that nobody can choose whose slot to share. A slot
    holds a minute and its count, for the even and for the odd minute. No lock is taken: where two processes count
    for one name within the same microsecond, one of the two may be lost.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """`kind` is what is counted: counts of several kinds share a file, which `make` has made."""
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        self._key = memory[:_KEY_BYTES]
        self._cells = memoryview(memory)[_KEY_BYTES:].cast("I")
        self._kind = kind.encode()

    @staticmethod
    def make(path: Path) -> None:
        """Write the file, with nothing counted."""
        path.write_bytes(secrets.token_bytes(_KEY_BYTES))
        os.truncate(path, _KEY_BYTES + SLOTS * _SLOT_BYTES)

    def read(self, name: str, minute: int) -> tuple[int, int]:
        """As `Counts` says."""
        slot = self._slot(name)
        return self._count(slot, minute), self._count(slot, minute - 1)

    def add(self, name: str, minute: int) -> None:
        """As `Counts` says."""
        slot = self._slot(name)
        cell = slot + 2 * (minute & 1)
        self._cells[cell + 1] = self._count(slot, minute) + 1
        self._cells[cell] = minute

    def _count(self, slot: int, minute: int) -> int:
        cell = slot + 2 * (minute & 1)
        return self._cells[cell + 1] if self._cells[cell] == minute else 0

    def _slot(self, name: str) -> int:
        digest = hashlib.blake2b(name.encode(), digest_size=4, key=self._key, person=self._kind)
        return int.from_bytes(digest.digest()) % SLOTS * (_SLOT_BYTES // 4)


class Window:
    """Counts by name over the last minute: this minute's, and the part of the one before that is still in it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, counts: Counts | None = None
    ) -> None:
        self._clock = clock
        self._counts = counts or LocalCounts()

    def take(self, most: int, *names: str) -> Allowance:
        """Count one request of all these names, unless one of them has had its `most`."""
        minute, past = divmod(int(self._clock() * 1_000), _MINUTE)
        allowance = min(_allowance(*self._counts.read(name, minute), most, past) for name in names)
        if allowance.granted:
            for name in names:
                self._counts.add(name, minute)
        return allowance


def _allowance(now: int, before: int, most: int, past: int) -> Allowance:
    """`past` milliseconds of this minute are over, and so much of the minute before no longer counts."""
    left = ((most - now) * _MINUTE - before * (_MINUTE - past)) // _MINUTE
    if left >= 1:
        return Allowance(True, left - 1, _seconds(_MINUTE - past))
    if now < most:  # it is the minute before that counts too much
        wait = _MINUTE - past - (most - 1 - now) * _MINUTE // before
    else:
        wait = _MINUTE - past + _MINUTE - (most - 1) * _MINUTE // now
    return Allowance(False, 0, max(1, _seconds(wait)))


class Limits:
    """Who asks, and how often. Used by the event loop's thread alone."""

    def __init__(
        self,
        settings: BackendSettings,
        clock: Callable[[], float] = time.monotonic,
        shared: Path | None = None,
    ) -> None:
        """`shared` is the file of `SharedCounts`, where several processes count together.

        Raises InputError for a trusted proxy that is no address.
        """
        self._settings = settings
        self._clock = clock
        self._reads, self._writes = (
            Window(clock, SharedCounts(shared, kind) if shared else None)
            for kind in ("reads", "writes")
        )
        self._names_by_token: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._proxies = tuple(_network(each) for each in settings.trusted_proxies)

    def take(self, scope: Mapping[str, Any]) -> tuple[Allowance, HeaderList]:
        """Count a request of this scope; what is left, as headers too."""
        address = self.address_of(scope)
        digest = _token_digest(scope["headers"])
        name_of_token = self._bucket(digest) if digest else None
        path, method = scope["path"], scope["method"]
        reads = method in SAFE_METHODS or (method == "POST" and path in READING_PATHS)
        if reads and path not in WRITING_PATHS:
            name, most = "reads", self._settings.reads_per_minute
            if name_of_token:
                most *= SIGNED_IN_TIMES
            allowance = self._reads.take(most, name_of_token or address)
        else:
            name, most = "writes", self._settings.writes_per_minute
            allowance = self._writes.take(
                most, *((address, name_of_token) if name_of_token else (address,))
            )
        headers = [
            (b"ratelimit-policy", f'"{name}";q={most};w={MINUTE}'.encode()),
            (b"ratelimit", f'"{name}";r={allowance.left};t={allowance.wait}'.encode()),
        ]
        if not allowance.granted:
            headers.append((b"retry-after", str(allowance.wait).encode()))
        return allowance, headers

    def learn(self, scope: Mapping[str, Any], status: int) -> None:
        """Remember whose token it was, or forget a token that was refused."""
        caller: Caller | None = scope.get("state", {}).get("caller")
        if caller is None and status != 401:
            return
        digest = _token_digest(scope["headers"])
        if digest is None:
            return
        self._names_by_token.pop(digest, None)
        if caller is not None:
            name = f"key {caller.id}" if caller.kind == "key" else f"account {caller.account}"
            self._names_by_token[digest] = name, self._clock() + KNOWN_SECONDS
            if len(self._names_by_token) > MOST_KNOWN:
                self._names_by_token.popitem(last=False)

    def address_of(self, scope: Mapping[str, Any]) -> str:
        """Where a request comes from: the peer, or whom the trusted proxies saw. IPv6 by its /64."""
        client = scope.get("client")
        peer = str(client[0]) if client else "nobody"
        if not self._proxies or not _within(peer, self._proxies):
            return _allotted(peer)
        seen = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for each in reversed(seen.decode("latin-1").split(",")):
            address = each.strip()
            if not _is_address(address):
                break
            peer = address
            if not _within(address, self._proxies):
                break
        return _allotted(peer)

    def _bucket(self, digest: bytes) -> str | None:
        known = self._names_by_token.get(digest)
        if known is None or known[1] < self._clock():
            return None
        return known[0]


def _seconds(milliseconds: int) -> int:
    return -(-milliseconds // 1_000)


def _token_digest(headers: HeaderList) -> bytes | None:
    """The digest of the token that a request carries; None where it carries none."""
    cookie = None
    for name, value in headers:
        if name == b"authorization":
            return hashlib.sha256(value.partition(b" ")[2].strip()).digest()
        if name == b"cookie":
            cookie = value
    if cookie is None:
        return None
    _, is_there, rest = cookie.partition(_COOKIE_START)
    return hashlib.sha256(rest.partition(b";")[0].strip()).digest() if is_there else None


_COOKIE_START: Final = f"{COOKIE}=".encode()


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise InputError(
            f"{text!r} is no address or network: give 10.0.0.1 or 10.0.0.0/8",
            field="OBBLIGATO_BACKEND_TRUSTED_PROXIES",
        ) from None


@lru_cache(maxsize=4_096)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4_096)
def _within(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return _is_address(text) and any(ip_address(text) in each for each in networks)


@lru_cache(maxsize=4_096)
def _allotted(text: str) -> str:
    """An IPv4 address; of an IPv6 address the network that one household is given."""
    if not _is_address(text):
        return text
    address = ip_address(text)
    if address.version == 4:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((int(address), 64), strict=False))
