"""The numbered words are those of the rules page, and errors say where and what."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from obbligato import errors
from obbligato.documents.cid import cid_of
from obbligato.protocol.constants import ALL_FLAGS, ALL_TIERS, Flag, Metric, Role, Tier
from tests.protocol.vectors import data, vectors

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "rules.md").read_text().split())


@pytest.mark.parametrize(
    ("kind", "opening"),
    [(Tier, "Tier 1 "), (Metric, "Metric 1 "), (Flag, "Flags (`uint16`): ")],
)
def test_numbered_words_are_those_of_the_rules_page(
    kind: type[IntEnum] | type[Flag], opening: str
) -> None:
    sentence = PAGE[PAGE.index(opening) :].split(".")[0]
    stated = {name: int(number) for number, name in re.findall(r"(\d+) ([A-Z_]{4,})", sentence)}
    assert stated == {member.name: member.value for member in kind}


def test_roles_are_those_of_the_rules_page() -> None:
    sentence = PAGE[PAGE.index("Role (`uint8`)") :].split(".")[0]
    stated = {
        name.replace(" ", "_").upper(): int(number)
        for number, name in re.findall(r"(\d) ([a-z ]+)", sentence)
    }
    assert stated == {role.name: role.value for role in Role}


def test_the_masks_of_everything_hold_every_word() -> None:
    assert ALL_TIERS == 0b111111
    assert ALL_FLAGS == 0b1111111


@pytest.mark.parametrize("vector", vectors("cids"))
def test_cids_of_raw_blocks_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    block = data(vector["input"]["bytes"]) * vector["input"]["times"]
    assert len(block) == vector["expected"]["length"]
    assert cid_of(block) == vector["expected"]["cid"]


def test_every_error_is_in_the_tree_that_opens_the_module() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ObbligatoError)
    }
    assert errors.__doc__ is not None
    assert defined == set(
        re.findall(r"^[│├└─ ]*([A-Z]\w+)(?:\s{2,}| \(|$)", errors.__doc__, re.MULTILINE)
    )


def test_errors_say_where_and_what() -> None:
    assert str(errors.InputError("is zero", field="share", row=3)) == "row 3, share: is zero"
    assert str(errors.InputError("is zero")) == "is zero"
    assert isinstance(errors.InputError("is zero"), ValueError)
    refused = errors.ContractRefused("NoConsent", {"licenseId": 7, "tier": 4})
    assert str(refused) == "the contract refused: NoConsent(licenseId=7, tier=4)"
    assert isinstance(refused, errors.RefusedError)
    mismatch = errors.DigestMismatch("block", expected=b"\1", found=b"\2")
    assert str(mismatch).startswith("block hashes to 0x02, not to 0x01")
