"""`obbligato platform` on the chain: what it sends is what the vault then says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from obbligato.chain.abis import DOLLAR
from obbligato.client import transport
from obbligato.keys import create_keystore
from scripts.demo.cast import RELAY, node_account, person
from tests.cli.conftest import Command
from tests.onchain import DAY, DOLLARS, Acts
from tests.scenario import MODEL, Scenario

ADMIN, REPORTER = node_account(19), person("a reporter of the command line's tests")


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options of a command that signs as the admin."""
    folder = tmp_path_factory.mktemp("keys")
    keystore, password = folder / "admin.json", folder / "password"
    create_keystore(keystore, "da capo", key=bytes(ADMIN.key))
    password.touch(0o600)
    password.write_text("da capo")
    return ("--keystore", str(keystore), "--password-file", str(password))


@pytest.fixture
def acts(scenario: Scenario) -> Iterator[Acts]:
    made = Acts(scenario.protocol)
    with made.undone():
        made.chain.transact(RELAY, DOLLAR, "mint", ADMIN.address, 10_000 * DOLLARS)
        yield made


def test_a_platform_from_its_registration_to_its_withdrawal(
    obbligato: Command, acts: Acts, signing: tuple[str, ...]
) -> None:
    ran = obbligato(
        "platform", "register", *signing, "--reporter", REPORTER.address.lower(), "--json"
    )
    assert ran.code == 0, ran.err
    number = ran.json["platform_id"]
    bond = acts.chain.call("RoyaltyVault", "minimumBond")
    assert ran.json == {
        "platform_id": number,
        "admin": ADMIN.address,
        "reporters": [REPORTER.address],
        "bond_units": bond,
    }
    assert acts.chain.call("RoyaltyVault", "isReporter", number, REPORTER.address)
    ran = obbligato("platform", "deposit", number, 250 * DOLLARS, *signing)
    assert ran.out == f"platform {number}: $250.000000 deposited, $250.000000 available\n"
    ran = obbligato("platform", "withdraw", number, 100 * DOLLARS, *signing)
    assert ran.code == 0
    assert f"platform {number}: $100.000000 thaws until 20" in ran.out
    shown = obbligato("platform", "show", number, "--json").json
    assert (shown["available_units"], shown["thawing_units"], shown["bond_units"]) == (
        150 * DOLLARS,
        100 * DOLLARS,
        bond,
    )
    acts.wait(acts.chain.call("RoyaltyVault", "thawPeriod") // DAY + 1)
    ran = obbligato("platform", "withdraw", number, *signing)
    assert ran.out == f"platform {number}: $100.000000 withdrawn\n"
    assert acts.chain.call(DOLLAR, "balanceOf", ADMIN.address) == 9_850 * DOLLARS - bond


def test_a_platform_shows_how_far_each_model_is_reported(
    obbligato: Command, scenario: Scenario
) -> None:
    shown = obbligato("platform", "show", scenario.rich, "--json").json
    streams = {stream["model_id"]: stream for stream in shown["streams"]}
    # Reports 1 and 5 of the story, the second of them a zero statement.
    of_model = streams["0x" + MODEL.hex()]
    assert of_model["reports"] == 2
    assert of_model["covered_until"] == scenario.reports[4].header.period_end
    assert "closing      yes" in obbligato("platform", "show", scenario.rich).out


def test_a_platform_that_does_not_exist_is_not_found(obbligato: Command) -> None:
    ran = obbligato("platform", "show", 99)
    assert (ran.code, ran.out) == (1, "")
    assert "no platform 99: there are 2" in ran.err


def test_too_small_a_bond_is_refused_before_anything_is_sent(
    obbligato: Command, acts: Acts, signing: tuple[str, ...]
) -> None:
    count = acts.chain.web3.eth.get_transaction_count(ADMIN.address)
    ran = obbligato("platform", "register", *signing, "--reporter", REPORTER.address, "--bond", "1")
    assert ran.code == 1
    assert "a bond of 1 is too small" in ran.err
    assert acts.chain.web3.eth.get_transaction_count(ADMIN.address) == count


def test_a_mistyped_reporter_is_refused(obbligato: Command, signing: tuple[str, ...]) -> None:
    wrong = REPORTER.address.swapcase().replace("0X", "0x")
    ran = obbligato("platform", "register", *signing, "--reporter", wrong)
    assert ran.code == 2
    assert "EIP-55" in ran.err


def test_whoever_signs_must_be_named(obbligato: Command) -> None:
    ran = obbligato("platform", "deposit", 1, 1)
    assert ran.code == 2
    assert "--keystore PATH, or set OBBLIGATO_KEYSTORE" in ran.err


PERIOD = ("--model", "0x" + "01" * 32, "--start", "2026-01-01", "--end", "2026-02-01")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "give files of events, or --rows, or (to submit) --zero"),
        (("a.jsonl", "--zero"), "one of them"),
        (("--zero", "--pricing", "POOL"), "total: is what a POOL shares"),
        (("--zero", "--total", "5"), "total: is what a POOL shares"),
        (("--zero", "--end", "2025-12-01"), "end: a period ends after it starts"),
        (("--zero", "--end", "2026-02-02"), "end: a period is no longer than 31 days"),
        (("--zero", "--model", "0x01"), "is not 32 bytes"),
    ],
)
def test_usage_that_no_oracle_takes_is_refused_before_it_is_asked(
    bare: Command, arguments: tuple[str, ...], reason: str
) -> None:
    ran = bare("platform", "submit", "--platform", "1", *PERIOD, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err


def test_the_oracle_must_be_named(bare: Command, scenario: Scenario) -> None:
    options = ("--deployment", scenario.protocol.manifest)
    ran = bare(*options, "platform", "submit", "--zero", "--platform", "1", *PERIOD)
    assert ran.code == 2
    assert "--oracle URL, or set OBBLIGATO_ORACLE_URL" in ran.err


def test_an_oracle_that_is_not_there_is_said_to_be_unreachable(
    bare: Command, scenario: Scenario, signing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FIRST_DELAY_SECONDS", 0.001)
    options = ("--deployment", scenario.protocol.manifest)
    oracle = ("--oracle", "http://127.0.0.1:9", *signing)
    ran = bare(*options, "platform", "status", "ab" * 16, "--platform", "1", *oracle)
    assert (ran.code, ran.out) == (4, "")
    assert "the oracle at 127.0.0.1:9 cannot be reached, or broke off: try again later" in ran.err


def test_an_api_key_of_the_environment_is_never_shown(
    bare: Command, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBBLIGATO_API_KEY", "obb_1_secret")
    options = ("--deployment", scenario.protocol.manifest)
    oracle = ("--oracle", "http://oracle.example")
    ran = bare(*options, "platform", "status", "ab" * 16, "--platform", "1", *oracle)
    assert ran.code == 2
    assert "an API key is sent over https only" in ran.err
    assert "secret" not in ran.err


def test_a_file_that_is_missing_is_named(
    bare: Command, scenario: Scenario, signing: tuple[str, ...], tmp_path: Path
) -> None:
    options = ("--deployment", scenario.protocol.manifest)
    oracle = ("--oracle", "http://127.0.0.1:9", *signing)
    missing = tmp_path / "march.jsonl"
    ran = bare(*options, "platform", "quote", missing, "--platform", "1", *PERIOD, *oracle)
    assert ran.code == 2
    assert "march.jsonl: cannot be opened (No such file" in ran.err
