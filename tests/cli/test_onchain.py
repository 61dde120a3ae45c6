"""Commands against the story of tests/scenario.py on a real node; figures are worked by hand there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from obbligato.documents.cid import cid_from_digest
from scripts.demo.cast import GUARDIAN
from scripts.toolchain import free_ports
from tests.chain.proxy import served
from tests.cli.conftest import Command
from tests.onchain import ARTIST, COLD, DUO, LABEL, STRANGER
from tests.scenario import Scenario


def test_a_deployment_that_is_what_it_says_passes(obbligato: Command) -> None:
    ran = obbligato("deployment", "check")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("deployment: OK, ")


def test_a_deployment_with_one_key_for_two_roles_fails(
    bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    data = json.loads(scenario.protocol.manifest.read_text())
    data["roles"]["proposer"] = data["roles"]["guardian"]
    manifest = tmp_path / "31337.json"
    manifest.write_text(json.dumps(data))
    ran = bare(
        "--rpc", scenario.protocol.url, "--deployment", manifest, "deployment", "check", "--json"
    )
    assert (ran.code, ran.json["ok"]) == (1, False)
    (wrong,) = [check for check in ran.json["checks"] if check["verdict"] == "wrong"]
    assert (wrong["what"], wrong["found"]) == ("accounts with two roles", GUARDIAN.address)


def test_licences_are_listed_with_their_state_now(obbligato: Command) -> None:
    listed = obbligato("license", "list", "--json").json["licenses"]
    assert [(one["license_id"], one["state"]) for one in listed] == [
        (1, "in force"),
        (2, "in force"),
        (3, "ending"),
        (4, "ended"),
    ]
    assert listed[0]["tiers"] == ["ANALYSIS", "TRAINING", "GENERATIVE"]
    assert (listed[3]["tiers"], listed[3]["terms_id"]) == ([], 0)
    assert DUO.address in obbligato("license", "list").out


def test_a_licence_is_shown_in_numbers_and_in_words(obbligato: Command) -> None:
    shown = obbligato("license", "show", 1, "--json").json
    assert shown["owner"] == ARTIST.address
    assert [len(version["tiers"]) for version in shown["history"]] == [2, 3]
    assert shown["split"]["payees"] == [
        {"account": ARTIST.address, "share_ppm": 1_000_000, "role": "performer"}
    ]
    assert shown["terms"]["tiers"][2]["generation_units"] == 2_400
    said = obbligato("license", "show", 1).out
    assert "Generative: being part of the data of a generative model." in said
    assert "generation: 0.0024 dollars" in said


def test_a_licence_that_does_not_exist_is_not_found(obbligato: Command) -> None:
    ran = obbligato("license", "show", 9)
    assert (ran.code, ran.out) == (1, "")
    assert "no licence 9: there are 4" in ran.err


@pytest.mark.parametrize(
    ("license_id", "tier", "code"),
    [(1, "GENERATIVE", 0), (1, "analysis", 0), (1, "6", 1), (4, "1", 1), (99, "1", 1)],
)
def test_consent_is_the_exit_code(
    obbligato: Command, license_id: int, tier: str, code: int
) -> None:
    ran = obbligato("consent", "at", license_id, tier)
    assert ran.code == code
    assert ("yes, by terms" in ran.out) == (code == 0)
    assert ("absence is not consent" in ran.out) == (code == 1)


def test_consent_is_answered_for_any_moment(obbligato: Command, scenario: Scenario) -> None:
    start = scenario.reports[0].header.period_start
    # ANALYSIS came later; GENERATIVE was there from the mint on, and nothing was before it.
    assert obbligato("consent", "at", 1, "ANALYSIS", "--time", start).code == 1
    ran = obbligato("consent", "at", 1, "GENERATIVE", "--time", start, "--json")
    assert (ran.code, ran.json["consent"], ran.json["past"]) == (0, True, True)
    assert obbligato("consent", "at", 1, "GENERATIVE", "--time", "2020-01-01T00:00:00Z").code == 1
    later = obbligato("consent", "at", 1, "GENERATIVE", "--time", "2999-01-01T00:00:00+01:00")
    assert "(as it stands now)" in later.out


def test_a_payee_sees_what_its_splits_owe(obbligato: Command) -> None:
    shown = obbligato("payee", "claimable", DUO.address, "--json").json
    # 65 % of 4 413 843, rounded down; none of it claimed.
    assert shown["claimable_units"] == 2_868_997
    assert (shown["refunds_units"], shown["paid_units"]) == (0, 0)
    (split,) = shown["splits"]
    assert (split["split_id"], split["received_units"], split["share_ppm"]) == (
        2,
        4_413_843,
        650_000,
    )
    assert "$2.868997" in obbligato("payee", "claimable", DUO.address.lower()).out


def test_a_payee_sees_where_it_is_paid(obbligato: Command) -> None:
    shown = obbligato("payee", "claimable", LABEL.address, "--json").json
    assert (shown["recipient"], shown["claimable_units"]) == (COLD.address, 0)
    assert shown["paid_units"] == 1_544_845 + 50_399_949
    nobody = obbligato("payee", "claimable", "0x" + "77" * 20, "--json").json
    assert (nobody["claimable_units"], nobody["splits"]) == (0, [])


def test_reports_are_listed_in_order(obbligato: Command, scenario: Scenario) -> None:
    listed = obbligato("report", "list", "--json").json["reports"]
    assert [one["report_id"] for one in listed] == [
        "0x" + r.report_id.hex() for r in scenario.reports
    ]
    assert [one["total_units"] for one in listed] == [26_893_800, 1_000_003, 2_400_000, 240_000, 0]
    assert [one["pricing"] for one in listed] == ["METERED", "POOL", *["METERED"] * 3]
    assert "$26.893800" in obbligato("report", "list").out


def test_a_report_is_shown_by_how_its_id_begins(obbligato: Command, scenario: Scenario) -> None:
    report_id = scenario.reports[0].report_id.hex()
    shown = obbligato("report", "show", report_id[:8], "--json").json
    assert shown["report_id"] == "0x" + report_id
    assert [row["amount_units"] for row in shown["rows"]] == [
        24_000_000,
        1_200_000,
        493_800,
        1_200_000,
    ]
    assert [row["held"] for row in shown["rows"]] == [False, True, False, False]
    assert [(c["row"], c["ruled_quantity"]) for c in shown["challenges"]] == [
        (1, 300_000_000),
        (0, 14_000_000_000),
        (2, 12_346_000_000),
    ]
    said = obbligato("report", "show", "0x" + report_id).out
    assert "challenge 1 of licence 2 GENERATIVE GENERATION: 500000000 reported" in said


@pytest.mark.parametrize(
    ("report_id", "code", "said"),
    [
        ("0x123", 2, "or the first 6 digits"),
        ("0x000000", 1, "no report 0x000000"),
        ("nonsense", 2, "no report"),
    ],
)
def test_a_report_that_is_not_there_is_said_to_be_none(
    obbligato: Command, report_id: str, code: int, said: str
) -> None:
    ran = obbligato("report", "show", report_id)
    assert (ran.code, said in ran.err) == (code, True)


# ---- quotes


def period(scenario: Scenario) -> tuple[object, ...]:
    header = scenario.reports[0].header
    return "--start", header.period_start, "--end", header.period_end


def quoted(obbligato: Command, scenario: Scenario, file: Path, *options: object) -> object:
    return obbligato("quote", file, *period(scenario), *options)


def test_a_metered_quote_prices_every_row(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(
        "license_id,tier,metric,quantity\n"
        "1,GENERATIVE,GENERATION,10000000000\n2,3,3,12345000000\n3,GENERATIVE,2,1000000\n"
    )
    ran = obbligato("quote", file, *period(scenario), "--json")
    assert ran.code == 0
    assert [row["amount_units"] for row in ran.json["rows"]] == [24_000_000, 493_800, 1_200]
    assert [row["grant_needed"] for row in ran.json["rows"]] == [False, False, True]
    assert ran.json["total_units"] == 24_495_000
    assert "quote: $24.495000 METERED for 3 rows" in obbligato("quote", file, *period(scenario)).out


def test_a_pool_quote_shares_its_total(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    lines = [
        {"license_id": 1, "tier": "TRAINING", "metric": "PLAYBACK", "quantity": 3_000_000},
        {"license_id": 2, "tier": 2, "metric": 3, "quantity": 7_000_000},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = (*period(scenario), "--pricing", "pool", "--total", 1_000_003, "--json")
    ran = obbligato("quote", file, *options)
    assert [row["amount_units"] for row in ran.json["rows"]] == [300_000, 700_003]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (
            "1,3,2,1000000\n4,3,2,1000000\n",
            (),
            "row 1: the contract refused: NoConsent(licenseId=4",
        ),
        ("1,3,2,1000000\n9,3,2,1000000\n", (), "row 1: the contract refused:"),
        ("1,2,2,1000000\n", (), "row 0: the contract refused: NotOffered(licenseId=1"),
        (
            "1,2,3,3000000\n3,3,2,1000000\n",
            ("--pricing", "POOL", "--total", "5"),
            "row 1: the contract refused: NotInPool(licenseId=3",
        ),
        (
            "1,2,3,9000000\n",
            ("--pricing", "POOL", "--total", "5"),
            "row 0: the contract refused: BelowReserve(licenseId=1",
        ),
    ],
)
def test_a_refused_quote_names_the_row(
    obbligato: Command,
    scenario: Scenario,
    tmp_path: Path,
    rows: str,
    options: tuple[str, ...],
    said: str,
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"license_id,tier,metric,quantity\n{rows}")
    ran = obbligato("quote", file, *period(scenario), *options)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def test_a_quote_for_a_platform_asks_for_its_grants(
    obbligato: Command, scenario: Scenario, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("license_id,tier,metric,quantity\n1,3,2,1000000\n3,3,2,1000000\n")
    model = "0x" + scenario.reports[0].header.model_id.hex()
    granted = ("--platform", scenario.rich, "--model", model)
    assert obbligato("quote", file, *period(scenario), *granted).code == 0
    ran = obbligato("quote", file, *period(scenario), "--platform", scenario.poor, "--model", model)
    assert (ran.code, ran.out) == (1, "")
    assert "row 1: licence 3 asks for a grant for GENERATIVE" in ran.err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2,3,2,1\n1,3,2,1\n", "row 1: out of order"),
        ("1,3,2,0\n", "row 0, quantity: 0 is not from 1"),
        ("1,3,9,1\n", "row 0, metric: 9 is no metric"),
        ("1,3,2\n", "row 0: 3 values for 4 columns"),
    ],
)
def test_rows_that_are_wrong_are_named_before_a_node_is_asked(
    bare: Command, tmp_path: Path, rows: str, said: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"license_id,tier,metric,quantity\n{rows}")
    ran = bare("quote", file, "--start", "1", "--end", "2")
    assert (ran.code, said in ran.err) == (2, True), ran.err


# ---- recomputing


def test_a_true_deployment_is_recomputed_with_code_0(obbligato: Command) -> None:
    ran = obbligato("recompute")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "recompute: AGREES, 0 differences, 0 documents missing"
    shown = obbligato("recompute", "--json").json
    assert (shown["outcome"], shown["licenses"], shown["reports"], shown["rows"]) == (
        "agrees",
        4,
        5,
        8,
    )
    # The sum of what tests/scenario.py says each split received.
    assert shown["received_units"] == 1_234_140_000 + 4_413_843 + 151_200_000


def test_missing_evidence_has_a_code_of_its_own(
    bare: Command, scenario: Scenario, tmp_path: Path
) -> None:
    protocol, report = scenario.protocol, scenario.reports[1]
    blocks = Path(shutil.copytree(protocol.folder, tmp_path / "blocks"))
    (evidence,) = blocks.rglob(cid_from_digest(report.header.evidence))
    evidence.unlink()
    options = ("--rpc", protocol.url, "--deployment", protocol.manifest, "--store", blocks)
    ran = bare(*options, "recompute")
    assert ran.code == 3
    first, *_, last = ran.out.splitlines()
    assert first.startswith(f"missing: report {report.report_id.hex()}: evidence is missing")
    assert last == "recompute: MISSING EVIDENCE, 0 differences, 1 documents missing"

    (other,) = blocks.rglob(cid_from_digest(scenario.reports[0].header.evidence))
    other.write_bytes(b"{}")
    ran = bare(*options, "recompute", "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "differs")
    assert [difference["kind"] for difference in ran.json["differences"]] == ["wrong", "missing"]


def test_a_store_that_cannot_be_asked_leaves_everything_missing(
    bare: Command, scenario: Scenario
) -> None:
    protocol = scenario.protocol
    with free_ports() as port:
        gateway = f"http://127.0.0.1:{port}"
        options = ("--rpc", protocol.url, "--deployment", protocol.manifest, "--gateway", gateway)
        ran = bare(*options, "recompute", "--json")
        assert (ran.code, ran.json["outcome"]) == (3, "missing evidence")
        assert bare("--gateway", gateway, "document", "show", CID).code == 4


CID = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"


def test_a_node_that_cannot_be_asked_has_a_code_of_its_own(
    bare: Command, scenario: Scenario
) -> None:
    options = ("--deployment", scenario.protocol.manifest)
    with free_ports() as port:
        ran = bare("--rpc", f"http://127.0.0.1:{port}/v3/s3cr3t", *options, "license", "list")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.count("\n") == 1
    assert "s3cr3t" not in ran.err
    with served(lambda request: b"<html>s3cr3t</html>") as url:
        ran = bare("--rpc", url, *options, "consent", "at", 1, 1)
    assert (ran.code, "s3cr3t" in ran.err) == (4, False)


def test_settings_come_from_the_environment(
    bare: Command, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBBLIGATO_RPC_URL", scenario.protocol.url)
    monkeypatch.setenv("OBBLIGATO_DEPLOYMENT", str(scenario.protocol.manifest))
    monkeypatch.setenv("OBBLIGATO_STORE", str(scenario.protocol.folder))
    assert bare("recompute").code == 0
    assert bare("payee", "claimable", STRANGER.address).code == 0


def test_gateways_come_from_the_environment_separated_by_spaces(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        served(lambda request: b"") as first,
        served(lambda request: b"") as second,
    ):
        monkeypatch.setenv("OBBLIGATO_GATEWAYS", f"{first} {second}")
        ran = bare("document", "show", CID)
    assert ran.code == 4  # both were asked: neither answers a GET
    assert first in ran.err
    assert second in ran.err
