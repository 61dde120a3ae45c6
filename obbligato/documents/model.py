"""What every document has in common: strict fields, one canonical form, a digest and a CID.

Documents are snake_case in JSON as in Python (typed data is camelCase, as Solidity spells it).
A field without a value is left out, never null.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, ConfigDict, Field

from obbligato.documents.canonical import MAX_DOCUMENT_BYTES, canonical_bytes, parse_canonical
from obbligato.documents.canonical import sha256 as sha256_of
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import InputError
from obbligato.protocol.types import Strict

MAX_TEXT: Final = 2_000
"""Code points: 500 characters as a reader counts them, where emoji take up to four."""


class Record(Strict):
    """A part of a document, or one line of a chunk of events."""

    model_config = ConfigDict(alias_generator=None)

    most_bytes: ClassVar[int] = MAX_DOCUMENT_BYTES

    def to_bytes(self) -> bytes:
        """The canonical bytes. Raises InputError if they are more than 262 144."""
        value = self.model_dump(mode="json", exclude_none=True)
        return canonical_bytes(value, most=self.most_bytes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The record that exactly these bytes say. Raises InputError naming the field.

        Writing it again gives the same bytes: other spellings of the same value (a null, an ISRC
        with hyphens, upper-case digits of a digest) are refused, so that one value has one digest.
        """
        record = cls.read(parse_canonical(data, most=cls.most_bytes))
        if record.to_bytes() != data:
            raise InputError(
                "a value is not in its one spelling: leave empty fields out, write identifiers "
                "without separators and hexadecimal digits in lower case"
            )
        return record


class Document(Record):
    """A record that is stored as one block and addressed by the sha-256 of its bytes."""

    def digest(self) -> bytes:
        """The 32 bytes that the chain keeps."""
        return sha256_of(self.to_bytes())

    def cid(self) -> str:
        """Where the document is found on IPFS."""
        return cid_from_digest(self.digest())


def valid_text(text: str) -> str:
    """`text` unchanged, if it says something and every system can keep it. Raises InputError."""
    if not text.strip():
        raise InputError("is blank: give the text or leave the field out")
    if "\x00" in text:
        raise InputError("holds a NUL character, which no database keeps: remove it")
    return text


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(valid_text)]
"""Text as people wrote it, in any script; never trimmed, normalised or escaped when stored."""
