"""No act of the protocol grows dearer unseen: bench/gas-snapshot.json holds what each cost when it was last agreed."""

from __future__ import annotations

import warnings

import pytest

from scripts.bench import snapshot
from scripts.bench.artefacts import Artefacts

REWRITE = (
    "if it is meant, `make snapshot` rewrites bench/gas-snapshot.json: commit it with its reason"
)


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    """What the acts cost now, on a chain of their own."""
    compiled = Artefacts()
    if not compiled.compiler()["optimizer"]["enabled"]:
        pytest.skip("compiled for coverage, without the optimiser: gas says nothing")
    return snapshot.measure(compiled)


def test_no_act_costs_more_than_the_snapshot(measured: dict[str, int]) -> None:
    agreed = snapshot.read()
    grown = [
        f"{act}: {agreed[act]} -> {gas} (+{gas - agreed[act]})"
        for act, gas in measured.items()
        if gas > agreed.get(act, gas)
    ]
    assert not grown, "\n".join(["gas has grown:", *grown, REWRITE])


def test_the_snapshot_has_exactly_the_acts_that_are_measured(measured: dict[str, int]) -> None:
    assert sorted(snapshot.read()) == sorted(measured), f"acts were added or removed; {REWRITE}"


def test_acts_that_became_cheaper_are_told(measured: dict[str, int]) -> None:
    agreed = snapshot.read()
    shrunk = [
        f"{act}: {agreed[act]} -> {gas}"
        for act, gas in measured.items()
        if gas < agreed.get(act, gas) * 0.99
    ]
    if shrunk:
        warnings.warn(
            "\n".join(["gas has shrunk by more than 1 %; `make snapshot` keeps it:", *shrunk]),
            stacklevel=1,
        )
