"""Sums of earnings in SQL against whole numbers of any size in Python."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from backend.db.index_db import (
    Earning,
    IndexDatabase,
    PayeeEarning,
    Source,
    Split,
    SplitPayee,
)
from backend.indexer.handlers.payees import (
    MOST_IN_A_LINE,
    Earned,
    Use,
    earn,
    month_of,
    split_interned,
)
from backend.indexer.state import State
from backend.payees.earnings import EarningQuery, list_earnings
from backend.payees.schemas import EarningGroup, GroupName
from obbligato.chain.events import Event
from tests.onchain import ARTIST

MOST = 2**64 - 1
SPLIT_ID, PAYEE = 1, ARTIST.address

amounts = st.one_of(st.integers(0, 3_000_000), st.integers(0, MOST))
Credits = list[tuple[int, int, int]]
"""(amount, quantity, platform) of each credit."""


def some_event(number: int) -> Event:
    return Event("UsageOracle", "ReportSettled", {}, 10 + number, 1_767_225_600, 0, "0x")


def earned(
    database: IndexDatabase, share: int, credited: Credits, by: tuple[GroupName, ...]
) -> list[EarningGroup]:
    """What one payee has of a new split's credits, each an event of its own."""
    state = State()
    with database.work() as session:
        for table in (Earning, PayeeEarning, Split, SplitPayee):
            session.execute(delete(table))
        state.connection = session.connection()
        state.begin_block(9, journaled=False)
        payees = [{"account": PAYEE, "share": share, "role": 1}]
        interned = {"splitId": SPLIT_ID, "digest": bytes(32), "payees": payees}
        split_interned(
            state, Event("LicenseRegistry", "SplitInterned", interned, 9, 1_767_225_600, 0, "0x")
        )
        for number, (amount, quantity, platform) in enumerate(credited):
            use = Use(license_id=1, platform_id=platform)
            earn(
                state, some_event(number), Source.REPORT, [Earned(SPLIT_ID, amount, quantity, use)]
            )
        state.write(session.connection())
        return list_earnings(session, PAYEE, EarningQuery(by=list(by), limit=100)).items


def check(database: IndexDatabase, share: int, credited: Credits) -> None:
    """Each group's part is the growth of `floor(received * share / 1e6)` over its credits."""
    expected: dict[int, tuple[int, int]] = {}
    received = 0
    for amount, quantity, platform in credited:
        after = min(received + amount, 2**64 - 2)
        grown = after * share // 1_000_000 - received * share // 1_000_000
        units, used = expected.get(platform, (0, 0))
        if amount or quantity:
            expected[platform] = (units + grown, used + quantity)
        received = after
    found = earned(database, share, credited, ("platform_id",))
    assert {each.platform_id: (each.amount_units, each.quantity) for each in found} == expected
    singly = earned(database, share, credited, ("platform_id", "license_id"))
    assert {each.platform_id: (each.amount_units, each.quantity) for each in singly} == expected
    whole = earned(database, share, credited, ())
    assert sum(each.amount_units for each in whole) == received * share // 1_000_000


@settings(max_examples=60)
@given(
    share=st.integers(1, 1_000_000),
    credited=st.lists(st.tuples(amounts, amounts, st.integers(1, 3)), max_size=8),
)
@example(share=1_000_000, credited=[(MOST, MOST, 1), (MOST, MOST, 2), (1, 0, 1)])
@example(share=333_333, credited=[(1, 1, 1)] * 7)
@example(share=999_999, credited=[(MOST_IN_A_LINE, 0, 1), (MOST_IN_A_LINE + 1, 0, 1)])
def test_sums_are_exact_to_the_last_unit(
    share: int, credited: Credits, earnings_database: IndexDatabase
) -> None:
    check(earnings_database, share, credited)


def test_sums_are_exact_in_both_databases(new_database: Callable[[], IndexDatabase]) -> None:
    database = new_database()
    check(database, 333_333, [(1, 1, 1), (2, 0, 2), (MOST // 2, MOST, 1), (999_999, 5, 2)])
    check(database, 1_000_000, [(MOST, MOST, 1), (MOST, MOST, 1)])


@pytest.mark.parametrize(
    ("moment", "month"),
    [(0, 197_001), (1_709_251_199, 202_402), (1_709_251_200, 202_403), (1_798_761_600, 202_701)],
)
def test_a_moment_has_the_month_of_its_day_in_utc(moment: int, month: int) -> None:
    assert month_of(moment) == month
