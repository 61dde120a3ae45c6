"""How test files are handed to processes: the longest first, and what shares a costly fixture to one process.

xdist hands out last the files with the fewest tests. Ours with the fewest run for minutes: at the end one process
would be busy with one of them, and the others done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

SECONDS: Final = {
    "tests/backend/test_schemathesis.py": 103,
    "tests/end_to_end/test_examples.py": 79,
    "tests/end_to_end/test_up.py": 73,
    "tests/end_to_end/test_demo.py": 44,
    "tests/backend/test_processes.py": 40,
    "tests/tooling/test_wheel.py": 40,
    "tests/oracle/test_one_process.py": 30,
}
"""Files of few tests that take long, about; a test holds these names to files that are there."""

TOGETHER: Final = {
    "tests/end_to_end/test_examples.py": "tests/end_to_end/test_up.py",
}
"""By file: the one with which it runs in the same process. These talk to the same running `make up`."""


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Whole files, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return leader(nodeid)


def leader(nodeid: str) -> str:
    """The file of a test, or the file with which that goes."""
    file = nodeid.split("::", 1)[0]
    return TOGETHER.get(file, file)


def order(nodeids: Sequence[str]) -> Callable[[str], Any]:
    """The key to sort tests by: files that take longest, then those with the most tests; tests of a file stay."""
    sizes = Counter(map(leader, nodeids))
    seconds: Counter[str] = Counter()
    for file, known in SECONDS.items():
        seconds[leader(file)] += known

    def key(nodeid: str) -> tuple[int, int, str]:
        file = leader(nodeid)
        return -seconds[file], -sizes[file], file

    return key
