"""Which splits pay whom, as the vault's events tell, also after blocks were undone."""

from __future__ import annotations

from eth_account import Account

from oracle.payouts import Payees
from tests.onchain import ARTIST, Acts, DeployedProtocol, split
from tests.scenario import OPEN


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
