"""HMAC in SQL equals the standard library's."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from obbligato.errors import InputError
from obbligato.metering.workbench import salt_parameters, salted_hash_sql, workbench


@pytest.mark.parametrize("size", [16, 63, 64, 65, 200])
@pytest.mark.parametrize("text", ["1", "caf\u00e9 \U0001f3b5", "x" * 200])
def test_a_salted_hash_is_an_hmac(tmp_path: Path, size: int, text: str) -> None:
    salt = bytes(range(size))
    with workbench(tmp_path, small=True) as connection:
        found = connection.execute(
            f"SELECT {salted_hash_sql('event', '$text')}", salt_parameters(salt) | {"text": text}
        ).fetchall()
    assert found == [(hmac.digest(salt, f"event:{text}".encode(), hashlib.sha256),)]


def test_nothing_has_no_hash_and_a_short_salt_is_refused(tmp_path: Path) -> None:
    with workbench(tmp_path, small=True) as connection:
        sql = f"SELECT {salted_hash_sql('output', 'NULL')}"
        assert connection.execute(sql, salt_parameters(bytes(16))).fetchall() == [(None,)]
    with pytest.raises(InputError, match="16"):
        salt_parameters(bytes(15))
