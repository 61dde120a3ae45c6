"""docs/platform.md: its examples are usage that the library reads, and one and the same usage."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from obbligato.client.signing import request_text
from obbligato.documents.events import UsageEvent
from obbligato.documents.file_inputs import named
from obbligato.protocol.constants import Metric, Tier
from obbligato.schemas.oracle import State
from scripts.toolchain import ROOT

PAGE = Path(ROOT, "docs", "platform.md").read_text()


def fences(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def event(values: dict[str, Any]) -> UsageEvent:
    """An event from a line of any format."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    whole = ("occurred_at", "license_id", "units", "influence_ppm")
    return UsageEvent.read(
        {
            **given,
            **{name: int(given[name]) for name in whole if name in given},
            "tier": named(Tier, given["tier"]),
            "metric": named(Metric, given["metric"]),
        }
    )


def test_the_three_formats_show_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lines,) = fences("json")
    from_json = [event(json.loads(line)) for line in lines.splitlines()]
    (table,) = fences("csv")
    from_csv = [event(values) for values in csv.DictReader(table.splitlines())]
    monkeypatch.chdir(tmp_path)
    exec(compile(fences("python")[0], "docs/platform.md", "exec"), {})
    from_parquet = [event(values) for values in pq.read_table("march.parquet").to_pylist()]
    assert len(from_json) == 2
    assert from_json == from_csv == from_parquet


def test_every_field_of_an_event_is_explained_and_no_other() -> None:
    section = PAGE.split("## 3.")[1].split("JSONL, one object")[0]
    explained = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    explained |= set(re.findall(r"^\| `\w+` or `(\w+)`", section, re.MULTILINE))
    assert explained == set(UsageEvent.model_fields)


def test_every_state_is_explained_and_no_other() -> None:
    section = PAGE.split("| state |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(State)


def test_the_program_names_what_there_is() -> None:
    program = ast.parse(fences("python")[1])
    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name)
    client = importlib.import_module("obbligato.client").OracleClient
    verbs = re.findall(r"client\.(\w+)\(", fences("python")[1])
    assert verbs == ["upload", "submit", "wait", "sign", "wait"]
    assert all(callable(getattr(client, verb)) for verb in verbs)


def test_the_text_to_sign_is_the_one_that_is_signed() -> None:
    digest = "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1"
    (shown,) = fences("text")
    assert shown.strip() == request_text(
        chain_id=31337,
        oracle="0x5FbDB2315678afecb367f032d93F642f64180aa3",
        method="POST",
        path="/v1/platforms/1/reports",
        body_digest=bytes.fromhex(digest),
        time=1_769_904_000,
    )
