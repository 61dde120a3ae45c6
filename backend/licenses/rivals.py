"""Licences of the same recording under another owner, for whoever is about to license it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.head import read_head
from backend.db.index_db import Document, License, LicenseVersion
from backend.db.license_tables import Fingerprint as StoredFingerprint
from backend.db.license_tables import FingerprintValue
from obbligato.documents.license import FingerprintRecord
from obbligato.recordings import NEAR, Fingerprint, compare, looked_up_values

MOST_COMPARED: Final = 50
"""Documents whose fingerprints are compared bit by bit: those that share most values."""
MOST_RIVALS_NAMED: Final = 20

Why = Literal["same content hash", "same ISRC", "near fingerprint"]
_ORDER: Final[tuple[Why, ...]] = ("same content hash", "same ISRC", "near fingerprint")


class Rival(NamedTuple):
    """A licence of somebody else that seems to be for the same recording."""

    license_id: int
    owner: str
    why: Why
    score: float
    """1 for the same hash or ISRC; of a near fingerprint the part of its bits that agree."""
    title: str | None
    """None while nobody has its document."""
    artists: tuple[str, ...]
    minted_at: int
    in_force: bool

    @property
    def words(self) -> str:
        """One sentence for people."""
        named = f"“{self.title}” by {', '.join(self.artists)}" if self.title else "a recording"
        same = {
            "same content hash": "is for the very same file",
            "same ISRC": "has the same ISRC",
            "near fingerprint": f"sounds the same ({self.score:.0%} alike)",
        }[self.why]
        ended = "" if self.in_force else "; it has ended"
        return f"Licence {self.license_id}, {named}, belongs to {self.owner} and {same}{ended}."


def rivals(
    session: Session,
    *,
    owner: str,
    isrc: str | None = None,
    content: bytes | None = None,
    fingerprint: FingerprintRecord | None = None,
) -> list[Rival]:
    """Licences under other owners with this hash, this ISRC or a near fingerprint, as documents have them.

    Each with its strongest reason, those first; up to MOST_RIVALS_NAMED. Any version of a licence's document counts.
    Raises NotFound before the index has read its first block.
    """
    reasons: dict[int, tuple[Why, float]] = {}
    if content is not None:
        same = select(License.license_id).where(License.content == content, License.owner != owner)
        for license_id in session.scalars(
            same.order_by(License.license_id).limit(MOST_RIVALS_NAMED)
        ):
            reasons[license_id] = ("same content hash", 1.0)
    if isrc is not None:
        named = (
            select(LicenseVersion.license_id)
            .join(Document, Document.digest == LicenseVersion.document)
            .join(License, License.license_id == LicenseVersion.license_id)
            .where(Document.isrc == isrc, License.owner != owner)
            .distinct()
            .order_by(LicenseVersion.license_id)
        )
        for license_id in session.scalars(named.limit(MOST_RIVALS_NAMED)):
            reasons.setdefault(license_id, ("same ISRC", 1.0))
    if fingerprint is not None:
        for digest, score in near_documents(session, Fingerprint.of(fingerprint)):
            for license_id in _licenses_of(session, digest, owner):
                reasons.setdefault(license_id, ("near fingerprint", score))
    rivals_ = [_rival(session, license_id, *why) for license_id, why in reasons.items()]
    rivals_.sort(key=lambda rival: (_ORDER.index(rival.why), -rival.score, rival.license_id))
    return rivals_[:MOST_RIVALS_NAMED]


def near_documents(session: Session, sound: Fingerprint) -> list[tuple[bytes, float]]:
    """Digests of documents with a near fingerprint, and the part of the bits that agree; the nearest first."""
    values = looked_up_values(sound)
    if not values:
        return []
    shared = (
        select(FingerprintValue.digest)
        .where(FingerprintValue.value.in_(values))
        .group_by(FingerprintValue.digest)
        .order_by(func.count().desc(), FingerprintValue.digest)
        .limit(MOST_COMPARED)
    )
    candidates = list(session.scalars(shared))
    stored = select(StoredFingerprint).where(StoredFingerprint.digest.in_(candidates))
    near = []
    for each in session.scalars(stored):
        compared = compare(sound, Fingerprint.from_bytes(sound.duration_seconds, each.packed))
        if compared.bit_error_rate <= NEAR:
            near.append((each.digest, 1 - compared.bit_error_rate))
    return sorted(near, key=lambda one: (-one[1], one[0]))


def _licenses_of(session: Session, digest: bytes, owner: str) -> Iterable[int]:
    """Licences of others with this document in one of their versions."""
    return session.scalars(
        select(License.license_id)
        .join(LicenseVersion, LicenseVersion.license_id == License.license_id)
        .where(LicenseVersion.document == digest, License.owner != owner)
        .distinct()
        .order_by(License.license_id)
        .limit(MOST_RIVALS_NAMED)
    )


def _rival(session: Session, license_id: int, why: Why, score: float) -> Rival:
    licence = session.get_one(License, license_id)
    document = session.get(Document, licence.document)
    now = read_head(session).head_time
    return Rival(
        license_id=license_id,
        owner=licence.owner,
        why=why,
        score=score,
        title=document.title if document else None,
        artists=tuple((document.artists if document else None) or ()),
        minted_at=licence.minted_at,
        in_force=licence.ends_at is None or licence.ends_at > now,
    )
