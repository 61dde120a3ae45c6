"""The client and the command line of a platform against a real leader, attesters and chain."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obbligato.cli.app import run
from obbligato.client import (
    ApiProblem,
    AsyncOracleClient,
    Expected,
    HeaderRefused,
    OracleClient,
    State,
    Usage,
)
from obbligato.keys import LocalSigner, create_keystore
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from scripts.demo.cast import METERED_PLATFORM
from tests.oracle.environment import PATIENCE, RATE, OracleEnv, write

PASSWORD = "da capo al fine"
SETTINGS = ("ORACLE_URL", "KEYSTORE", "PASSWORD_FILE", "API_KEY", "GATEWAYS")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keystores of a platform's admin and reporter, and their password."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "password").touch(0o600)
    (folder / "password").write_text(PASSWORD)
    for name in ("admin", "reporter"):
        key = bytes(getattr(METERED_PLATFORM, name).key)
        create_keystore(folder / f"{name}.json", PASSWORD, key=key)
    return folder


Command = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def platform(
    oracle_env: OracleEnv,
    keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """`obbligato platform … --json` as the reporter (or `who`): exit code, data, stderr."""
    for name in SETTINGS:
        monkeypatch.delenv(f"OBBLIGATO_{name}", raising=False)
    protocol = oracle_env.protocol
    monkeypatch.setenv("OBBLIGATO_RPC_URL", protocol.url)
    monkeypatch.setenv("OBBLIGATO_DEPLOYMENT", str(protocol.manifest))
    monkeypatch.setenv("OBBLIGATO_STORE", str(protocol.folder))
    monkeypatch.setenv("OBBLIGATO_ORACLE_URL", oracle_env.leader.url)
    monkeypatch.setenv("OBBLIGATO_PASSWORD_FILE", str(keys / "password"))

    def command(*arguments: object, who: str | None = "reporter") -> tuple[int, Any, str]:
        keystore = () if who is None else ("--keystore", str(keys / f"{who}.json"))
        words = [
            str(each) for each in (*arguments, "--platform", oracle_env.platform_id, *keystore)
        ]
        code = int(run(["platform", *words, "--json"]))
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return command


@pytest.fixture
def mining(oracle_env: OracleEnv) -> Iterator[None]:
    """Blocks come, as they do on a chain."""
    over = threading.Event()

    def mine() -> None:
        while not over.wait(0.2):
            oracle_env.acts.node("evm_mine")

    thread = threading.Thread(target=mine, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def period(oracle_env: OracleEnv) -> tuple[object, ...]:
    return ("--start", oracle_env.period[0], "--end", oracle_env.period[1])


def test_a_report_from_its_file_to_the_chain(
    oracle_env: OracleEnv, platform: Command, mining: None, tmp_path: Path
) -> None:
    model = oracle_env.model()
    path = write(tmp_path / "march.jsonl", oracle_env.events(model, [10, 20, 12]))
    asked = (path, "--model", "0x" + model.hex(), *period(oracle_env))
    # Licence 1 has 22 generations, licence 2 has 20, at 2 400 millionths of a dollar each.
    code, quoted, err = platform("quote", *asked)
    assert code == 0, err
    assert quoted["state"] == "quoted"
    assert quoted["summary"]["total_units"] == 42 * RATE
    rows = [
        (row["license_id"], row["quantity"], row["amount_units"])
        for row in quoted["reports"][0]["priced_rows"]
    ]
    first, second = oracle_env.licenses
    assert rows == [(first, 22_000_000, 22 * RATE), (second, 20_000_000, 20 * RATE)]
    # Nobody is there to ask; and no more is signed than is allowed.
    code, _, err = platform("submit", *asked)
    assert (code, "give --yes" in err) == (2, True)
    code, _, err = platform("submit", *asked, "--yes", "--most", 42 * RATE - 1)
    assert (code, "more than the 100799 allowed" in err) == (1, True)
    assert oracle_env.happened(model) == []
    code, done, err = platform("submit", *asked, "--yes", "--most", 42 * RATE)
    assert code == 0, err
    assert done["state"] == "challengeable"
    (event,) = oracle_env.happened(model)
    assert "0x" + event["reportId"].hex() == done["reports"][0]["report_id"]
    # Run again it finds what it did, and nothing is reported twice.
    code, again, _ = platform("submit", *asked, "--yes")
    assert (code, again["id"]) == (0, done["id"])
    assert len(oracle_env.happened(model)) == 1
    code, shown, _ = platform("status", done["id"])
    assert (code, shown["reports"][0]["attestations"][0]["outcome"]) == (0, "signed")
    code, listed, _ = platform("list")
    assert {done["id"], quoted["id"]} <= {item["id"] for item in listed["submissions"]}


def test_a_zero_statement_and_ready_rows(
    oracle_env: OracleEnv, platform: Command, mining: None, tmp_path: Path
) -> None:
    model = "0x" + oracle_env.model().hex()
    code, done, err = platform("submit", "--zero", "--model", model, *period(oracle_env), "--yes")
    assert code == 0, err
    assert (done["summary"]["rows"], done["summary"]["total_units"]) == (0, 0)
    rows = tmp_path / "rows.csv"
    rows.write_text(
        f"license_id,tier,metric,quantity\n{oracle_env.licenses[0]},GENERATIVE,GENERATION,2500000\n"
    )
    asked = ("--rows", rows, "--model", "0x" + oracle_env.model().hex(), *period(oracle_env))
    code, quoted, err = platform("quote", *asked)
    assert code == 0, err
    assert quoted["summary"]["total_units"] == 6_000  # two and a half generations


def test_wrong_lines_are_shown_by_file_line_and_field(
    oracle_env: OracleEnv, platform: Command, tmp_path: Path
) -> None:
    model = oracle_env.model()
    events = oracle_env.events(model, [1, 2, 3])
    events[1]["units"] = 1.5
    path = write(tmp_path / "march.jsonl", events)
    asked = (path, "--model", "0x" + model.hex(), *period(oracle_env))
    code, found, err = platform("submit", *asked, "--yes")
    assert (code, found) == (2, None)  # seen here, before anything was sent
    assert "march.jsonl, line 2, units" in err
    # Whoever sends it nevertheless is told the same by the oracle.
    with oracle_env.client() as client:
        usage = Usage(model, *oracle_env.period, files=(client.upload(path),))
        sent = client.wait(client.submit(usage).id, State.VALIDATED, timeout_seconds=PATIENCE)
    assert sent.state is State.REJECTED
    assert sent.problem is not None
    assert [(e.file, e.line, e.field) for e in sent.problem.errors] == [("march.jsonl", 2, "units")]
    code, found, err = platform("quote", *asked, "--skip-invalid")
    assert code == 0, err
    assert found["summary"]["skipped"] == 1
    assert found["summary"]["rejections"][0]["line"] == 2
    assert found["summary"]["total_units"] == 4 * RATE


def test_an_api_key_sends_and_looks_but_does_not_sign(
    oracle_env: OracleEnv, platform: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = ("--scope", "reports:write", "--scope", "reports:read", "--label", "nightly")
    code, made, err = platform("key", "create", *scopes, who="admin")
    assert code == 0, err
    model = oracle_env.model()
    path = write(tmp_path / "march.jsonl", oracle_env.events(model, [5]))
    asked = (path, "--model", "0x" + model.hex(), *period(oracle_env))
    monkeypatch.setenv("OBBLIGATO_API_KEY", made["key"])
    code, sent, err = platform("submit", *asked, "--wait", "validated", who=None)
    assert code == 0, err
    assert sent["state"] == "validated"
    code, _, err = platform("submit", *asked, "--yes", who=None)
    assert (code, "name the key that signs" in err) == (2, True)
    code, _, err = platform("quote", *asked, who=None)
    assert (code, "403" in err) == (1, True)
    code, taken, err = platform("take-back", sent["id"], who=None)
    assert (code, taken["state"]) == (0, "withdrawn"), err
    code, known, _ = platform("key", "list", who="admin")
    assert [key["label"] for key in known["keys"] if key["id"] == made["id"]] == ["nightly"]
    assert made["key"] not in json.dumps(known)
    assert platform("key", "revoke", made["id"], who="admin")[0] == 0
    code, _, err = platform("status", sent["id"], who=None)
    assert code == 1
    assert "revoked" in err
    assert made["key"] not in err


async def test_the_asynchronous_client_does_the_same(
    oracle_env: OracleEnv, mining: None, tmp_path: Path
) -> None:
    model = oracle_env.model()
    path = write(tmp_path / "march.jsonl", oracle_env.events(model, [7]))
    deployment = oracle_env.protocol.chain.deployment
    seen: list[tuple[str, int, int]] = []
    async with AsyncOracleClient(
        oracle_env.leader.url,
        platform_id=oracle_env.platform_id,
        chain_id=deployment.chain_id,
        oracle=deployment.address("UsageOracle"),
        signer=LocalSigner(bytes(METERED_PLATFORM.reporter.key)),
    ) as client:
        uploaded = await client.upload(path, progress=lambda *scenario: seen.append(scenario))
        size = path.stat().st_size
        assert ("send march.jsonl", size, size) in seen
        usage = Usage(model, *oracle_env.period, files=(uploaded,))
        first, second = await asyncio.gather(client.submit(usage), client.submit(usage))
        assert first.id == second.id
        metered = await client.wait(first.id, State.VALIDATED, timeout_seconds=PATIENCE)
        await client.sign(metered, Expected(oracle_env.platform_id, usage, most=7 * RATE))
        done = await client.wait(first.id, State.CHALLENGEABLE, timeout_seconds=PATIENCE)
    assert done.state is State.CHALLENGEABLE
    assert [event["reportId"] for event in oracle_env.happened(model)] == [
        done.reports[0].report_id
    ]


def test_what_is_in_the_platforms_own_files_is_compared_before_it_is_signed(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, [3, 4])
        sent = client.wait(client.submit(usage).id, State.VALIDATED, timeout_seconds=PATIENCE)
        first, second = oracle_env.licenses
        use = (Tier.GENERATIVE, Metric.GENERATION)
        own: dict[tuple[int | str, Tier, Metric], int] = {
            (first, *use): 3_000_000,
            (second, *use): 4_000_001,
        }
        with pytest.raises(HeaderRefused, match="counted 4000000 millionths of a unit, the files"):
            client.sign(sent, Expected(oracle_env.platform_id, usage, sums=own))
        assert client.status(sent.id).state is State.VALIDATED
        own[second, *use] = 4_000_000
        assert (
            client.sign(sent, Expected(oracle_env.platform_id, usage, sums=own)).state
            is State.SIGNED
        )


def test_a_file_is_sent_once_and_a_wrong_one_not_at_all(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    path = write(tmp_path / "march.jsonl", oracle_env.events(oracle_env.model(), [1] * 20_000))
    sent: list[str] = []
    with oracle_env.client() as client:
        for _ in range(2):
            client.upload(path, progress=lambda what, done, total: sent.append(what))
        assert path.stat().st_size > 3 * 2**20
        # Read twice to be hashed, sent once, in blocks of a megabyte.
        blocks = path.stat().st_size // 2**20 + 1
        assert sent.count("read march.jsonl") == 2 * blocks
        assert sent.count("send march.jsonl") == blocks


def test_a_client_waits_for_an_oracle_that_is_started_again(oracle_env: OracleEnv) -> None:
    usage = Usage(
        oracle_env.model(), *oracle_env.period, rows=(Row(1, Tier.TRAINING, Metric.PLAYBACK, 1),)
    )
    found: list[object] = []
    oracle_env.leader.stop()

    def submit() -> None:
        with oracle_env.client() as client:
            found.append(client.submit(usage))

    oracle_env.leader.start()
    assert oracle_env.leader.get("/livez") == 0  # nobody answers yet
    asking = threading.Thread(target=submit)
    asking.start()
    asking.join(PATIENCE)
    oracle_env.leader.ready()
    assert len(found) == 1


def test_a_refusal_carries_the_oracles_own_words(oracle_env: OracleEnv) -> None:
    deployment = oracle_env.protocol.chain.deployment
    with (
        OracleClient(
            oracle_env.leader.url,
            platform_id=oracle_env.platform_id,
            chain_id=deployment.chain_id + 1,
            oracle=deployment.address("UsageOracle"),
            signer=LocalSigner(bytes(METERED_PLATFORM.reporter.key)),
        ) as client,
        pytest.raises(ApiProblem, match=r"401: .*did not sign this request"),
    ):
        client.submit(Usage(oracle_env.model(), *oracle_env.period))
