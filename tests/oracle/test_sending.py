"""What is wanted is sent once, followed until it is final, and refused or waiting for a reason that is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from obbligato.chain.client import GAS_CAP
from obbligato.sending.outbox import want
from obbligato.sending.settings import GIGAWEI
from obbligato.sending.tables import Transaction
from scripts.demo.cast import RELAY
from tests.onchain import House
from tests.oracle.sending import ETHER, Desk, new_desk


@pytest.fixture
def desk(onchain: House, tmp_path: Path) -> Iterator[Desk]:
    with new_desk(onchain, tmp_path) as desk:
        yield desk


def test_what_is_wanted_is_mined_and_final_once_so_many_blocks_lie_on_it(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(finality=2)
    desk.tick(sender)
    assert desk.states(number) == ["signed"]
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    desk.mine(1)
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    desk.mine(1)
    desk.tick(sender)
    assert desk.states(number) == ["final"]
    assert desk.paid() == 5
    found = desk.read(number)
    receipt = desk.house.chain.web3.eth.get_transaction_receipt(HexBytes(found.hash or ""))
    assert (found.block_number, found.gas_used) == (receipt["blockNumber"], receipt["gasUsed"])
    assert found.block_hash == "0x" + bytes(receipt["blockHash"]).hex()


def test_the_finalized_tag_is_the_node_s_own(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(finality="finalized")
    desk.tick(sender)
    desk.mine(3)
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    found = desk.read(number)
    while desk.house.chain.web3.eth.get_block("finalized")["number"] < (found.block_number or 0):
        desk.mine(16)
    desk.tick(sender)
    assert desk.states(number) == ["final"]


def test_several_are_in_flight_at_once_with_nonces_in_order(desk: Desk) -> None:
    with desk.pending():
        numbers = [desk.wants(subject) for subject in "abc"]
        sender = desk.sender()
        desk.tick(sender)
        assert desk.states(*numbers) == ["signed"] * 3
        assert [desk.read(number).nonce for number in numbers] == [0, 1, 2]
        desk.mine()
        desk.tick(sender)
    assert desk.states(*numbers) == ["mined"] * 3
    assert desk.paid() == 15


def test_no_more_are_in_flight_than_the_settings_say(desk: Desk) -> None:
    with desk.pending():
        numbers = [desk.wants(subject) for subject in "abc"]
        sender = desk.sender(most_in_flight=2)
        desk.tick(sender)
        assert desk.states(*numbers) == ["signed", "signed", "queued"]
        desk.mine()
        desk.tick(sender)
        assert desk.states(*numbers) == ["mined", "mined", "signed"]


def test_the_gas_limit_is_a_tenth_more_than_the_estimate_and_fees_keep_to_the_cap(
    desk: Desk,
) -> None:
    dollar = desk.house.chain.contract("TestDollar")
    estimate = dollar.functions.mint(Account.create().address, 5).estimate_gas(
        {"from": RELAY.address}
    )
    number = desk.wants()
    desk.tick(desk.sender(max_fee_wei=2 * GIGAWEI, priority_fee_wei=GIGAWEI))
    sent = TypedTransaction.from_bytes(HexBytes(desk.proxy.sent[0])).as_dict()
    assert desk.read(number).gas == sent["gas"]
    assert abs(sent["gas"] - estimate * 11 // 10) <= 1_000  # zero bytes of the address cost less
    assert sent["gas"] < GAS_CAP
    assert sent["maxFeePerGas"] <= 2 * GIGAWEI
    assert sent["maxPriorityFeePerGas"] == GIGAWEI
    assert Account.recover_transaction(desk.proxy.sent[0]) == desk.signer.address


def test_what_the_contract_refuses_is_never_sent_and_says_why(desk: Desk) -> None:
    oracle = desk.house.chain.deployment.address("UsageOracle")
    pause = desk.house.chain.encode("UsageOracle", "pause")
    refused = desk.wants("x", to=oracle, data=pause)
    after = desk.wants("y")
    desk.tick(desk.sender())
    assert desk.states(refused, after) == ["refused", "signed"]
    error = desk.read(refused).error
    assert error is not None
    assert error["error"] == "NotPauser"
    assert len(desk.proxy.sent) == 1


def test_a_limit_that_is_given_is_simulated_as_well(desk: Desk) -> None:
    oracle = desk.house.chain.deployment.address("UsageOracle")
    pause = desk.house.chain.encode("UsageOracle", "pause")
    refused = desk.wants("x", to=oracle, data=pause, gas=200_000)
    given = desk.wants("y", gas=123_456)
    desk.tick(desk.sender())
    assert desk.states(refused, given) == ["refused", "signed"]
    sent = TypedTransaction.from_bytes(HexBytes(desk.proxy.sent[0])).as_dict()
    assert sent["gas"] == 123_456


def test_what_needs_more_gas_than_a_transaction_may_use_is_refused_before_it_is_sent(
    desk: Desk,
) -> None:
    forward = desk.proxy._forward

    def dear(request: dict[str, Any]) -> dict[str, Any]:
        reply = forward(request)
        if request["method"] == "eth_estimateGas":
            reply["result"] = hex(2**24 + 1)
        return reply

    desk.proxy._forward = dear  # type: ignore[method-assign]
    number = desk.wants()
    desk.tick(desk.sender())
    assert desk.states(number) == ["refused"]
    assert (desk.read(number).error or {})["arguments"] == {"gas": 16_777_217}
    assert desk.proxy.sent == []


def test_what_reverts_on_the_chain_is_reverted_once_final_with_the_contract_s_words(
    desk: Desk,
) -> None:
    """The simulation passes; before the block, somebody else takes the dollars that are to be moved."""
    chain = desk.house.chain
    chain.transact(RELAY, "TestDollar", "mint", desk.signer.address, 7)
    move = chain.encode("TestDollar", "transfer", desk.payee, 7)
    with desk.pending():
        first = desk.wants("first", to=chain.deployment.token, data=move)
        second = desk.wants("second", to=chain.deployment.token, data=move)
        sender = desk.sender(finality=1)
        desk.tick(sender)
        assert desk.states(first, second) == ["signed", "signed"]
        desk.mine()
        desk.tick(sender)
        assert desk.states(first, second) == ["mined", "mined"]
        desk.mine()
        desk.tick(sender)
    assert desk.states(first, second) == ["final", "reverted"]
    error = desk.read(second).error
    assert error is not None
    assert error["error"] == "ERC20InsufficientBalance"
    assert error["arguments"]["needed"] == 7
    assert desk.paid() == 7


def test_without_gas_money_it_waits_with_an_alert_and_goes_on_by_itself(desk: Desk) -> None:
    desk.fill(1_000)
    number = desk.wants()
    sender = desk.sender()
    desk.tick(sender)
    assert desk.states(number) == ["queued"]
    assert "gas money" in (desk.read(number).waiting or "")
    assert desk.alerted() == {"gas money"}
    assert desk.proxy.sent == []
    desk.fill(ETHER)
    desk.tick(sender)
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert desk.read(number).waiting is None
    assert desk.alerted() == set()


def test_gas_money_that_is_spoken_for_is_not_spent_twice(desk: Desk) -> None:
    with desk.pending():
        sender = desk.sender(max_fee_wei=2 * GIGAWEI)
        first = desk.wants("first", gas=100_000)
        second = desk.wants("second", gas=100_000)
        desk.fill(300_000 * GIGAWEI)  # 100 000 gas at 2 gigawei are 200 000 of these
        desk.tick(sender)
    assert desk.states(first, second) == ["signed", "queued"]
    assert desk.alerted() == {"gas money"}


def test_a_base_fee_above_the_cap_is_waited_for(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(max_fee_wei=5 * GIGAWEI)
    with desk.proxy.having(base_fee_factor=10):
        desk.tick(sender)
        assert desk.states(number) == ["queued"]
        assert desk.alerted() == {"base fee"}
        assert desk.proxy.sent == []
    desk.tick(sender)
    assert desk.states(number) == ["signed"]
    assert desk.alerted() == set()


def test_a_reverted_or_refused_call_may_be_wanted_again_and_one_that_stands_may_not(
    desk: Desk,
) -> None:
    oracle = desk.house.chain.deployment.address("UsageOracle")
    pause = desk.house.chain.encode("UsageOracle", "pause")
    refused = desk.wants("x", to=oracle, data=pause)
    stands = desk.wants("y")
    sender = desk.sender(finality=0)
    for _ in range(3):
        desk.tick(sender)
    assert desk.states(refused, stands) == ["refused", "final"]
    assert desk.wants("y") == stands
    assert desk.wants("x") not in (refused, stands)


def test_no_log_line_shows_a_key(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.wants()
    desk.tick(desk.sender())
    printed = capsys.readouterr()
    assert "signed" in printed.out
    assert desk.signer._key.to_hex().removeprefix("0x") not in printed.out + printed.err


def test_a_wish_is_part_of_the_caller_s_unit_of_work(desk: Desk) -> None:
    def wants_and_fails() -> None:
        with desk.database.work() as session:
            want(session, purpose="claim", subject="z", to=desk.payee, data=b"")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wants_and_fails()
    with desk.database.work() as session:
        assert session.query(Transaction).count() == 0
