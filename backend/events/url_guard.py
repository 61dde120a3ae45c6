"""Where webhooks may be sent: to public addresses over HTTPS, and to the very address that was looked at."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from obbligato.errors import InputError

PORTS: Final = {"https": 443, "http": 80}


class Target(NamedTuple):
    """A URL with the address that its host has right now."""

    url: str
    host: str
    port: int
    address: str


def check_url(url: str, *, private: bool) -> None:
    """Whether a URL may be a webhook's. Raises InputError naming the field."""
    _parts(url, private=private)


def resolve(url: str, *, private: bool) -> Target:
    """Where a delivery goes. Every address of the host must be public, unless `private` ones are allowed.

    Whoever sends connects to `address` itself: a name that is asked for again may have moved to an inner one.
    Raises InputError.
    """
    host, port = _parts(url, private=private)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise InputError(f"{host} has no address", field="url") from None
    addresses = [str(each[4][0]) for each in found]
    if not private:
        for address in addresses:
            _check_public(address)
    return Target(url, host, port, addresses[0])


def _parts(url: str, *, private: bool) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("is not a URL: give https://host/path", field="url") from None
    if parts.scheme not in PORTS or not host:
        raise InputError("is not a URL: give https://host/path", field="url")
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
    found = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        found = mapped
    if not found.is_global or found.is_multicast:
        raise InputError(f"leads to {address}, which is not a public address", field="url")
