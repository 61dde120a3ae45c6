"""Exporting everything a deployment refers to, and importing it elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from obbligato.documents.cid import cid_from_digest, cid_of
from obbligato.store import EmbeddedStore, read_car, write_car
from scripts.toolchain import ROOT
from tests.cli.conftest import Command
from tests.scenario import Scenario

KUBOS_FOLDER = ROOT / "tests/store/golden/kubo-folder.car"
# Of the story: four licences and one amendment; three texts, since OPEN and WIDER share one; the evidence of five
# reports, of which one is a zero statement and has no chunk.
DOCUMENTS, TEXTS, EVIDENCE, CHUNKS = 5, 3, 5, 4


def blocks_of(car: Path) -> dict[str | None, bytes]:
    with car.open("rb") as stream:
        return dict(read_car(stream))


def test_what_was_exported_is_all_that_a_recomputation_needs(
    obbligato: Command, bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    car, folder = tmp_path / "all.car", tmp_path / "elsewhere"
    ran = obbligato("document", "export", car, "--json")
    assert (ran.code, ran.err) == (0, "")
    count = DOCUMENTS + TEXTS + EVIDENCE + CHUNKS
    size = car.stat().st_size
    assert ran.json == {"file": str(car), "blocks": count, "size": size, "missing": []}
    assert list(tmp_path.iterdir()) == [car]  # and nothing half-written beside it

    EmbeddedStore(folder)
    ran = bare("--store", folder, "document", "import", car, "--json")
    held = [file.read_bytes() for file in (folder / "blocks").rglob("*") if file.is_file()]
    size = sum(map(len, held))
    assert ran.json == {"file": str(car), "blocks": count, "size": size, "passed_over": 0}
    assert len(held) == count
    options = (
        "--rpc",
        scenario.protocol.url,
        "--deployment",
        scenario.protocol.manifest,
        "--store",
        folder,
    )
    assert bare(*options, "recompute").code == 0


def test_reports_are_exported_with_the_licences_in_their_rows(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    pool, zero = scenario.reports[1], scenario.reports[4]
    car = tmp_path / "some.car"
    reports = [word for report in (pool, zero) for word in ("--report", report.report_id.hex())]
    ran = obbligato("document", "export", car, *reports)
    # The pool report is of licences 1 and 2, which share a text; licence 1 was amended once.
    count = 3 + 1 + 2 + 1
    assert ran.out == f"{car}: {count} blocks, {car.stat().st_size} bytes; 0 missing\n"
    blocks = blocks_of(car)
    assert len(blocks) == count
    assert cid_from_digest(pool.header.evidence) in blocks
    assert cid_from_digest(scenario.reports[0].header.evidence) not in blocks


def test_what_is_missing_is_listed_with_code_3(
    bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    protocol, car = scenario.protocol, tmp_path / "all.car"
    folder = Path(shutil.copytree(protocol.folder, tmp_path / "blocks"))
    lost, spoilt = (cid_from_digest(report.header.evidence) for report in scenario.reports[:2])
    next(folder.rglob(lost)).unlink()
    next(folder.rglob(spoilt)).write_bytes(b"other bytes")
    options = ("--rpc", protocol.url, "--deployment", protocol.manifest, "--store", folder)
    ran = bare(*options, "document", "export", car, "--json")
    assert ran.code == 3
    reports = [f"0x{report.report_id.hex()}" for report in scenario.reports[:2]]
    assert [(one["cid"], one["what"]) for one in ran.json["missing"]] == [
        (None, f"chunks of the evidence of report {reports[0]}"),
        (None, f"chunks of the evidence of report {reports[1]}"),
        (lost, f"evidence of report {reports[0]}"),
        (spoilt, f"evidence of report {reports[1]}"),
    ]
    # Neither evidence, nor the one chunk that each of them names.
    assert ran.json["blocks"] == len(blocks_of(car)) == DOCUMENTS + TEXTS + EVIDENCE + CHUNKS - 4
    assert bare(*options, "document", "export", car).out.startswith(
        "missing: chunks of the evidence"
    )


def test_a_file_that_cannot_be_written_is_named(obbligato: Command, tmp_path: Path) -> None:
    ran = obbligato("document", "export", tmp_path / "nowhere" / "all.car")
    assert (ran.code, ran.out) == (2, "")
    assert f"cannot write {tmp_path}/nowhere/all.car: No such file or directory" in ran.err


# ---- importing what others exported


def test_a_folder_from_kubo_gives_its_files(bare: Command, tmp_path: Path) -> None:
    ran = bare("--store", tmp_path, "document", "import", KUBOS_FOLDER)
    assert ran.out == f"{KUBOS_FOLDER}: 2 blocks, 9 bytes, 1 sections of other kinds passed over\n"
    assert EmbeddedStore(tmp_path).get(cid_of(b"alpha")) == b"alpha"


def test_a_file_that_breaks_off_says_what_was_stored(bare: Command, tmp_path: Path) -> None:
    store, car = EmbeddedStore(tmp_path / "from"), tmp_path / "two.car"
    with car.open("wb") as out:
        write_car([store.put(b"one"), store.put(b"two")], store, out)
    car.write_bytes(car.read_bytes()[:-1])
    EmbeddedStore(tmp_path / "to")
    ran = bare("--store", tmp_path / "to", "document", "import", car)
    assert (ran.code, ran.out) == (2, "")
    assert "the file ends 1 bytes too early" in ran.err
    assert "1 blocks before that were stored" in ran.err


def test_blocks_are_imported_into_a_folder_only(bare: Command, tmp_path: Path) -> None:
    ran = bare("--gateway", "https://example.org", "document", "import", KUBOS_FOLDER)
    assert (ran.code, "name a block folder" in ran.err) == (2, True)
    ran = bare("--store", tmp_path, "document", "import", tmp_path / "none.car")
    assert (ran.code, f"cannot read {tmp_path}/none.car" in ran.err) == (2, True)
