"""Who else licenses the same recording: by hash, by ISRC, by sound, and never oneself."""

from __future__ import annotations

import random

from sqlalchemy import select

from backend.db.license_tables import FingerprintValue
from backend.licenses.rivals import rivals
from obbligato.recordings import Fingerprint
from tests.backend.recordings.minting import Minting
from tests.onchain import ARTIST, LABEL, STRANGER

ISRC = "QZABC2600077"


def sound(seed: int, count: int = 400) -> Fingerprint:
    chance = random.Random(seed)
    return Fingerprint(50, tuple(chance.getrandbits(32) for _ in range(count)))


def damaged(given: Fingerprint, part: float, skipped: int = 0) -> Fingerprint:
    """A copy in which this part of the values has three bits turned, without its first values."""
    chance = random.Random(1)
    values = (
        value ^ (0b10010001 << chance.randrange(24)) if chance.random() < part else value
        for value in given.values[skipped:]
    )
    return Fingerprint(given.duration_seconds, tuple(values))


def found(minting: Minting, **asked: object) -> list[tuple[int, str]]:
    with minting.database.reading() as session:
        scenario = rivals(session, **asked)  # type: ignore[arg-type]
    return [(rival.license_id, rival.why) for rival in scenario]


def test_the_same_hash_isrc_or_sound_of_another_owner_is_told_with_the_strongest_reason(
    minting: Minting,
) -> None:
    song = sound(1)
    by_hash = minting.mint(ARTIST, content=b"\x01" * 32, isrc=ISRC, fingerprint=song.record())
    by_isrc = minting.mint(ARTIST, content=b"\x02" * 32, isrc=ISRC)
    by_sound = minting.mint(
        LABEL, content=b"\x03" * 32, fingerprint=damaged(song, 0.5, skipped=30).record()
    )
    minting.mint(LABEL, content=b"\x04" * 32, fingerprint=sound(2).record(), isrc="QZABC2600078")
    minting.index.sync()
    asked = {"isrc": ISRC, "content": b"\x01" * 32, "fingerprint": song.record()}
    assert found(minting, owner=STRANGER.address, **asked) == [
        (by_hash, "same content hash"),
        (by_isrc, "same ISRC"),
        (by_sound, "near fingerprint"),
    ]
    assert found(minting, owner=ARTIST.address, **asked) == [(by_sound, "near fingerprint")]
    assert found(minting, owner=LABEL.address, **asked) == [
        (by_hash, "same content hash"),
        (by_isrc, "same ISRC"),
    ]
    assert found(minting, owner=STRANGER.address) == []


def test_other_music_and_silence_are_nobody_s_rival(minting: Minting) -> None:
    silent = Fingerprint(30, (627_964_279,) * 200)
    minting.mint(ARTIST, content=b"\x01" * 32, fingerprint=sound(1).record())
    minting.mint(ARTIST, content=b"\x02" * 32, fingerprint=silent.record())
    minting.index.sync()
    for asked in (sound(2), silent, Fingerprint(1, (5,))):
        assert found(minting, owner=STRANGER.address, fingerprint=asked.record()) == []


def test_what_is_told_can_be_read_by_people(minting: Minting) -> None:
    song = sound(3)
    license_id = minting.mint(
        ARTIST, content=b"\x01" * 32, fingerprint=song.record(), title="<b>Aubade</b>"
    )
    minting.acts.chain.transact(ARTIST, "LicenseRegistry", "revoke", license_id)
    minting.acts.wait(366)
    minting.index.sync()
    with minting.database.reading() as session:
        (near,) = rivals(session, owner=LABEL.address, fingerprint=song.record())
        (same,) = rivals(session, owner=LABEL.address, content=b"\x01" * 32)
    assert (near.score, near.in_force, near.title) == (1.0, False, "<b>Aubade</b>")
    named = f"Licence {license_id}, “<b>Aubade</b>” by Ann, belongs to {ARTIST.address} and"
    assert near.words == f"{named} sounds the same (100% alike); it has ended."
    assert same.words == f"{named} is for the very same file; it has ended."


def test_a_document_is_indexed_by_120_values_and_survives_a_reorg(minting: Minting) -> None:
    song = sound(4)
    before = minting.acts.node("evm_snapshot")
    license_id = minting.mint(ARTIST, content=b"\x01" * 32, fingerprint=song.record())
    minting.index.sync()
    with minting.database.reading() as session:
        values = set(session.scalars(select(FingerprintValue.value)))
    assert values == {value >> 4 for value in song.values[80:200]}
    minting.acts.node("evm_revert", before)
    minting.acts.wait(1)
    minting.index.sync()
    asked = {"owner": STRANGER.address, "fingerprint": song.record()}
    assert found(minting, **asked) == []
    assert minting.mint(ARTIST, content=b"\x01" * 32, fingerprint=song.record()) == license_id
    minting.index.sync()
    assert found(minting, **asked) == [(license_id, "near fingerprint")]
