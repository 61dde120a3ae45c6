"""Lines of a catalogue: the client reads out of a file what the service reads, and signs no mint of anything else."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.client.backend import BackendClient
from obbligato.client.catalogues import mints_of_file
from obbligato.client.errors import ActRefused
from obbligato.documents.canonical import sha256
from obbligato.documents.catalog_cells import LineErrors
from obbligato.documents.catalog_csv import read_file
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.typed_data import Mint
from obbligato.schemas.acts import MintRequest
from obbligato.schemas.catalogue_lines import Defaults, LineMint, LineParser
from obbligato.schemas.terms import TermsInput
from tests.client.backend.conftest import (
    NOW,
    OTHER,
    SIGNER,
    FakeBackend,
    act_of,
    document,
    pair,
)

HEADER = (
    "title,artists,content_hash,isrc,payees,preset,flags,term_days,"
    "GENERATIVE.generation_units,GENERATIVE.playback_units\r\n"
)
PAYEES = f"{SIGNER.address}:650000:performer|{OTHER.address}:350000:session_musician"
LINES = [
    f"Aurora,Nadia Vale|Trio Norte,{'5e' * 32},AA-6Q7-20-00047,{PAYEES},,,,,",
    f'"Ночь, ""live""",=HYPERLINK(1),0x{"6f" * 32},,,Everything,POOL|COMMERCIAL,400,2400,not offered',
    f'"two\nlines",A\\|B,{"7a" * 32},,,,none,,7,',
    f"🎷 <script>,Nadia Vale, {'8B' * 32} ,,,no-ai,,,,",
]
FILE = ("\ufeff" + HEADER + "\r\n".join(LINES)).encode()


def prepared() -> dict[bytes, LineMint]:
    """By content hash, what the service makes of the same file."""
    parser = LineParser(Defaults(SIGNER.address, preset="train-dont-imitate"))
    errors = LineErrors()
    mints = [parser.parse(line.cells, errors) for line in read_file(FILE)]
    assert errors.items == []
    return {mint.recording.content_hash: mint for mint in mints if mint is not None}


def requests() -> dict[bytes, MintRequest]:
    """By content hash, what the client requests for each line."""
    mints = mints_of_file(FILE, account=SIGNER.address, preset="train-dont-imitate")
    return {content: line.request() for content, line in mints.items()}


def first() -> tuple[LineMint, MintRequest]:
    """The first line of the file."""
    return prepared()[b"\x5e" * 32], requests()[b"\x5e" * 32]


def message(line: LineMint, **changed: Any) -> Mint:
    fields = {
        "account": SIGNER.address,
        "terms": line.terms.terms,
        "split": line.split.split,
        "document": sha256(line.data),
        "content": line.recording.content_hash,
        "nonce": 1,
        "deadline": NOW,
    }
    return Mint.read({**fields, **changed})


def test_every_line_is_read_as_it_was_written() -> None:
    lines = list(requests().values())
    read = [(each.recording.title, each.recording.artists, each.recording.isrc) for each in lines]
    assert read == [
        ("Aurora", ("Nadia Vale", "Trio Norte"), "AA6Q72000047"),
        ('Ночь, "live"', ("=HYPERLINK(1)",), None),
        ("two\nlines", ("A|B",), None),
        ("🎷 <script>", ("Nadia Vale",), None),
    ]
    assert [line.split(SIGNER.address).share_of(SIGNER.address) for line in lines] == [
        650_000,
        *[1_000_000] * 3,
    ]
    terms = [line.terms.terms() for line in lines]
    assert [(each.tiers, each.term_days, each.flags) for each in terms] == [
        (
            0b000111,
            365,
            Flag.ATTRIBUTION_REQUIRED | Flag.COMMERCIAL | Flag.EXPORT_ALLOWED | Flag.POOL,
        ),
        (0b111111, 400, Flag.POOL | Flag.COMMERCIAL),
        (0b000111, 365, 0),
        (0, 1_096, 0),
    ]
    assert terms[1].card(Tier.GENERATIVE).generation == 2_400
    assert terms[1].card(Tier.GENERATIVE).playback == 2**64 - 1
    assert terms[2].card(Tier.GENERATIVE).generation == 7


def test_every_line_is_signed_as_the_service_made_it(
    client: BackendClient, fake: FakeBackend
) -> None:
    lines = requests()
    assert lines.keys() == prepared().keys()
    for content, line in prepared().items():
        fake.shelf.put(line.data)
        client.sign(act_of(fake, lines[content], message(line)), lines[content])
    assert len(fake.signatures) == len(LINES)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("terms", TermsInput(preset="everything").terms()),
        ("split", pair(640_000)),
        ("content", b"\x01" * 32),
        ("account", OTHER.address),
    ],
    ids=["terms", "split", "content", "account"],
)
def test_a_mint_of_another_line_is_refused(
    client: BackendClient, fake: FakeBackend, field: str, other: Any
) -> None:
    line, request = first()
    fake.shelf.put(line.data)
    with pytest.raises(ActRefused) as raised:
        client.sign(act_of(fake, request, message(line, **{field: other})), request)
    assert raised.value.field == field
    assert fake.signatures == []


def test_a_document_that_says_something_else_is_refused(
    client: BackendClient, fake: FakeBackend
) -> None:
    line, request = first()
    true = line.recording
    for changed in ({"title": "Borealis"}, {"artists": ("Someone",)}, {"isrc": None}, {}):
        false = document(**{**true.model_dump(exclude={"scope"}), "scope": true.scope, **changed})
        fake.shelf.put(false.to_bytes())
        act = act_of(fake, request, message(line, document=false.digest()))
        with pytest.raises(ActRefused) as raised:
            client.sign(act, request)
        assert raised.value.field == "document"
    assert fake.signatures == []


def test_corrections_take_the_place_of_their_lines() -> None:
    wrong = FILE.replace(b"Aurora", b"Aurroa")
    fixed = (
        f"line,field,reason,title,artists,content_hash\r\n2,,,'=Aurora,Nadia Vale,{'5e' * 32}\r\n"
    )
    mints = mints_of_file(wrong, account=SIGNER.address, preset="no-ai", corrections=fixed.encode())
    assert mints[b"\x5e" * 32].recording.title == "=Aurora"
    assert len(mints) == len(LINES)
