"""Content identifiers of our documents: CIDv1, codec raw, sha2-256, base32.

`b` + base32 (RFC 4648, lower case, no padding) of `0x01 0x55 0x12 0x20 || sha256(bytes)`: what
`ipfs add --cid-version=1` gives for a file of one block. Sources of the format:
https://github.com/multiformats/cid, https://github.com/multiformats/multicodec (table.csv).
One digest has exactly one such text: every other spelling is refused.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from obbligato.documents.canonical import sha256
from obbligato.errors import DigestMismatch, InputError

PREFIX: Final = bytes((0x01, 0x55, 0x12, 0x20))
"""CID version 1, codec raw, hash sha2-256, 32 bytes of digest follow."""

CID_LENGTH: Final = 59

_BASE32 = re.compile(r"[a-z2-7]+")
_PADDING = "=" * 6  # base64.b32decode wants 58 characters filled up to 64


def cid_from_digest(digest: bytes) -> str:
    """The CID of the block whose sha-256 is `digest` (32 bytes). Raises InputError otherwise."""
    if len(digest) != 32:
        raise InputError(f"a sha-256 digest has 32 bytes, this has {len(digest)}", field="digest")
    return "b" + base64.b32encode(PREFIX + digest).decode("ascii").rstrip("=").lower()


def cid_of(data: bytes) -> str:
    """The CID of a block's bytes."""
    return cid_from_digest(sha256(data))


def digest_from_cid(cid: str) -> bytes:
    """The sha-256 digest inside a CID of our one form; InputError says what is wrong with others.

    Paths, URIs and white space are refused too: what passes is safe as a file name.
    """
    if cid.startswith("Qm"):
        raise _wrong(cid, "this is a CIDv0 of a UnixFS node: add the file with --cid-version=1")
    if not cid.startswith("b"):
        raise _wrong(cid, "it starts with the multibase prefix b (base32, lower case)")
    if not _BASE32.fullmatch(cid[1:]):
        raise _wrong(cid, "only the letters a-z and the digits 2-7 may follow the b")
    if cid.startswith("bafybei"):
        raise _wrong(cid, "this names a UnixFS node (dag-pb): add the file with --raw-leaves=true")
    if len(cid) != CID_LENGTH:
        raise _wrong(cid, f"it has {CID_LENGTH} characters, this has {len(cid)}")
    decoded = base64.b32decode(cid[1:].upper() + _PADDING)
    prefix, digest = decoded[:4], decoded[4:]
    for actual, expected, what in zip(
        prefix, PREFIX, ("version", "codec (raw)", "hash (sha2-256)", "digest length"), strict=True
    ):
        if actual != expected:
            raise _wrong(cid, f"its {what} is 0x{actual:02x} where 0x{expected:02x} is meant")
    if cid_from_digest(digest) != cid:
        raise _wrong(cid, "its last character carries bits that belong to no byte")
    return digest


def check_block(cid: str, data: bytes) -> bytes:
    """`data`, once it is certain that it is the block `cid` names. Raises DigestMismatch."""
    expected, found = digest_from_cid(cid), sha256(data)
    if expected != found:
        raise DigestMismatch(f"block {cid}", expected=expected, found=found)
    return data


def ipfs_uri(cid: str) -> str:
    """`ipfs://<cid>`, as `tokenURI` gives it. Raises InputError for what is not our CID."""
    digest_from_cid(cid)
    return f"ipfs://{cid}"


def _wrong(cid: str, reason: str) -> InputError:
    return InputError(f"{cid[:80]!r} is not a CID of a document: {reason}", field="cid")
