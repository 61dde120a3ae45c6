"""The licence document: what the token stands for, and its ERC-721 metadata, in one.

Sources of the formats: ERC-721 (name, description, image) and the `attributes` that wallets read
(https://docs.opensea.io/docs/metadata-standards). It holds public credits only: no account of the
chain, no IPI number, nothing that ties a wallet to a person.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from obbligato.documents.canonical import DecimalUInt64
from obbligato.documents.cid import cid_from_digest, digest_from_cid, ipfs_uri
from obbligato.documents.identifiers import Isni, Isrc, Iswc, ReleaseDate, isrc_text
from obbligato.documents.model import Document, Record, Text
from obbligato.documents.wording import TIER_MEANINGS, description, role_word, tier_title
from obbligato.errors import InputError
from obbligato.protocol.constants import Role, Tier
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.types import Bytes32, TierField, UInt8, UInt16, as_tuple

SCHEMA_VERSION: Final = 1
MAX_FINGERPRINT_VALUES: Final = 1_000
"""Two minutes are 948 of them."""
MAX_DURATION_SECONDS: Final = 86_400

_ACCOUNT = re.compile(r"0x[0-9a-fA-F]{40}")
_WEB_IMAGE = re.compile(r"https://[^\s/?#]+(?:[/?#]\S*)?")
_ROLES = {role_word(role): role for role in Role}

Scope = Literal["recording", "composition", "stems", "voice"]


def _no_account(name: str) -> str:
    if _ACCOUNT.search(name):
        raise InputError("holds an account of the chain: documents never tie one to a person")
    return name


def _image(uri: str) -> str:
    if uri.startswith("ipfs://"):
        digest_from_cid(uri.removeprefix("ipfs://"))
    elif not _WEB_IMAGE.fullmatch(uri):
        raise InputError("is not an image address: give ipfs://<cid> or https://…")
    return uri


def _packed_values(data: str) -> str:
    """Base64url without padding, in its one spelling, of 1 to 1 000 values of 4 bytes."""
    values = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
    if _base64url(values) != data or len(values) % 4:
        raise InputError("is not base64url without padding of values of 4 bytes each")
    return data


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _role(value: object) -> object:
    if isinstance(value, str) and value in _ROLES:
        return _ROLES[value]
    if isinstance(value, Role):
        return value
    raise InputError(f"{value!r} is not a role: use one of {', '.join(_ROLES)}")


Name = Annotated[Text, AfterValidator(_no_account)]
ImageUri = Annotated[str, Field(max_length=2_048), AfterValidator(_image)]
RoleWord = Annotated[
    Role,
    BeforeValidator(_role),
    PlainSerializer(role_word, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "enum": list(_ROLES)}),
]


class Contributor(Record):
    """A public credit. `isni` is the public identifier of a name."""

    role: RoleWord
    name: Name
    isni: Isni | None = None


class Stem(Record):
    """One stem of the recording: what it holds, and the sha-256 of its file."""

    name: Text
    content_hash: Bytes32


class FingerprintRecord(Record):
    """What the recording sounds like: the first two minutes as Chromaprint hears them.

    `version` is Chromaprint's algorithm as its library counts (1 is its default, `fpcalc -algorithm 2`).
    `data` has its values, 32 bits each and big-endian, in base64url without padding: at most the first 1 000.
    """

    algorithm: Literal["chromaprint"] = "chromaprint"
    version: Literal[1] = 1
    duration_seconds: Annotated[int, Field(ge=1, le=MAX_DURATION_SECONDS)]
    data: Annotated[
        str,
        Field(
            min_length=6,
            max_length=-(-MAX_FINGERPRINT_VALUES * 16 // 3),
            pattern="^[A-Za-z0-9_-]+$",
        ),
        AfterValidator(_packed_values),
    ]

    @classmethod
    def made(cls, duration_seconds: int, packed: bytes) -> Self:
        """From values of 4 bytes, big-endian; those after the first 1 000 are left out. Raises InputError."""
        return cls(
            duration_seconds=min(duration_seconds, MAX_DURATION_SECONDS),
            data=_base64url(packed[: 4 * MAX_FINGERPRINT_VALUES]),
        )

    def packed(self) -> bytes:
        """The values, 4 bytes each, big-endian."""
        return base64.urlsafe_b64decode(self.data + "=" * (-len(self.data) % 4))


class Recording(Record):
    """One sound recording. `content_hash` is the sha-256 of its file; ISRC and ISWC if it has any.

    `fingerprint` finds the same recording in another file. `scope` lists what the licence covers,
    without repeats. Text is kept whole.
    """

    isrc: Isrc | None = None
    iswc: Iswc | None = None
    title: Text
    artists: Annotated[tuple[Name, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    contributors: Annotated[tuple[Contributor, ...], BeforeValidator(as_tuple)] = ()
    release_date: ReleaseDate | None = None
    content_hash: Bytes32
    fingerprint: FingerprintRecord | None = None
    stems: Annotated[tuple[Stem, ...], BeforeValidator(as_tuple)] = ()
    scope: Annotated[tuple[Scope, ...], BeforeValidator(as_tuple), Field(min_length=1)] = (
        "recording",
    )

    @model_validator(mode="after")
    def _scope_once(self) -> Self:
        if len(set(self.scope)) != len(self.scope):
            raise InputError("names something twice", field="scope")
        return self


class TierConsent(Record):
    """Whether one tier is opted in to, in words and numbers."""

    tier: TierField
    name: str
    meaning: str
    allowed: bool


class Rates(Record):
    """The rate card of one opted-in tier: money units for one whole unit, as on the chain."""

    training_run: DecimalUInt64
    generation: DecimalUInt64
    playback: DecimalUInt64
    grant_fee: DecimalUInt64


class TermsRecord(Record):
    """The terms, number for number as on the chain; rates are decimal strings in JSON."""

    tiers: UInt8
    term_days: UInt16
    flags: UInt16
    influence_cap_bps: UInt16
    rates: Annotated[tuple[Rates, ...], BeforeValidator(as_tuple)]
    text_digest: Bytes32

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """The record of some terms."""
        return cls(
            tiers=terms.tiers,
            term_days=terms.term_days,
            flags=terms.flags,
            influence_cap_bps=terms.influence_cap_bps,
            rates=tuple(Rates(**card.model_dump()) for card in terms.rates),
            text_digest=terms.text_digest,
        )

    def terms(self) -> Terms:
        """The terms of this record. Raises InputError where they break the rules of terms."""
        return Terms(
            tiers=self.tiers,
            term_days=self.term_days,
            flags=self.flags,
            influence_cap_bps=self.influence_cap_bps,
            rates=tuple(RateCard(**card.model_dump()) for card in self.rates),
            text_digest=self.text_digest,
        )


class LegalText(Record):
    """Where the legal text is found; `digest` is the terms' text digest."""

    digest: Bytes32
    uri: str


class Attribute(Record):
    """One line of what wallets and marketplaces show of a token."""

    trait_type: str
    value: str | int


class LicenseDocument(Document):
    """The document of one licence; make it with `license_document`.

    Everything said in words (name, description, attributes, consent, where the legal text is) must
    be what the recording and the terms give: InputError names the field that is not.
    """

    type: Literal["obbligato.license"] = "obbligato.license"
    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    description: str
    image: ImageUri | None = None
    attributes: Annotated[tuple[Attribute, ...], BeforeValidator(as_tuple)]
    recording: Recording
    consent: Annotated[tuple[TierConsent, ...], BeforeValidator(as_tuple)]
    terms: TermsRecord
    legal_text: LegalText

    @model_validator(mode="after")
    def _words_follow_the_terms(self) -> Self:
        terms = self.terms.terms()
        for field, due in _words(self.recording, terms)._asdict().items():
            if getattr(self, field) != due:
                raise InputError(
                    "does not say what the recording and the terms say: "
                    "make the document with license_document",
                    field=field,
                )
        for tier, part in ((Tier.STEMS, "stems"), (Tier.VOICE, "voice")):
            if terms.offers(tier) and part not in self.recording.scope:
                raise InputError(
                    f"lacks {part!r}, which tier {tier.value} {tier.name} opts in to: "
                    "add it or leave the tier out",
                    field="recording.scope",
                )
        return self


def license_document(
    *, recording: Recording, terms: Terms, image: str | None = None
) -> LicenseDocument:
    """The document of a licence for `recording` under `terms`, its words made from both.

    Raises InputError where the two contradict each other or the document is too large.
    """
    words = _words(recording, terms)
    document = LicenseDocument(
        name=words.name,
        description=words.description,
        image=image,
        attributes=words.attributes,
        recording=recording,
        consent=words.consent,
        terms=TermsRecord.of(terms),
        legal_text=words.legal_text,
    )
    document.to_bytes()  # refuses what one block cannot hold
    return document


class _Words(NamedTuple):
    """The fields that follow from a recording and its terms."""

    name: str
    description: str
    attributes: tuple[Attribute, ...]
    consent: tuple[TierConsent, ...]
    legal_text: LegalText


def _words(recording: Recording, terms: Terms) -> _Words:
    consent = (
        TierConsent(
            tier=tier, name=tier.name, meaning=TIER_MEANINGS[tier], allowed=terms.offers(tier)
        )
        for tier in Tier
    )
    return _Words(
        name=f"{recording.title} - {', '.join(recording.artists)}",
        description=description(recording.title, recording.artists, terms),
        attributes=_attributes(recording, terms),
        consent=tuple(consent),
        legal_text=LegalText(
            digest=terms.text_digest, uri=ipfs_uri(cid_from_digest(terms.text_digest))
        ),
    )


def _attributes(recording: Recording, terms: Terms) -> tuple[Attribute, ...]:
    facts = {"ISRC": recording.isrc and isrc_text(recording.isrc), "ISWC": recording.iswc}
    consent = {
        tier_title(tier): "allowed" if terms.offers(tier) else "not allowed" for tier in Tier
    }
    numbers = {"Term (days)": terms.term_days, "Influence cap (bps)": terms.influence_cap_bps}
    return tuple(
        Attribute(trait_type=name, value=value)
        for name, value in {**facts, **consent, **numbers}.items()
        if value is not None
    )
