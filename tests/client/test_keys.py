"""Keystores and signers, against eth_account's own signing."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from obbligato.errors import InputError
from obbligato.keys import (
    LocalSigner,
    create_keystore,
    keystore_address,
    open_keystore,
    read_password,
    sign_transaction,
    sign_with,
)
from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.typed_data import Attestation, sign

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
"""The key and address of the examples in web3.js's and eth_account's documentation."""
PASSWORD = "tacet al fine"


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "reporter.json"
    create_keystore(path, PASSWORD, key=KEY)
    return path


@pytest.fixture
def copied(keystore: Path, tmp_path: Path) -> Path:
    """A keystore that a test may spoil."""
    return private(tmp_path / "copy.json", keystore.read_text())


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def test_a_keystore_opens_with_the_password_of_a_file(keystore: Path, tmp_path: Path) -> None:
    password_file = private(tmp_path / "password", PASSWORD + "\n")
    assert open_keystore(keystore, password_file).address == ADDRESS


def test_a_keystore_is_one_that_other_wallets_open(keystore: Path) -> None:
    assert bytes(Account.decrypt(json.loads(keystore.read_text()), PASSWORD)) == KEY
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600


def test_a_keystore_tells_its_address_without_its_password(keystore: Path) -> None:
    assert keystore_address(keystore) == ADDRESS


def test_a_new_keystore_holds_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    address = create_keystore(path, PASSWORD)
    assert address != ADDRESS
    assert keystore_address(path) == address


def test_a_keystore_is_never_overwritten(copied: Path) -> None:
    before = copied.read_bytes()
    with pytest.raises(InputError, match="exists: name a new file"):
        create_keystore(copied, PASSWORD)
    assert copied.read_bytes() == before


def test_a_keystore_without_a_password_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="password: is empty"):
        create_keystore(tmp_path / "open.json", "")
    assert not (tmp_path / "open.json").exists()


def test_a_wrong_password_is_refused_and_not_repeated(copied: Path) -> None:
    with pytest.raises(InputError, match="does not open") as refused:
        open_keystore(copied, prompt=lambda _: "al segno")
    assert "al segno" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_keystore_that_others_may_read_or_write_is_refused_with_the_command_to_run(
    copied: Path, mode: int
) -> None:
    copied.chmod(mode)
    with pytest.raises(InputError, match=f"chmod 600 {copied}"):
        open_keystore(copied, prompt=lambda _: PASSWORD)
    with pytest.raises(InputError, match="chmod 600"):
        keystore_address(copied)


def test_a_password_file_that_others_may_read_is_refused(keystore: Path, tmp_path: Path) -> None:
    password_file = private(tmp_path / "password", PASSWORD)
    password_file.chmod(0o644)
    with pytest.raises(InputError, match=f"chmod 600 {password_file}") as refused:
        open_keystore(keystore, password_file)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n", "one\n\n"])
def test_a_password_file_holds_one_line(keystore: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="exactly one line"):
        open_keystore(keystore, private(tmp_path / "password", text))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 3}', KEY.hex()])
def test_what_is_no_keystore_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = private(tmp_path / "other.json", text)
    with pytest.raises(InputError, match="not an encrypted keystore") as refused:
        open_keystore(path, prompt=lambda _: PASSWORD)
    assert KEY.hex() not in str(refused.value)


def test_a_keystore_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "other.json", "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not text"):
        open_keystore(path, prompt=lambda _: PASSWORD)


def test_a_missing_keystore_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json cannot be used: No such file"):
        open_keystore(tmp_path / "nowhere.json", prompt=lambda _: PASSWORD)


def test_without_a_terminal_a_password_file_is_asked_for(copied: Path) -> None:
    with pytest.raises(InputError, match="give a password file"):
        open_keystore(copied)


def test_a_new_password_is_typed_twice() -> None:
    typed = iter(["one", "one"])
    assert read_password(None, prompt=lambda _: next(typed)) == "one"
    typed = iter(["one", "two"])
    with pytest.raises(InputError, match="not the same twice"):
        read_password(None, prompt=lambda _: next(typed))


def test_a_signer_shows_its_address_and_never_its_key() -> None:
    signer = LocalSigner(KEY)
    for shown in (repr(signer), str(signer), f"{signer}", f"{[signer]}"):
        assert ADDRESS in shown
        assert KEY.hex() not in shown.lower()
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("key", [b"", b"\0" * 32, b"\1" * 31, b"\xff" * 32])
def test_what_is_no_key_is_refused_and_not_repeated(key: bytes) -> None:
    with pytest.raises(InputError, match="not a private key") as refused:
        LocalSigner(key)
    assert refused.value.__cause__ is None


def test_a_signer_signs_a_message_as_its_account_does() -> None:
    domain = Domain(contract=Contract.USAGE_ORACLE, chain_id=31337, address="0x" + "11" * 20)
    message = Attestation(report_id=b"\7" * 32, config_version=1)
    expected = Account.sign_typed_data(KEY, full_message=message.as_typed_data(domain)).signature
    assert sign_with(LocalSigner(KEY), message, domain) == bytes(expected)
    assert sign(message, domain, KEY) == bytes(expected)


TRANSACTION = {
    "chainId": 31337,
    "nonce": 7,
    "gas": 90_000,
    "maxFeePerGas": 30_000_000_000,
    "maxPriorityFeePerGas": 1_000_000_000,
    "to": "0x" + "11" * 20,
    "value": 0,
    "data": "0xdeadbeef",
}


@pytest.mark.parametrize("nonce", range(8))
def test_a_transaction_is_signed_to_the_bytes_that_eth_account_makes(nonce: int) -> None:
    transaction = {**TRANSACTION, "nonce": nonce}
    expected = Account.sign_transaction(transaction, KEY).raw_transaction
    assert sign_transaction(LocalSigner(KEY), {**transaction, "from": ADDRESS}) == bytes(expected)


def test_a_transaction_of_another_account_is_not_signed() -> None:
    with pytest.raises(InputError, match="from: is 0x1111"):
        sign_transaction(LocalSigner(KEY), {**TRANSACTION, "from": "0x" + "11" * 20})


@pytest.mark.parametrize("missing", ["nonce", "gas", "chainId", "maxFeePerGas"])
def test_a_transaction_that_is_not_complete_is_not_signed(missing: str) -> None:
    transaction = {name: value for name, value in TRANSACTION.items() if name != missing}
    with pytest.raises(InputError, match=missing):
        sign_transaction(LocalSigner(KEY), transaction)
