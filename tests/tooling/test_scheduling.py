"""The order in which processes take test files."""

from __future__ import annotations

from scripts.toolchain import ROOT
from tests.scheduling import SECONDS, TOGETHER, leader, order


def test_files_that_are_named_are_there() -> None:
    named = {*SECONDS, *TOGETHER, *TOGETHER.values()}
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_long_files_come_first_and_those_of_one_fixture_stay_together() -> None:
    up, examples = "tests/end_to_end/test_up.py", "tests/end_to_end/test_examples.py"
    demo = "tests/end_to_end/test_demo.py"
    tests = ["a.py::one", f"{demo}::x", "b.py::one", "b.py::two", f"{examples}::x", f"{up}::x"]
    assert sorted(tests, key=order(tests)) == [
        f"{examples}::x",
        f"{up}::x",
        f"{demo}::x",
        "b.py::one",
        "b.py::two",
        "a.py::one",
    ]
    assert leader(f"{examples}::x") == leader(f"{up}::y") == up
