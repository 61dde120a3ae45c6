"""Commands that ask no node: documents, digests, the manifest, and what is said of wrong input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from obbligato import __version__
from obbligato.documents.cid import cid_of
from scripts.toolchain import ROOT
from tests.cli.conftest import Command
from tests.scenario import OPEN, Scenario

CID_OF_HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
"""Of the bytes `hello`, as `ipfs add --cid-version=1` prints it."""

ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20


def test_the_version_is_the_package_s(bare: Command) -> None:
    assert bare("--version").out == f"obbligato {__version__}\n"


def test_the_command_is_installed(tmp_path: Path) -> None:
    file = tmp_path / "hello"
    file.write_bytes(b"hello")
    command = [ROOT / ".venv" / "bin" / "obbligato", "document", "cid", file]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == CID_OF_HELLO + "\n"


def test_a_group_without_a_command_shows_its_help(bare: Command) -> None:
    ran = bare("license")
    assert ran.code == 2
    assert "Usage: obbligato license" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such"], "No such command 'no-such'"),
        (["license", "show"], "Missing argument 'LICENSE'"),
        (["license", "show", "0"], "LICENSE"),
        (["license", "list"], "name the manifest: --deployment PATH, or set OBBLIGATO_DEPLOYMENT"),
        (["recompute"], "say where documents are: --store FOLDER or --gateway URL"),
        (["--deployment", "/nowhere.json", "deployment", "show"], "/nowhere.json: no deployment"),
        (["--store", "/nowhere", "document", "show", CID_OF_HELLO], "/nowhere is no folder"),
        (
            ["--gateway", "nonsense", "document", "show", CID_OF_HELLO],
            "'nonsense' is not a gateway",
        ),
        (["consent", "at", "1", "7"], "TIER: 7 is no tier"),
        (["consent", "at", "1", "SONG"], "TIER: 'SONG' is no tier"),
        (["consent", "at", "1", "1", "--time", "yesterday"], "time: 'yesterday' is no time"),
        (["consent", "at", "1", "1", "--time", "2026-01-01T00:00:00"], "has no offset"),
        (["consent", "at", "1", "1", "--time", "1" * 20], "is not from 0 to"),
        (["payee", "claimable", "0x12"], "is not an address"),
        (["document", "cid", "/nowhere"], "/nowhere: No such file"),
        (["document", "cid", "/"], "/: Is a directory"),
        (
            ["quote", "/nowhere.csv", "--start", "1", "--end", "2", "--pricing", "FREE"],
            "no pricing",
        ),
        (
            ["quote", "/nowhere.csv", "--start", "1", "--end", "2", "--pricing", "POOL"],
            "--total is",
        ),
        (
            ["quote", "/nowhere.csv", "--start", "1", "--end", "2", "--platform", "1"],
            "--model together",
        ),
        (["quote", "/nowhere.csv", "--start", "1", "--end", "2"], "/nowhere.csv: No such file"),
    ],
)
def test_wrong_input_is_one_line_on_stderr_and_code_2(
    bare: Command, arguments: list[str], said: str
) -> None:
    ran = bare(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("obbligato: ")
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_a_store_and_a_gateway_together_are_refused(bare: Command, tmp_path: Path) -> None:
    options = ("--store", tmp_path, "--gateway", "https://example.org")
    ran = bare(*options, "document", "show", CID_OF_HELLO)
    assert (ran.code, "not both" in ran.err) == (2, True)


# ---- documents


def test_the_cid_of_a_file_comes_with_its_digest(bare: Command, tmp_path: Path) -> None:
    file = tmp_path / "hello"
    file.write_bytes(b"hello")
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert bare("document", "cid", file, "--json").json == {
        "cid": CID_OF_HELLO,
        "uri": f"ipfs://{CID_OF_HELLO}",
        "sha256": f"0x{digest}",
        "size": 5,
    }


def test_a_file_that_no_block_holds_is_refused(bare: Command, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(1_048_577))
    ran = bare("document", "cid", file)
    assert (ran.code, "more than 1048576 bytes" in ran.err) == (2, True)


def canonical() -> bytes:
    """The golden licence document, which is laid out for reading, as RFC 8785 writes it."""
    golden = json.loads((ROOT / "tests/documents/golden/license-document.json").read_bytes())
    text = json.dumps(golden, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.encode()


def test_a_licence_document_is_checked(bare: Command, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    file.write_bytes(canonical())
    ran = bare("document", "check", file, "--json")
    assert ran.code == 0
    assert ran.json["type"] == "obbligato.license"
    assert ran.json["cid"] == cid_of(file.read_bytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'"schema_version":1', b'"schema_version":2'), "schema_version"),
        ((b"{", b"{ "), "not in canonical form from byte 1"),
        ((b"obbligato.license", b"obbligato.ticket"), "'obbligato.ticket' is no document"),
    ],
)
def test_a_document_that_is_wrong_says_where(
    bare: Command, tmp_path: Path, change: tuple[bytes, bytes], said: str
) -> None:
    file = tmp_path / "document.json"
    file.write_bytes(canonical().replace(*change, 1))
    ran = bare("document", "check", file)
    assert (ran.code, said in ran.err) == (2, True)


def test_evidence_is_shown_from_the_store_and_checked(
    bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    from obbligato.documents.cid import cid_from_digest

    cid = cid_from_digest(scenario.reports[0].header.evidence)
    ran = bare("--store", scenario.protocol.folder, "document", "show", f"ipfs://{cid}")
    assert ran.code == 0
    assert ran.json["totals"]["rows"] == 4
    file = tmp_path / "evidence.json"
    file.write_bytes(scenario.protocol.store.get(cid))
    assert bare("document", "check", file, "--json").json["cid"] == cid


def test_a_document_that_is_not_there_is_not_found(bare: Command, tmp_path: Path) -> None:
    ran = bare("--store", tmp_path, "document", "show", CID_OF_HELLO)
    assert (ran.code, ran.out) == (1, "")
    assert "is not in this store" in ran.err


def test_other_bytes_than_the_cid_s_are_never_shown(bare: Command, tmp_path: Path) -> None:
    from obbligato.store import EmbeddedStore

    EmbeddedStore(tmp_path).put(b"hello")
    (path,) = tmp_path.rglob(CID_OF_HELLO)
    path.write_bytes(b"hullo")
    ran = bare("--store", tmp_path, "document", "show", CID_OF_HELLO, "--raw")
    assert (ran.code, ran.out) == (1, "")
    assert "do not use it" in ran.err


# ---- terms and splits


def test_the_digest_of_terms_comes_with_their_words(bare: Command, tmp_path: Path) -> None:
    file = tmp_path / "terms.json"
    file.write_text(json.dumps(OPEN.as_json()))
    ran = bare("terms", "digest", file, "--json")
    assert ran.json["digest"] == "0x" + OPEN.digest().hex()
    training, generative = ran.json["tiers"]
    assert (training["name"], training["generation_units"]) == ("TRAINING", None)  # not offered
    assert (generative["tier"], generative["playback_units"]) == (3, 40)
    assert "A term has 365 days and renews by itself until it is revoked." in ran.json["in_words"]
    assert bare("terms", "digest", file).out.startswith("0x" + OPEN.digest().hex() + "\n")


def test_a_rate_beyond_what_json_holds_exactly_is_a_string(bare: Command, tmp_path: Path) -> None:
    terms = OPEN.as_json()
    terms["rates"][0]["grantFee"] = 2**60
    file = tmp_path / "terms.json"
    file.write_text(json.dumps(terms).replace('"18446744073709551615"', '"not offered"'))
    ran = bare("terms", "digest", file, "--json")
    assert ran.json["tiers"][0]["grant_fee_units"] == str(2**60)


def test_a_split_has_one_digest_however_it_is_written(bare: Command, tmp_path: Path) -> None:
    rows = f"account,share,role\n{BOB},300000,session musician\n{ALICE},700000,4\n"
    table, listed = tmp_path / "split.csv", tmp_path / "split.json"
    table.write_text(rows)
    listed.write_text(
        json.dumps(
            {
                "payees": [
                    {"account": ALICE, "share": 700_000, "role": 4},
                    {"account": BOB, "share": 300_000, "role": "SESSION_MUSICIAN"},
                ]
            }
        )
    )
    first, second = (bare("split", "digest", file, "--json").json for file in (table, listed))
    assert first == second
    assert [payee["role"] for payee in first["payees"]] == ["performer", "session musician"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.csv", f"account,share,role\n{ALICE},999999,4\n", "the shares sum to 999999"),
        ("s.csv", f"account,share\n{ALICE},1000000\n", "the columns are account,share,role"),
        ("s.csv", f"account,share,role\n{ALICE},1000000\n", "row 0: 2 values for 3 columns"),
        ("s.csv", f"account,share,role\n{ALICE},1e6,4\n", "row 0, share: '1e6' is not a whole"),
        ("s.csv", f"account,share,role\n{ALICE},1000000,drummer\n", "row 0, role: 'drummer'"),
        ("s.json", "{}", 'give {"payees": [...]}'),
        ("s.json", '{"payees": [1]}', "row 0: give an object with account, share, role"),
        ("s.json", "{", "not JSON"),
        ("s.json", '{"payees": [], "payees": []}', "a key appears twice"),
        ("s.json", '{"payees": [1.5]}', "1.5 is not a whole number"),
    ],
)
def test_a_split_that_is_wrong_says_where(
    bare: Command, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    ran = bare("split", "digest", file)
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_the_manifest_is_shown_without_a_node(bare: Command, scenario: Scenario) -> None:
    ran = bare("--deployment", scenario.protocol.manifest, "deployment", "show", "--json")
    assert ran.json == json.loads(scenario.protocol.manifest.read_text())
    assert (
        "RoyaltyVault" in bare("--deployment", scenario.protocol.manifest, "deployment", "show").out
    )


def test_wallets_get_a_descriptor_for_every_contract(
    bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    command = ("--deployment", scenario.protocol.manifest, "deployment", "wallets")
    written = bare(*command, tmp_path / "new" / "folder", "--json").json
    assert [Path(each).name for each in written] == [
        f"{name}-31337.json"
        for name in ("LicenseRegistry", "RoyaltyVault", "Grants", "UsageOracle", "Disputes")
    ]
    manifest = json.loads(scenario.protocol.manifest.read_text())
    for each in written:
        described = json.loads(Path(each).read_text())
        name = Path(each).name.partition("-")[0]
        (deployed,) = described["context"]["eip712"]["deployments"]
        assert deployed == {"chainId": 31337, "address": manifest["contracts"][name]["address"]}
    assert manifest["token"] in Path(written[0]).read_text()
    file = tmp_path / "file"
    file.touch()
    ran = bare(*command, file)
    assert (ran.code, "FOLDER" in ran.err) == (2, True)
