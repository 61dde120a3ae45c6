"""`obbligato artist` against a running backend: what it signs is what the chain then says."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from obbligato.documents.cid import digest_from_cid
from obbligato.documents.license import LicenseDocument
from obbligato.documents.terms_input import terms_from
from scripts.demo.cast import person
from scripts.stack import PASSWORD, Service, backend_service, keystore
from scripts.toolchain import free_ports
from tests.cli.conftest import Command, Ran
from tests.onchain import DeployedProtocol, new_protocol

ARTIST, LABEL = person("Nadia Vale of the tests"), person("a label of the tests")
SHARED = (
    *("--payee", f"{ARTIST.address}:650000:performer"),
    *("--payee", f"{LABEL.address}:350000:label"),
)


@dataclass
class Backend:
    """A running backend, and the options of commands that use it."""

    protocol: DeployedProtocol
    service: Service
    keys: Path

    def options(self, who: LocalAccount) -> tuple[str, ...]:
        """The options of somebody who signs."""
        path, password = self.keys / f"{who.address}.json", self.keys / "password"
        if not password.exists():
            password.touch(0o600)
            password.write_text(PASSWORD)
        if not path.exists():
            keystore(path, who)
        return (
            *("--keystore", str(path)),
            *("--password-file", str(password)),
            *("--url", self.service.url),
        )


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = tmp_path_factory.mktemp("artists")
    with new_protocol(folder) as protocol, free_ports(1) as port:
        service = backend_service(
            folder / "service", rpc=protocol.url, manifest=protocol.manifest, port=port
        )
        service.start()
        try:
            service.ready(180)
            yield Backend(protocol, service, folder)
        finally:
            service.stop()


Artist = Callable[..., Ran]


@pytest.fixture
def artist(bare: Command, backend: Backend) -> Artist:
    """`obbligato artist …` of the artist, without questions."""

    def command(*words: object, who: LocalAccount = ARTIST) -> Ran:
        options = ("--rpc", backend.protocol.url, "--deployment", backend.protocol.manifest)
        return bare(*options, "artist", *words, *backend.options(who))

    return command


def licensed(artist: Artist, title: str, *words: str) -> dict[str, Any]:
    """Mint one, and what became of it."""
    digest = hashlib.sha256(title.encode()).hexdigest()
    what = ("--title", title, "--artist", "Nadia Vale", "--content-hash", digest)
    ran = artist("license", *what, *words, "--yes", "--json", "--timeout", 60)
    assert ran.code == 0, ran.err
    shown: dict[str, Any] = ran.json
    return shown


def licence_of(backend: Backend, license_id: int) -> Any:
    return backend.protocol.chain.call("LicenseRegistry", "licenseOf", license_id)


def test_a_file_is_licensed_by_a_signature_alone(
    artist: Artist, backend: Backend, tmp_path: Path
) -> None:
    chain = backend.protocol.chain
    recording = tmp_path / "aurora.flac"
    recording.write_bytes(b"play it again")
    ran = artist(
        *("license", "--title", "Aurora", "--artist", "Nadia Vale", "--file", recording),
        *("--preset", "train-dont-imitate", *SHARED, "--yes", "--json", "--timeout", 60),
    )
    assert ran.code == 0, ran.err
    number = ran.json["license_id"]
    assert ran.json["state"] in ("confirmed", "final")
    assert chain.call("LicenseRegistry", "ownerOf", number) == ARTIST.address
    assert chain.web3.eth.get_balance(ARTIST.address) == 0
    assert chain.web3.eth.get_transaction_count(ARTIST.address) == 0
    uri = chain.call("LicenseRegistry", "tokenURI", number)
    data = (backend.service.log.parent / "blocks").rglob("*")
    digest = digest_from_cid(uri.removeprefix("ipfs://"))
    (document,) = [
        LicenseDocument.from_bytes(path.read_bytes())
        for path in data
        if path.is_file() and hashlib.sha256(path.read_bytes()).digest() == digest
    ]
    assert document.recording.title == "Aurora"
    assert document.recording.content_hash == hashlib.sha256(b"play it again").digest()
    assert document.terms.terms() == terms_from({"preset": "train-dont-imitate"})
    split_id = licence_of(backend, number)[6]
    for payee, share in ((ARTIST, 650_000), (LABEL, 350_000)):
        assert chain.call("RoyaltyVault", "positionOf", split_id, payee.address)[0] == share


def test_the_same_command_again_mints_nothing_twice(artist: Artist, backend: Backend) -> None:
    first = licensed(artist, "Once", "--preset", "no-ai")
    count = backend.protocol.chain.call("LicenseRegistry", "licenseCount")
    again = licensed(artist, "Once", "--preset", "no-ai")
    assert (again["id"], again["license_id"]) == (first["id"], first["license_id"])
    assert backend.protocol.chain.call("LicenseRegistry", "licenseCount") == count


def test_terms_of_a_file_and_a_split_sheet(
    artist: Artist, backend: Backend, tmp_path: Path
) -> None:
    terms = {
        "preset": "analysis-only",
        "tiers": {"GENERATIVE": {"generation_units": "2400", "playback_units": "40"}},
        "term_days": 400,
    }
    (tmp_path / "terms.json").write_text(json.dumps(terms))
    (tmp_path / "sheet.csv").write_text(
        "party,role,ipi,isni,wallet,pr_bps,mr_bps,master_bps\n"
        f"Nadia Vale,performer,,,{ARTIST.address},,,7000\n"
        f"Good Label,label,,,{LABEL.address},,,3000\n"
    )
    shown = licensed(
        artist,
        "By hand",
        *("--terms", str(tmp_path / "terms.json")),
        *("--split-sheet", str(tmp_path / "sheet.csv")),
    )
    number = shown["license_id"]
    chain = backend.protocol.chain
    assert chain.call("LicenseRegistry", "termsIdOf", terms_from(terms).digest())
    split_id = licence_of(backend, number)[6]
    assert chain.call("RoyaltyVault", "positionOf", split_id, LABEL.address)[0] == 300_000


def settled(what: Callable[[], Ran], seconds: float = 30) -> Ran:
    """The command once the index has read what it is about."""
    deadline = time.monotonic() + seconds
    while True:
        ran = what()
        if ran.code == 0 or time.monotonic() > deadline:
            return ran


def test_a_licence_is_amended_revoked_and_reinstated(artist: Artist, backend: Backend) -> None:
    chain = backend.protocol.chain
    number = licensed(artist, "Changing", "--preset", "analysis-only")["license_id"]
    wider = ("amend", number, "--preset", "everything", "--yes", "--timeout", 60)
    ran = settled(lambda: artist(*wider))
    assert ran.code == 0, ran.err
    pending = chain.call(
        "LicenseRegistry", "termsIdOf", terms_from({"preset": "everything"}).digest()
    )
    assert pending in licence_of(backend, number)
    ran = settled(lambda: artist("revoke", number, "--yes", "--timeout", 60))
    assert ran.code == 0, ran.err
    ends_at = licence_of(backend, number)[5]
    assert ends_at != 0
    ran = settled(lambda: artist("reinstate", number, "--yes", "--timeout", 60))
    assert ran.code == 0, ran.err
    assert licence_of(backend, number)[5] != ends_at


def test_a_payee_whose_share_shrinks_agrees_before_anything_changes(
    artist: Artist, backend: Backend
) -> None:
    chain = backend.protocol.chain
    number = licensed(artist, "Shared", "--preset", "no-ai", *SHARED)["license_id"]
    before = licence_of(backend, number)[6]
    mine = ("split", number, "--payee", f"{ARTIST.address}:1000000:performer")
    ran = settled(lambda: artist(*mine, "--yes", "--json"))
    assert ran.code == 0, ran.err
    assert ran.json["state"] == "inviting"
    assert licence_of(backend, number)[6] == before
    (invited,) = artist("invitations", "--json", who=LABEL).json["invitations"]
    ran = artist("agree", invited["id"], "--yes", "--json", who=LABEL)
    assert ran.code == 0, ran.err
    assert ran.json["state"] == "agreed"
    act = ran.json["act_id"]
    ran = settled(lambda: _confirmed(artist, act))
    assert ran.code == 0, ran.out
    after = licence_of(backend, number)[6]
    assert chain.call("RoyaltyVault", "positionOf", after, ARTIST.address)[0] == 1_000_000


def _confirmed(artist: Artist, act: str) -> Ran:
    ran = artist("acts", "--json")
    state = next(each["state"] for each in ran.json["acts"] if each["id"] == act)
    return Ran(0 if state in ("confirmed", "final") else 1, ran.out, ran.err)


def test_a_society_is_let_in_and_out(artist: Artist, backend: Backend) -> None:
    chain = backend.protocol.chain
    for end, approved in (((), True), (("--end",), False)):
        ran = artist("operator", LABEL.address, *end, "--yes", "--timeout", 60)
        assert ran.code == 0, ran.err
        allowed = chain.call("LicenseRegistry", "isApprovedForAll", ARTIST.address, LABEL.address)
        assert allowed is approved


def test_nothing_is_signed_where_nobody_is_there_to_ask(artist: Artist) -> None:
    ran = artist("operator", LABEL.address)
    assert ran.code == 2
    assert "nobody is there to ask" in ran.err
    assert LABEL.address in ran.err  # what it would have done was shown
    (newest, *_) = artist("acts", "--json").json["acts"]
    assert (newest["kind"], newest["state"]) == ("operator", "withdrawn")


def test_a_no_of_the_backend_names_the_reason(artist: Artist) -> None:
    ran = artist("claim", "--yes")
    assert ran.code == 2
    assert "0.00 dollars can be claimed right now" in ran.err
    ran = artist("revoke", 4_000_000, "--yes")
    assert ran.code == 1
    assert "there is no licence 4000000" in ran.err


def test_money_is_shown_and_a_statement_saved(artist: Artist, tmp_path: Path) -> None:
    ran = artist("balance", "--json")
    assert ran.code == 0, ran.err
    shown = ran.json
    assert (shown["account"], shown["claimable_units"]) == (ARTIST.address, "0")
    assert artist("earnings", "--by", "month", "--json").json == {"earnings": []}
    target = tmp_path / "statement.pdf"
    ran = artist("statement", "2026-10", "--output", target)
    assert ran.code == 0, ran.err
    assert target.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--preset", "no-ai"), "--file FILE, or --content-hash HEX"),
        (("--content-hash", "12"), "--preset NAME or --terms FILE"),
        (("--content-hash", "12", "--preset", "all"), "is no preset"),
        (("--content-hash", "12", "--preset", "no-ai"), "is not 32 bytes"),
        (("--content-hash", "1" * 64, "--preset", "no-ai", "--isrc", "US-1"), "isrc"),
        (("--content-hash", "1" * 64, "--preset", "no-ai", "--payee", "me"), "0x…:PPM:ROLE"),
        (
            ("--content-hash", "1" * 64, "--preset", "everything", "--scope", "recording"),
            "recording.scope: lacks",
        ),
    ],
)
def test_what_no_backend_takes_is_refused_before_it_is_asked(
    bare: Command, words: tuple[str, ...], reason: str
) -> None:
    ran = bare("artist", "license", "--title", "A", "--artist", "B", *words)
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err


def test_presets_need_no_backend_and_make_a_file_of_terms(bare: Command) -> None:
    for preset in bare("artist", "presets", "--json").json:
        assert terms_from(preset["terms"]) == terms_from({"preset": preset["name"]})


def test_a_catalogue_is_imported_corrected_and_minted_line_by_line(
    artist: Artist, backend: Backend, tmp_path: Path
) -> None:
    chain = backend.protocol.chain
    file, wrong = tmp_path / "catalogue.csv", tmp_path / "wrong.csv"
    lines = [f"Track {number},Nadia Vale,{number:064x},,,no-ai" for number in range(1, 4)]
    payees = f"{ARTIST.address}:900000:performer|{LABEL.address}:100000:label"
    lines.append(f"=HYPERLINK(1),A|B,{4:064x},USUG12400910,{payees},analysis-only")
    lines.append(f"Broken,Nadia Vale,{5:064x},US-1,,no-ai")
    header = "title,artists,content_hash,isrc,payees,preset"
    file.write_text("\n".join([header, *lines]))
    ran = artist("import", file, "--errors", wrong, "--json", "--timeout", 60)
    assert ran.code == 1, ran.err
    assert (ran.json["counts"]["prepared"], ran.json["counts"]["refused"]) == (4, 1)
    (line,) = ran.json["wrong"]
    assert (line["line"], [error["field"] for error in line["errors"]]) == (6, ["isrc"])
    wrong.write_text(wrong.read_text().replace("US-1", "USUG12400911"))
    count = chain.call("LicenseRegistry", "licenseCount")
    sign = ("--corrections", wrong, "--sign", "--yes", "--json", "--timeout", 90)
    ran = artist("import", file, *sign)
    assert ran.code == 0, ran.err
    assert ran.json["counts"]["minted"] == 5
    assert chain.call("LicenseRegistry", "licenseCount") == count + 5
    ran = artist("import", file, *sign)  # once more: nothing is left to do
    assert (ran.code, ran.json["counts"]["minted"]) == (0, 5)
    assert chain.call("LicenseRegistry", "licenseCount") == count + 5
