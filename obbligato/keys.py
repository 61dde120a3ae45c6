"""Keys: the port that signs, the key of a local keystore behind it, and keystore files.

Whoever signs is given a `Signer` and never a key, so that a key service can stand in for a file.
A keystore is the encrypted JSON of https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError

from obbligato.errors import InputError
from obbligato.protocol.typed_data import Domain, Message
from obbligato.protocol.types import checked_address

KEYSTORE_MODE: Final = 0o600
FOREIGN_BITS: Final = 0o077
"""Permissions of the group and of others: a file with a secret has none of them."""
MOST_FILE_BYTES: Final = 64 * 1024
REQUIRED_FIELDS: Final = ("chainId", "nonce", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
"""What a transaction must state: eth_account would put 0 for some, and sign for any chain."""

Prompt = Callable[[str], str]


class Signer(Protocol):
    """Who signs: a key of this process, or a service that keeps the key to itself."""

    @property
    def address(self) -> str:
        """The account, with its EIP-55 checksum."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature of 32 bytes: 65 bytes `r 32 | s 32 | v 1`, v 27 or 28, s in the lower half."""
        ...


class LocalSigner:
    """A private key in this process's memory, which it never shows.

    Raises InputError, which does not repeat the key, for what is no private key.
    """

    __slots__ = ("_address", "_key")

    def __init__(self, key: bytes) -> None:
        try:
            self._key = PrivateKey(bytes(key))
            self._address = self._key.public_key.to_checksum_address()
        except (ValueError, ValidationError):
            raise InputError("not a private key: give 32 bytes", field="key") from None

    @property
    def address(self) -> str:
        """The account, with its EIP-55 checksum."""
        return self._address

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature as `Signer` promises it; deterministic (RFC 6979)."""
        signature = self._key.sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([signature[64] + 27])

    def __repr__(self) -> str:
        return f"LocalSigner({self._address})"


def sign_with(signer: Signer, message: Message, domain: Domain) -> bytes:
    """The 65-byte signature of a typed message. Raises InputError for another contract's domain."""
    return signer.sign_digest(message.digest(domain))


def sign_transaction(signer: Signer, transaction: Mapping[str, Any]) -> bytes:
    """The raw bytes of an EIP-1559 transaction, ready to send.

    `transaction` has the fields of eth_sendTransaction, with chainId, nonce, gas and both fees. Raises
    InputError where it is of another kind, incomplete, or `from` somebody else.
    """
    fields = {name: value for name, value in transaction.items() if name != "from"}
    sender = transaction.get("from", signer.address)
    if sender != signer.address:
        raise InputError(f"is {sender}, but {signer.address} signs", field="from")
    for name in REQUIRED_FIELDS:
        if name not in fields:
            raise InputError("is missing: give a whole EIP-1559 transaction", field=name)
    try:
        unsigned = TypedTransaction.from_dict({"type": 2, **fields})
        digest = unsigned.hash()
    except (ValueError, TypeError) as error:
        raise InputError(f"cannot be signed: {error}", field="transaction") from error
    signature = signer.sign_digest(digest)
    return TypedTransaction.from_dict({**unsigned.as_dict(), **_vrs(signature)}).encode()


def _vrs(signature: bytes) -> dict[str, int]:
    """What a typed transaction carries: the parity where messages have 27 or 28 (EIP-2718)."""
    return {
        "v": signature[64] - 27,
        "r": int.from_bytes(signature[:32], "big"),
        "s": int.from_bytes(signature[32:64], "big"),
    }


def open_keystore(
    path: Path, password_file: Path | None = None, *, prompt: Prompt | None = None
) -> LocalSigner:
    """The signer of an encrypted keystore.

    The password is the one line of `password_file`, else it is asked for by `prompt`; by default at
    the terminal, where there is one. Raises InputError: a missing file, one that others may read or
    write, no keystore, a wrong password. No message repeats anything of a file or a password.
    """
    keystore = _keystore(_private_text(path, "keystore"), path)
    password = (
        (prompt or _ask)(f"Password of {path}: ")
        if password_file is None
        else _password_of(password_file)
    )
    try:
        return LocalSigner(bytes(Account.decrypt(keystore, password)))
    except (ValueError, TypeError, KeyError, NotImplementedError):
        raise InputError(
            f"the password does not open {path}: check both", field="password"
        ) from None


def keystore_address(path: Path) -> str:
    """The account that a keystore says it is of, without opening it. Raises InputError."""
    address = _keystore(_private_text(path, "keystore"), path).get("address")
    if not isinstance(address, str):
        raise InputError(f"{path} does not tell its address: open it instead", field="keystore")
    return checked_address("0x" + address.removeprefix("0x").lower())


def create_keystore(path: Path, password: str, *, key: bytes | None = None) -> str:
    """Write a new keystore that only its owner may read; the address.

    The key is new, unless one is given to be kept. Raises InputError for an empty password, and
    where the file exists: a keystore is never overwritten, it may hold the only copy of a key.
    """
    if not password:
        raise InputError("is empty: a keystore without a password is none", field="password")
    signer_key = secrets.token_bytes(32) if key is None else key
    address = LocalSigner(signer_key).address
    text = json.dumps(Account.encrypt(signer_key, password))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEYSTORE_MODE)
    except FileExistsError:
        raise InputError(f"{path} exists: name a new file", field="keystore") from None
    except OSError as error:
        raise _unusable(path, "keystore", error) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return address


def read_password(password_file: Path | None, *, prompt: Prompt | None = None) -> str:
    """A new password: the line of a file, or typed twice. Raises InputError as `open_keystore`."""
    if password_file is not None:
        return _password_of(password_file)
    ask = prompt or _ask
    password = ask("New password: ")
    if ask("Once more: ") != password:
        raise InputError("is not the same twice: type it again", field="password")
    return password


def _keystore(text: str, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("version") != 3 or "crypto" not in data:
        raise InputError(
            f"{path} is not an encrypted keystore of version 3: make one with `obbligato key create`",
            field="keystore",
        )
    return data


def _password_of(path: Path) -> str:
    text = _private_text(path, "password file")
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise InputError(f"{path} does not hold exactly one line", field="password file")
    return password


def _private_text(path: Path, what: str) -> str:
    """The text of a file that only its owner can read and write."""
    try:
        with path.open("rb") as file:
            # Asked of the open file: the name could lead to another one by now.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & FOREIGN_BITS:
                raise InputError(
                    f"others may read or write {path} (mode {mode:04o}): run `chmod 600 {path}`, and "
                    "change what it protects if they may have read it",
                    field=what,
                )
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise _unusable(path, what, error) from error
    try:
        if len(data) <= MOST_FILE_BYTES:
            return data.decode()
    except UnicodeDecodeError:
        pass
    raise InputError(f"{path} is no such file: it is too large or not text", field=what)


def _unusable(path: Path, what: str, error: OSError) -> InputError:
    return InputError(f"{path} cannot be used: {error.strerror}", field=what)


def _ask(question: str) -> str:
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask at: give a password file", field="password")
    return getpass.getpass(question)
