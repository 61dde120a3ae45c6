"""Where webhooks may be sent: to public addresses over HTTPS, and to the very address that was checked."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from obbligato.errors import InputError

PORTS: Final = {"https": 443, "http": 80}


class Target(NamedTuple):
    """The host of a URL with the address that it has right now."""

    host: str
    address: str


def check_url(url: str, *, private: bool) -> None:
    """Raises InputError where a URL may not be a webhook's."""
    _parts(url, private=private)


def resolve(url: str, *, private: bool) -> Target:
    """Look the host up. Every address of it must be public, unless `private` ones are allowed.

    The sender connects to `address` itself: a second look-up may give an inner one. Raises InputError.
    """
    host, port = _parts(url, private=private)
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise InputError(f"{host} has no address", field="url") from None
    addresses = [str(result[4][0]) for result in results]
    if not private:
        for address in addresses:
            _check_public(address)
    return Target(host, addresses[0])


def _parts(url: str, *, private: bool) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("is not a URL: give https://host/path", field="url") from None
    if parts.scheme not in PORTS or not host:
        raise InputError("is not a URL: give https://host/path", field="url")
    try:
        host.encode("idna")
        httpx.URL(url)
    except (UnicodeError, httpx.InvalidURL):
        raise InputError(f"{host[:60]!r} is no host name", field="url") from None
    if parts.username or parts.password:
        raise InputError("holds a user name: leave it out, deliveries are signed", field="url")
    if parts.fragment:
        raise InputError("has a fragment, which is never sent: leave it out", field="url")
    if not private:
        if parts.scheme != "https":
            raise InputError("is not https: deliveries go over TLS only", field="url")
        try:
            address: str | None = str(ipaddress.ip_address(host))
        except ValueError:
            address = None
        if address is not None:
            _check_public(address)
    return host, port or PORTS[parts.scheme]


def _check_public(address: str) -> None:
    ip = ipaddress.ip_address(address.split("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if not ip.is_global or ip.is_multicast:
        raise InputError(f"leads to {address}, which is not a public address", field="url")
