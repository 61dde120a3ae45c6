"""Signing in (EIP-4361): what a text must be before it is signed.

Source of the format: https://eips.ethereum.org/EIPS/eip-4361.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from obbligato.client.backend.problems import ActRefused

_FORM: Final = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?P<domain>[^\s/?#]+)"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<account>0x[0-9a-fA-F]{40})\n"
    r"\n"
    r"(?:(?P<statement>[^\n]+)\n)?"
    r"\n"
    r"URI: (?P<uri>\S+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]+)\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,})\n"
    r"Issued At: (?P<issued_at>\S+)"
    r"(?:\nExpiration Time: (?P<expires>\S+))?"
    r"(?:\nNot Before: (?P<not_before>\S+))?"
    r"(?:\nRequest ID: (?P<request_id>\S*))?"
)
"""The whole text. Resources are refused: a sign-in delegates nothing."""


def check_sign_in(text: str, *, account: str, chain_id: int, url: str) -> None:
    """Make sure that a text signs `account` in to the service at `url` on this chain, and does nothing else.

    Raises ActRefused naming what is wrong.
    """
    matched = _FORM.fullmatch(text)
    if matched is None:
        raise ActRefused("it is no sign-in text of EIP-4361", field="message")
    due = urlsplit(url)
    expected = {
        "domain": due.netloc,
        "account": account,
        "chain_id": str(chain_id),
    }
    for field, value in expected.items():
        if matched[field] != value:
            raise ActRefused(
                f"the sign-in is for {matched[field]}, not for {value}", field=f"message.{field}"
            )
    for field in ("uri", "scheme"):
        told = matched[field]
        wrong = told is not None and (
            urlsplit(told)[:2] != (due.scheme, due.netloc) if field == "uri" else told != due.scheme
        )
        if wrong:
            raise ActRefused(f"the sign-in is for {told}, not for {url}", field=f"message.{field}")
