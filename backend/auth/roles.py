"""What an account may do, as the chain says, read from the index."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.db.index_db import License, Operator, Platform, Reporter, SplitPayee
from backend.http.schemas import Account, AnswerModel

MOST_LISTED: Final = 100


class OperatorFor(AnswerModel):
    """Owners who let this account act for all their licences."""

    count: int = Field(ge=0, examples=[1])
    owners: list[Account] = Field(description=f"The first {MOST_LISTED} of them, by address.")


class PlatformRole(AnswerModel):
    """What an account is to a platform."""

    platform_id: int = Field(examples=[1])
    role: Literal["admin", "reporter"]


class Roles(AnswerModel):
    """What an account is, as of the newest block that was read."""

    licenses_owned: int = Field(ge=0, examples=[3])
    operator_for: OperatorFor
    payee_of_splits: int = Field(ge=0, examples=[2])
    platforms: list[PlatformRole]


def roles_of(session: Session, account: str) -> Roles:
    """The roles of a checksummed account."""

    def count(table: type[License | SplitPayee], *where: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0

    acting = (Operator.operator == account, Operator.approved)
    owners = session.scalars(
        select(Operator.owner).where(*acting).order_by(Operator.owner).limit(MOST_LISTED)
    )
    platforms = [
        PlatformRole(platform_id=platform_id, role="admin")
        for platform_id in session.scalars(
            select(Platform.platform_id)
            .where(Platform.admin == account)
            .order_by(Platform.platform_id)
            .limit(MOST_LISTED)
        )
    ]
    platforms += [
        PlatformRole(platform_id=platform_id, role="reporter")
        for platform_id in session.scalars(
            select(Reporter.platform_id)
            .where(Reporter.account == account, Reporter.active)
            .order_by(Reporter.platform_id)
            .limit(MOST_LISTED)
        )
    ]
    return Roles(
        licenses_owned=count(License, License.owner == account),
        operator_for=OperatorFor(
            count=session.scalar(select(func.count()).select_from(Operator).where(*acting)) or 0,
            owners=list(owners),
        ),
        payee_of_splits=count(SplitPayee, SplitPayee.account == account),
        platforms=platforms,
    )
