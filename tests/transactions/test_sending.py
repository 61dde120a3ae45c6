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
from obbligato.transactions.fees import GIGAWEI
from obbligato.transactions.outbox import want
from obbligato.transactions.tables import Transaction
from scripts.demo.cast import RELAY
from tests.onchain import DeployedProtocol
from tests.transactions.sending import ETHER, SenderEnv, new_sender_env


@pytest.fixture
def sender_env(onchain: DeployedProtocol, tmp_path: Path) -> Iterator[SenderEnv]:
    with new_sender_env(onchain, tmp_path) as sender_env:
        yield sender_env


def test_what_is_wanted_is_mined_and_final_once_so_many_blocks_lie_on_it(
    sender_env: SenderEnv,
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(finality=2)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["signed"]
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    sender_env.mine(1)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    sender_env.mine(1)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]
    assert sender_env.paid() == 5
    found = sender_env.read(number)
    receipt = sender_env.protocol.chain.web3.eth.get_transaction_receipt(HexBytes(found.hash or ""))
    assert (found.block_number, found.gas_used) == (receipt["blockNumber"], receipt["gasUsed"])
    assert found.block_hash == "0x" + bytes(receipt["blockHash"]).hex()


def test_the_finalized_tag_is_the_node_s_own(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(finality="finalized")
    sender_env.tick(sender)
    sender_env.mine(3)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    found = sender_env.read(number)
    while sender_env.protocol.chain.web3.eth.get_block("finalized")["number"] < (
        found.block_number or 0
    ):
        sender_env.mine(16)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]


def test_several_are_in_flight_at_once_with_nonces_in_order(sender_env: SenderEnv) -> None:
    with sender_env.pending():
        numbers = [sender_env.wants(subject) for subject in "abc"]
        sender = sender_env.sender()
        sender_env.tick(sender)
        assert sender_env.states(*numbers) == ["signed"] * 3
        assert [sender_env.read(number).nonce for number in numbers] == [0, 1, 2]
        sender_env.mine()
        sender_env.tick(sender)
    assert sender_env.states(*numbers) == ["mined"] * 3
    assert sender_env.paid() == 15


def test_no_more_are_in_flight_than_the_settings_say(sender_env: SenderEnv) -> None:
    with sender_env.pending():
        numbers = [sender_env.wants(subject) for subject in "abc"]
        sender = sender_env.sender(most_in_flight=2)
        sender_env.tick(sender)
        assert sender_env.states(*numbers) == ["signed", "signed", "queued"]
        sender_env.mine()
        sender_env.tick(sender)
        assert sender_env.states(*numbers) == ["mined", "mined", "signed"]


def test_the_gas_limit_is_a_tenth_more_than_the_estimate_and_fees_keep_to_the_cap(
    sender_env: SenderEnv,
) -> None:
    dollar = sender_env.protocol.chain.contract("TestDollar")
    estimate = dollar.functions.mint(Account.create().address, 5).estimate_gas(
        {"from": RELAY.address}
    )
    number = sender_env.wants()
    sender_env.tick(sender_env.sender(max_fee_wei=2 * GIGAWEI, priority_fee_wei=GIGAWEI))
    sent = TypedTransaction.from_bytes(HexBytes(sender_env.proxy.sent[0])).as_dict()
    assert sender_env.read(number).gas == sent["gas"]
    assert abs(sent["gas"] - estimate * 11 // 10) <= 1_000  # zero bytes of the address cost less
    assert sent["gas"] < GAS_CAP
    assert sent["maxFeePerGas"] <= 2 * GIGAWEI
    assert sent["maxPriorityFeePerGas"] == GIGAWEI
    assert Account.recover_transaction(sender_env.proxy.sent[0]) == sender_env.signer.address


def test_what_the_contract_refuses_is_never_sent_and_says_why(sender_env: SenderEnv) -> None:
    oracle = sender_env.protocol.chain.deployment.address("UsageOracle")
    pause = sender_env.protocol.chain.encode("UsageOracle", "pause")
    refused = sender_env.wants("x", to=oracle, data=pause)
    after = sender_env.wants("y")
    sender_env.tick(sender_env.sender())
    assert sender_env.states(refused, after) == ["refused", "signed"]
    error = sender_env.read(refused).error
    assert error is not None
    assert error["error"] == "NotPauser"
    assert len(sender_env.proxy.sent) == 1


def test_a_limit_that_is_given_is_simulated_as_well(sender_env: SenderEnv) -> None:
    oracle = sender_env.protocol.chain.deployment.address("UsageOracle")
    pause = sender_env.protocol.chain.encode("UsageOracle", "pause")
    refused = sender_env.wants("x", to=oracle, data=pause, gas=200_000)
    given = sender_env.wants("y", gas=123_456)
    sender_env.tick(sender_env.sender())
    assert sender_env.states(refused, given) == ["refused", "signed"]
    sent = TypedTransaction.from_bytes(HexBytes(sender_env.proxy.sent[0])).as_dict()
    assert sent["gas"] == 123_456


def test_what_needs_more_gas_than_a_transaction_may_use_is_refused_before_it_is_sent(
    sender_env: SenderEnv,
) -> None:
    forward = sender_env.proxy._forward

    def dear(request: dict[str, Any]) -> dict[str, Any]:
        reply = forward(request)
        if request["method"] == "eth_estimateGas":
            reply["result"] = hex(2**24 + 1)
        return reply

    sender_env.proxy._forward = dear  # type: ignore[method-assign]
    number = sender_env.wants()
    sender_env.tick(sender_env.sender())
    assert sender_env.states(number) == ["refused"]
    assert (sender_env.read(number).error or {})["arguments"] == {"gas": 16_777_217}
    assert sender_env.proxy.sent == []


def test_what_reverts_on_the_chain_is_reverted_once_final_with_the_contract_s_words(
    sender_env: SenderEnv,
) -> None:
    """The simulation passes; before the block, somebody else takes the dollars that are to be moved."""
    chain = sender_env.protocol.chain
    chain.transact(RELAY, "TestDollar", "mint", sender_env.signer.address, 7)
    move = chain.encode("TestDollar", "transfer", sender_env.payee, 7)
    with sender_env.pending():
        first = sender_env.wants("first", to=chain.deployment.token, data=move)
        second = sender_env.wants("second", to=chain.deployment.token, data=move)
        sender = sender_env.sender(finality=1)
        sender_env.tick(sender)
        assert sender_env.states(first, second) == ["signed", "signed"]
        sender_env.mine()
        sender_env.tick(sender)
        assert sender_env.states(first, second) == ["mined", "mined"]
        sender_env.mine()
        sender_env.tick(sender)
    assert sender_env.states(first, second) == ["final", "reverted"]
    error = sender_env.read(second).error
    assert error is not None
    assert error["error"] == "ERC20InsufficientBalance"
    assert error["arguments"]["needed"] == 7
    assert sender_env.paid() == 7


def test_without_gas_money_it_waits_with_an_alert_and_goes_on_by_itself(
    sender_env: SenderEnv,
) -> None:
    sender_env.fill(1_000)
    number = sender_env.wants()
    sender = sender_env.sender()
    sender_env.tick(sender)
    assert sender_env.states(number) == ["queued"]
    assert "gas money" in (sender_env.read(number).waiting or "")
    assert sender_env.alerted() == {"gas money"}
    assert sender_env.proxy.sent == []
    sender_env.fill(ETHER)
    sender_env.tick(sender)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert sender_env.read(number).waiting is None
    assert sender_env.alerted() == set()


def test_gas_money_that_is_spoken_for_is_not_spent_twice(sender_env: SenderEnv) -> None:
    with sender_env.pending():
        sender = sender_env.sender(max_fee_wei=2 * GIGAWEI)
        first = sender_env.wants("first", gas=100_000)
        second = sender_env.wants("second", gas=100_000)
        sender_env.fill(300_000 * GIGAWEI)  # 100 000 gas at 2 gigawei are 200 000 of these
        sender_env.tick(sender)
    assert sender_env.states(first, second) == ["signed", "queued"]
    assert sender_env.alerted() == {"gas money"}


def test_a_base_fee_above_the_cap_is_waited_for(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(max_fee_wei=5 * GIGAWEI)
    with sender_env.proxy.having(base_fee_factor=10):
        sender_env.tick(sender)
        assert sender_env.states(number) == ["queued"]
        assert sender_env.alerted() == {"base fee"}
        assert sender_env.proxy.sent == []
    sender_env.tick(sender)
    assert sender_env.states(number) == ["signed"]
    assert sender_env.alerted() == set()


def test_a_reverted_or_refused_call_may_be_wanted_again_and_one_that_stands_may_not(
    sender_env: SenderEnv,
) -> None:
    oracle = sender_env.protocol.chain.deployment.address("UsageOracle")
    pause = sender_env.protocol.chain.encode("UsageOracle", "pause")
    refused = sender_env.wants("x", to=oracle, data=pause)
    stands = sender_env.wants("y")
    sender = sender_env.sender(finality=0)
    for _ in range(3):
        sender_env.tick(sender)
    assert sender_env.states(refused, stands) == ["refused", "final"]
    assert sender_env.wants("y") == stands
    assert sender_env.wants("x") not in (refused, stands)


def test_no_log_line_shows_a_key(sender_env: SenderEnv, capsys: pytest.CaptureFixture[str]) -> None:
    sender_env.wants()
    sender_env.tick(sender_env.sender())
    printed = capsys.readouterr()
    assert "signed" in printed.out
    assert sender_env.signer._key.to_hex().removeprefix("0x") not in printed.out + printed.err


def test_a_wish_is_part_of_the_caller_s_unit_of_work(sender_env: SenderEnv) -> None:
    def wants_and_fails() -> None:
        with sender_env.database.work() as session:
            want(session, purpose="claim", subject="z", to=sender_env.payee, data=b"")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wants_and_fails()
    with sender_env.database.work() as session:
        assert session.query(Transaction).count() == 0
