"""How far a submission is shown to be, from its parts: worked by hand."""

from __future__ import annotations

import pytest

from obbligato.schemas.oracle import State
from oracle.states import ORDER, overall


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["settled"], "settled"),
        (["settled", "challengeable"], "challengeable"),
        (["challengeable", "contested", "settled"], "contested"),
        (["challengeable", "signed"], "signed"),
        (["submitted", "attested"], "attested"),
        (["unfunded", "signed"], "unfunded"),
        (["unfunded", "validated"], "validated"),
        (["settled", "rejected", "validated"], "rejected"),
    ],
)
def test_what_waits_for_the_platform_is_shown_before_the_least_advanced_part(
    parts: list[str], shown: str
) -> None:
    assert overall(parts) == shown


def test_every_state_of_a_part_has_its_place() -> None:
    no_part = {"received", "quoted", "withdrawn"}
    assert {state.value for state in ORDER} == {state.value for state in State} - no_part
