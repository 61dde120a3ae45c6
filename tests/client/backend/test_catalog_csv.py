"""Lines of a catalogue: the client reads out of a file what the service reads, and signs no mint of anything else."""

from __future__ import annotations

from typing import Any

import pytest

from backend.imports.parsing import Errors, read_file
from backend.imports.validation import Defaults, Judge
from obbligato.client.backend import BackendClient
from obbligato.client.catalog_csv import LineAsked, lines_asked
from obbligato.client.errors import ActRefused
from obbligato.documents.license import LicenseDocument
from obbligato.protocol.typed_data import Mint
from tests.client.backend.conftest import NOW, OTHER, SIGNER, FakeBackend, act_of, document

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


def judged() -> dict[int, Any]:
    """What the service makes of the same file."""
    judge = Judge(Defaults(SIGNER.address, preset="train-dont-imitate"), ())
    found = {line.line: judge.judge(line.cells, Errors()) for line in read_file(FILE)}
    assert [each.errors for each in found.values()] == [[]] * len(LINES)
    return found


def asked() -> dict[int, LineAsked]:
    read = lines_asked(FILE, account=SIGNER.address, preset="train-dont-imitate")
    return {each.line: each for each in read.values()}


def mint(line: Any, **changed: Any) -> Mint:
    given = {
        "account": SIGNER.address,
        "terms": line.offer.digest,
        "split": line.pays.digest,
        "document": line.document,
        "content": line.content,
        "nonce": 1,
        "deadline": NOW,
    }
    return Mint.read({**given, **changed})


def test_every_line_is_signed_as_the_service_made_it(
    client: BackendClient, fake: FakeBackend
) -> None:
    lines = asked()
    assert lines.keys() == judged().keys()
    for number, line in judged().items():
        fake.shelf.put(line.data)
        client.sign(act_of(fake, lines[number], mint(line)), lines[number])
    assert len(fake.signatures) == len(LINES)


@pytest.mark.parametrize("field", ["terms", "split", "content", "account"])
def test_a_mint_of_another_line_is_refused(
    client: BackendClient, fake: FakeBackend, field: str
) -> None:
    (number, line), *_ = judged().items()
    fake.shelf.put(line.data)
    other = OTHER.address if field == "account" else b"\x01" * 32
    with pytest.raises(ActRefused) as raised:
        client.sign(act_of(fake, asked()[number], mint(line, **{field: other})), asked()[number])
    assert raised.value.field == field
    assert fake.signatures == []


def test_a_document_that_says_something_else_is_refused(
    client: BackendClient, fake: FakeBackend
) -> None:
    (number, line), *_ = judged().items()
    true = LicenseDocument.from_bytes(line.data).recording
    for changed in ({"title": "Borealis"}, {"artists": ("Someone",)}, {"isrc": None}, {}):
        false = document(**{**true.model_dump(exclude={"scope"}), "scope": true.scope, **changed})
        fake.shelf.put(false.to_bytes())
        act = act_of(fake, asked()[number], mint(line, document=false.digest()))
        with pytest.raises(ActRefused, match="the document is not what line 2 says"):
            client.sign(act, asked()[number])
    assert fake.signatures == []


def test_corrections_take_the_place_of_their_lines() -> None:
    wrong = FILE.replace(b"Aurora", b"Aurroa")
    fixed = (
        f"line,field,reason,title,artists,content_hash\r\n2,,,'=Aurora,Nadia Vale,{'5e' * 32}\r\n"
    )
    read = lines_asked(wrong, account=SIGNER.address, preset="no-ai", corrections=fixed.encode())
    assert read[b"\x5e" * 32].title == "=Aurora"
    assert len(read) == len(LINES)
