"""How many attesters are enough, and their signatures in the form the chain reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from obbligato.errors import InputError
from obbligato.protocol.types import checked_address, whole_number

SIGNATURE_BYTES: Final = 65
CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2, section 2.4.1)."""
LARGEST_S: Final = CURVE_ORDER // 2


def quorum(attesters: int) -> int:
    """Signatures that a set of `attesters` needs: with `f = floor((n - 1) / 3)` faulty ones
    tolerated, `floor((n + f) / 2) + 1`. Raises InputError for an empty set.
    """
    whole_number(attesters, field="attesters", least=1, most=2**32 - 1)
    faulty = (attesters - 1) // 3
    return (attesters + faulty) // 2 + 1


def check_signature(signature: object) -> None:
    """Raises InputError unless it is `r 32 | s 32 | v 1`, v 27 or 28, s in the lower half."""
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise InputError("a signature is 65 bytes: r 32, s 32, v 1", field="signature")
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    if not 0 < r < CURVE_ORDER or s == 0:
        raise InputError("r or s is out of range: sign again", field="signature")
    if s > LARGEST_S:
        raise InputError(
            "s is in the upper half: replace it by the curve order less s, and swap v",
            field="signature",
        )
    if signature[64] not in (27, 28):
        raise InputError(f"v is {signature[64]}: it must be 27 or 28", field="signature")


def recover_signer(digest: bytes, signature: bytes) -> str:
    """The address whose key signed the 32-byte `digest`. Raises InputError as `check_signature`."""
    check_signature(signature)
    try:
        parsed = Signature(signature[:64] + bytes([signature[64] - 27]))
        return parsed.recover_public_key_from_msg_hash(digest).to_checksum_address()
    except (BadSignature, ValidationError) as error:
        raise InputError("no key made this signature: sign again", field="signature") from error


def pack_signatures(signatures: Iterable[tuple[str, bytes]]) -> bytes:
    """(signer, signature) pairs in any order, as the chain wants them: sorted by signer, joined.

    Raises InputError for a signer given twice or a signature the chain would refuse.
    """
    by_signer: dict[int, bytes] = {}
    for row, (signer, signature) in enumerate(signatures):
        try:
            number = int(checked_address(signer), 16)
            check_signature(signature)
        except InputError as error:
            raise InputError(error.reason, field=error.field, row=row) from error
        if number in by_signer:
            raise InputError(f"{signer} signed twice: keep one", field="signatures", row=row)
        by_signer[number] = signature
    return b"".join(by_signer[number] for number in sorted(by_signer))


def unpack_signatures(packed: bytes) -> list[bytes]:
    """The signatures of packed bytes, each checked. Raises InputError naming the first bad one."""
    if len(packed) % SIGNATURE_BYTES:
        raise InputError(
            f"{len(packed)} bytes are not a whole number of signatures of 65 bytes: "
            "check that nothing was cut off",
            field="signatures",
        )
    unpacked = []
    for row, start in enumerate(range(0, len(packed), SIGNATURE_BYTES)):
        signature = packed[start : start + SIGNATURE_BYTES]
        try:
            check_signature(signature)
        except InputError as error:
            raise InputError(error.reason, field="signatures", row=row) from error
        unpacked.append(signature)
    return unpacked


def recover_signers(digest: bytes, packed: bytes) -> list[str]:
    """Who signed `digest`, ascending. Raises InputError naming a bad or misplaced signature."""
    signers: list[str] = []
    before = 0
    for row, signature in enumerate(unpack_signatures(packed)):
        signer = recover_signer(digest, signature)
        if int(signer, 16) <= before:
            raise InputError(
                f"{signer} does not come after the signer before it: "
                "pack signatures by ascending signer, one each",
                field="signatures",
                row=row,
            )
        before = int(signer, 16)
        signers.append(signer)
    return signers
