"""What `make prove` counts as proved, and its two solvers' race."""

from __future__ import annotations

import sys
from typing import Any

from scripts.prove.run import declared, unproved
from scripts.prove.solver import first_answer


def results(**changed: Any) -> dict[str, Any]:
    """Halmos's report of one proof, as `--json-output` writes it."""
    proof = {"name": "check_a(uint256)", "exitcode": 0, "num_bounded_loops": 0, **changed}
    return {"test_results": {"tests/symbolic/A.t.sol:ATest": [proof]}}


def prints(text: str, *, after_seconds: float = 0) -> list[str]:
    """A command that prints a text and ends, or keeps still for a time first."""
    return [sys.executable, "-c", f"import time; time.sleep({after_seconds}); print({text!r})"]


def test_a_proof_that_halmos_finished_counts() -> None:
    assert unproved(results(), {"check_a"}) == []


def test_a_proof_that_was_refuted_or_undecided_does_not_count() -> None:
    assert unproved(results(exitcode=2), {"check_a"}) == [
        "check_a: not proved, halmos says why above"
    ]


def test_a_proof_that_stopped_at_a_loop_does_not_count() -> None:
    assert unproved(results(num_bounded_loops=1), {"check_a"}) == [
        "check_a: a loop was cut short, so not all of it was looked at"
    ]


def test_a_proof_that_never_ran_does_not_count() -> None:
    assert unproved(results(), {"check_a", "check_b"}) == ["check_b: did not run"]


def test_the_proofs_are_those_of_the_sources() -> None:
    names = declared()
    assert "check_noLaneSpillsIntoAnother" in names
    assert "check_revokingLeavesThePast" in names
    assert all(name.startswith("check_") for name in names)


def test_the_solver_that_does_not_know_leaves_the_answer_to_the_other() -> None:
    assert first_answer([prints("unknown"), prints("unsat")], 30) == "unsat\n"


def test_the_first_answer_waits_for_no_other_solver() -> None:
    assert first_answer([prints("sat", after_seconds=600), prints("unsat")], 30) == "unsat\n"


def test_no_answer_in_time_is_unknown() -> None:
    assert first_answer([prints("unsat", after_seconds=600)], 0.1) == "unknown\n"
