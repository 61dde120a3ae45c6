"""Which splits pay whom, as the vault's events tell, also after blocks were undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from sqlalchemy import select

from obbligato.chain.client import Chain
from obbligato.server.alerts import Alerts
from obbligato.transactions.tables import Transaction
from oracle.db import OracleDatabase, Payout
from oracle.payouts import Payees, Payouts
from tests.onchain import ARTIST, COLD, DUO, LABEL, PRODUCER, Acts, DeployedProtocol, split
from tests.scenario import OPEN, Scenario


def test_a_split_is_known_to_each_payee_as_soon_as_a_licence_has_it(
    onchain: DeployedProtocol,
) -> None:
    acts, payees = Acts(onchain), Payees(onchain.chain)
    first, second, third = (Account.create() for _ in range(3))
    with acts.undone():
        acts.mint(ARTIST, OPEN, split((first, 600_000), (second, 400_000)), "Of two")
        payees.follow()
        (number,) = payees.splits_of(first.address)
        assert payees.splits_of(second.address) == (number,)
        assert payees.splits_of(third.address) == ()
        acts.mint(ARTIST, OPEN, split((first, 500_000), (third, 500_000)), "Of two others")
        for _ in range(2):  # looking again finds nothing twice
            payees.follow()
            assert payees.splits_of(first.address) == (number, number + 1)
        assert payees.splits_of(third.address) == (number + 1,)


def test_a_split_that_a_fork_undid_is_forgotten_also_where_its_number_is_anothers(
    onchain: DeployedProtocol,
) -> None:
    acts, payees = Acts(onchain), Payees(onchain.chain)
    before, after = Account.create(), Account.create()
    with acts.undone():
        acts.mint(ARTIST, OPEN, split((before, 1_000_000)), "Before the fork")
        payees.follow()
        numbers = payees.splits_of(before.address)
    with acts.undone():
        acts.mint(ARTIST, OPEN, split((after, 1_000_000)), "After the fork")
        payees.follow()
        assert payees.splits_of(after.address) == numbers
        assert payees.splits_of(before.address) == ()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OracleDatabase]:
    database = OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    yield database
    database.close()


def test_a_payee_that_fails_is_put_off_and_the_others_are_paid(
    scenario: Scenario, database: OracleDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have royalties in the vault; what one of them holds cannot be read for a while."""
    chain, alerts, clock = scenario.protocol.chain, Alerts(), [0.0]
    payees = Payees(chain)
    payees.follow()
    with_money = [
        account.address
        for account in (ARTIST, COLD, DUO, LABEL, PRODUCER)
        if (splits := payees.splits_of(account.address))
        and chain.call("RoyaltyVault", "claimable", account.address, splits)
    ]
    failing, paid = sorted(with_money)[:2]
    with database.work() as session:
        session.add_all(Payout(account=account, minimum=1) for account in (failing, paid))
    position = Chain.position

    def breaks(self: Chain, split_id: int, account: str, **block: Any) -> Any:
        if account == failing:
            raise ZeroDivisionError("nobody thought of that")
        return position(self, split_id, account, **block)

    payouts = Payouts(database, chain, payees, 3_600, lambda: clock[0], alerts)
    with monkeypatch.context() as broken:
        broken.setattr(Chain, "position", breaks)
        assert payouts.tick() == 1
        assert subjects(database) == {paid}
        words = alerts.words("payouts items")
        assert words is not None
        assert failing in words
        assert payouts.tick() == 0  # it is put off
    clock[0] += 2  # long before the next round
    assert payouts.tick() == 1
    assert subjects(database) == {failing, paid}
    assert alerts.words("payouts items") is None


def subjects(database: OracleDatabase) -> set[str]:
    """The accounts for which claims are queued."""
    with database.work() as session:
        rows = session.scalars(select(Transaction.subject)).all()
    return {subject.partition(":")[0] for subject in rows}
