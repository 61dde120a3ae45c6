"""Splits: who is paid and in what share, and what each payee may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_PAYEES, PPM, UINT64_MAX
from obbligato.protocol.eip712 import TypedStruct
from obbligato.protocol.types import (
    ZERO_ADDRESS,
    Address,
    RoleField,
    UInt32,
    as_tuple,
    checked_address,
    whole_number,
)

PAYEE_TYPE: Final = "Payee(address account,uint32 share,uint8 role)"
SPLIT_TYPE: Final = "Split(Payee[] payees)"


class Payee(TypedStruct):
    """An account with its share, in parts per million (at least 1), and what it is paid for."""

    type_string: ClassVar[str] = PAYEE_TYPE

    account: Address
    share: Annotated[UInt32, Field(ge=1, le=PPM)]
    role: RoleField

    @field_validator("account")
    @classmethod
    def _can_be_paid(cls, account: str) -> str:
        if account == ZERO_ADDRESS:
            raise InputError("is the zero address: name an account that someone holds")
        return account


class Split(TypedStruct):
    """1 to 64 payees, strictly ascending by account, whose shares sum to exactly 1 000 000.

    Raises InputError otherwise; `Split.of` sorts first.
    """

    type_string: ClassVar[str] = SPLIT_TYPE + PAYEE_TYPE

    payees: Annotated[
        tuple[Payee, ...],
        BeforeValidator(as_tuple),
        Field(min_length=1, max_length=MAX_PAYEES),
    ]

    @model_validator(mode="after")
    def _is_canonical(self) -> Split:
        for row, (before, payee) in enumerate(pairwise(self.payees), start=1):
            if _number(payee.account) == _number(before.account):
                raise InputError(
                    f"{payee.account} appears twice: add its shares up in one payee",
                    field="payees",
                    row=row,
                )
            if _number(payee.account) < _number(before.account):
                raise InputError(
                    f"{payee.account} comes after a larger address: sort payees by account",
                    field="payees",
                    row=row,
                )
        total = sum(payee.share for payee in self.payees)
        if total != PPM:
            raise InputError(
                f"the shares sum to {total}: they must sum to exactly {PPM} parts per million",
                field="payees",
            )
        return self

    @classmethod
    def of(
        cls, payees: Iterable[Payee | Mapping[str, object]], *, forbidden: Iterable[str] = ()
    ) -> Self:
        """A split of payees in any order. Raises InputError, for a `forbidden` account as well."""
        read = [payee if isinstance(payee, Payee) else Payee.read(payee) for payee in payees]
        split = cls(payees=tuple(sorted(read, key=lambda payee: _number(payee.account))))
        split.refuse_payees(forbidden)
        return split

    def refuse_payees(self, forbidden: Iterable[str]) -> None:
        """Raises InputError if one is paid: contracts and the money token can take nothing out."""
        refused = {checked_address(account) for account in forbidden}
        for row, payee in enumerate(self.payees):
            if payee.account in refused:
                raise InputError(
                    f"{payee.account} is a contract of the deployment or the money token: money "
                    "credited to it could never be taken out, name another account",
                    field="payees",
                    row=row,
                )

    def digest(self) -> bytes:
        """The 32 bytes that identify equal splits: their EIP-712 `hashStruct`."""
        return self.struct_hash()

    def share_of(self, account: str) -> int:
        """The share of `account` in parts per million; 0 if it is no payee. Raises InputError."""
        payee_account = checked_address(account)
        return next((payee.share for payee in self.payees if payee.account == payee_account), 0)


def entitlement(received: int, share: int) -> int:
    """Money units a share has earned of all a split ever received: `floor(received * share / 1e6)`.

    Cumulative, so it never falls and the payees' sum never exceeds `received`. What may be claimed
    is this less what was claimed. Raises InputError.
    """
    whole_number(received, field="received", most=UINT64_MAX)
    whole_number(share, field="share", least=1, most=PPM)
    return received * share // PPM


def divide(received: int, split: Split) -> dict[str, int]:
    """The entitlement of every payee, by account. At most 63 units stay undivided."""
    return {payee.account: entitlement(received, payee.share) for payee in split.payees}


def _number(account: str) -> int:
    return int(account, 16)
