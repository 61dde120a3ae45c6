"""`obbligato consent check` against the story, with a recording or two more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from obbligato.documents.license import Recording, license_document
from obbligato.protocol.constants import Tier
from tests.cli.conftest import Command
from tests.onchain import ARTIST, DUO, Acts, raw_terms, split
from tests.scenario import MODEL, OPEN, Scenario

SOLE, SHARED = "USUG12400910", "AA6Q72000047"


@pytest.fixture(scope="module")
def recordings(scenario: Scenario) -> Iterator[Acts]:
    """Licences 5 to 7: one recording of its own, and one that two licences claim."""
    acts = Acts(scenario.protocol)
    with acts.undone():
        for owner, isrc, title in ((ARTIST, SOLE, "a"), (ARTIST, SHARED, "b"), (DUO, SHARED, "c")):
            content = hashlib.sha256(title.encode()).digest()
            recording = Recording(
                title=title, artists=("Somebody",), isrc=isrc, content_hash=content
            )
            document = license_document(recording=recording, terms=OPEN)
            acts.protocol.store.put(document.to_bytes())
            acts.chain.transact(
                owner,
                "LicenseRegistry",
                "mintWith",
                owner.address,
                raw_terms(OPEN),
                [(p.account, p.share, int(p.role)) for p in split((owner, 1_000_000)).payees],
                document.digest(),
                content,
            )
        yield acts


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "wanted.csv"
    path.write_text(text)
    return path


def test_every_line_is_answered_with_its_reason(
    obbligato: Command, recordings: Acts, tmp_path: Path
) -> None:
    text = "title,license_id,isrc\none,1,\nfour,4,\nnone,99,\na,,US-UG1-24-00910\nb,,AA6Q72000047\nz,,QZZZZ9900001\n"
    ran = obbligato("consent", "check", csv_file(tmp_path, text), "--tier", "GENERATIVE", "--json")
    assert ran.code == 1
    assert (ran.json["yes"], ran.json["no"]) == (2, 4)
    found = [(a["line"], a["license_id"], a["consent"], a["reason"]) for a in ran.json["answers"]]
    assert found == [
        (2, 1, True, "by terms 4"),
        (3, 4, False, "no consent"),
        (4, 99, False, "no licence"),
        (5, 5, True, "by terms 1"),
        (6, None, False, "licences 6, 7 claim it: ask by license_id"),
        (7, None, False, "no licence"),
    ]


def test_when_all_are_allowed_the_exit_code_is_0(
    obbligato: Command, recordings: Acts, tmp_path: Path
) -> None:
    path = tmp_path / "wanted.jsonl"
    lines = [{"license_id": 1}, {"isrc": SOLE, "tier": "training"}, {"license_id": "2", "tier": 2}]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    ran = obbligato("consent", "check", path, "--tier", "3")
    assert ran.code == 0
    assert "3 yes, 0 no (as it stands now)" in ran.out


def test_a_tier_the_terms_do_not_offer_is_a_no(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    ran = obbligato("consent", "check", csv_file(tmp_path, "license_id\n1\n"), "--tier", "VOICE")
    assert ran.code == 1
    assert "no consent" in ran.out
    assert "0 yes, 1 no" in ran.out


def test_a_no_of_before_and_after_says_since_when(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, "license_id,tier\n1,ANALYSIS\n3,GENERATIVE\n")
    # ANALYSIS was added to licence 1 long after the first report's period began.
    before = scenario.reports[0].header.period_start
    ran = obbligato("consent", "check", path, "--at", before, "--json")
    assert ran.json["past"] is True
    assert ran.json["answers"][0]["reason"].startswith("no consent before 20")
    registry = scenario.protocol.chain
    ends_at = registry.call("LicenseRegistry", "consentAt", 3, 3, 2**40 - 2)
    assert ends_at is False  # licence 3 was revoked
    ran = obbligato("consent", "check", path, "--at", "2999-01-01", "--json")
    assert ran.json["answers"][1]["reason"].startswith("no consent since 20")


def test_every_answer_is_the_registrys(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    uses = [(licence, tier) for licence in range(1, 6) for tier in Tier]
    text = "license_id,tier\n" + "".join(f"{licence},{tier.name}\n" for licence, tier in uses)
    chain = scenario.protocol.chain
    start = scenario.reports[0].header.period_start
    for at in (
        start - 1,
        start,
        start + 40 * 86_400,
        chain.web3.eth.get_block("latest")["timestamp"],
    ):
        ran = obbligato("consent", "check", csv_file(tmp_path, text), "--at", at, "--json")
        for (licence, tier), answer in zip(uses, ran.json["answers"], strict=True):
            consent = chain.call("LicenseRegistry", "consentAt", licence, int(tier), at)
            asks_for_grant = answer["reason"].startswith("asks for a grant")
            assert (answer["consent"] or asks_for_grant) == consent, (at, licence, tier)


def test_a_grant_makes_a_yes_for_the_platform_and_model_that_hold_it(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, "license_id,tier\n3,GENERATIVE\n")
    at = scenario.reports[0].header.period_start + 60
    ran = obbligato("consent", "check", path, "--at", at)
    assert ran.code == 1
    assert "asks for a grant: buy one first" in ran.out
    platform = ("--platform", scenario.rich, "--model")
    ran = obbligato("consent", "check", path, "--at", at, *platform, "0x" + MODEL.hex())
    assert ran.code == 0
    assert "and a grant" in ran.out
    ran = obbligato("consent", "check", path, "--at", at, *platform, "0x" + "77" * 32)
    assert ran.code == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "give a column license_id or isrc"),
        ("title\nx\n", "give a column license_id or isrc"),
        ("license_id,license_id\n1,2\n", "each column once"),
        ("license_id\n", "asks for nothing"),
        ("license_id,isrc\n1,USUG12400910\n", "line 2: give license_id or isrc"),
        ("license_id,isrc\n1,\n,\n", "line 3: give license_id or isrc"),
        ("license_id\n1\n1.5\n", "line 3: license_id: '1.5' is not the number"),
        ("license_id\n-1\n", "line 2: license_id"),
        ("license_id\n4294967296\n", "line 2: license_id"),
        ("isrc\nUS-1\n", "line 2: isrc: 'US-1' is not an ISRC"),
        ("license_id,tier\n1,TRAINIG\n", "line 2: tier"),
        ("license_id,tier\n1\n", "line 2: 1 values for 2 columns"),
    ],
)
def test_a_line_that_asks_for_nothing_is_named(
    bare: Command, tmp_path: Path, text: str, reason: str
) -> None:
    ran = bare("consent", "check", csv_file(tmp_path, text), "--tier", "TRAINING")
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err


def test_a_line_without_a_tier_needs_the_option(bare: Command, tmp_path: Path) -> None:
    ran = bare("consent", "check", csv_file(tmp_path, "license_id\n1\n"))
    assert ran.code == 2
    assert "give a column tier, or --tier" in ran.err


def test_an_isrc_needs_the_documents(bare: Command, scenario: Scenario, tmp_path: Path) -> None:
    protocol = scenario.protocol
    path = csv_file(tmp_path, f"isrc\n{SOLE}\n")
    options = ("--rpc", protocol.url, "--deployment", protocol.manifest)
    ran = bare(*options, "consent", "check", path, "--tier", "TRAINING")
    assert ran.code == 2
    assert "say where documents are" in ran.err
