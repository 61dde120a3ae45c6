"""A silenced warning says why."""

import pytest

from scripts.suppressions import unexplained


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa: E501",
        "x = 1  # type: ignore[misc]",
        "// slither-disable-next-line timestamp\nx;",
        "/* */ // solhint-disable-line no-empty-blocks",
        "// slither-disable-next-line timestamp\n// slither-disable-next-line calls-loop\nx;",
    ],
)
def test_a_bare_suppression_is_found(text: str) -> None:
    assert list(unexplained(text))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa: E501 -- a published vector, kept whole",
        "x = 1  # type: ignore[misc]  # the library has no types",
        "// The window is days long: seconds do not matter.\n// slither-disable-next-line timestamp",
        "// solhint-disable-next-line no-empty-blocks -- nothing to set up",
        "// slither-disable-end timestamp",
    ],
)
def test_an_explained_suppression_passes(text: str) -> None:
    assert not list(unexplained(text))
