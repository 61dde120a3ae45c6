"""Nodes that lie, lag, lose and fail; forks; other users of the key: what is wanted is done exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

from obbligato.sending.settings import GIGAWEI
from tests.onchain import House
from tests.oracle.proxy import SEND, proxy
from tests.oracle.sending import Desk, new_desk


@pytest.fixture
def desk(onchain: House, tmp_path: Path) -> Iterator[Desk]:
    with new_desk(onchain, tmp_path) as desk:
        yield desk


def decoded(raw: str) -> dict[str, Any]:
    """A raw transaction as eth_account reads it."""
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()


def digest_of(raw: str) -> str:
    return "0x" + keccak(bytes(HexBytes(raw))).hex()


# ---- answers to a transaction are not believed


def test_a_transaction_whose_answer_was_lost_is_found_and_not_sent_again(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender()
    with desk.proxy.having(lose_answers=True, methods=[SEND]):
        desk.tick(sender)
        assert desk.states(number) == ["signed"]
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert (len(desk.proxy.sent), desk.count(), desk.paid()) == (1, 1, 5)


def test_a_transaction_that_the_node_swallowed_is_sent_again_as_the_same_bytes(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender()
    with desk.proxy.having(swallow=True):
        desk.tick(sender)
        assert desk.count() == 0
    desk.tick(sender)
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    first, second = desk.proxy.sent
    assert first == second
    assert (desk.count(), desk.paid()) == (1, 5)


def test_a_transaction_that_is_swallowed_for_long_is_offered_more_for_as_well(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(bump_after_blocks=3)
    with desk.proxy.having(swallow=True):
        desk.tick(sender)
        desk.mine(3)
        desk.tick(sender)
    assert len(desk.read(number).broadcasts) == 2
    for _ in range(2):
        desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert desk.paid() == 5


def test_a_node_that_refuses_the_bytes_is_given_them_again(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender()
    with desk.proxy.having(error="txpool is full", methods=[SEND]):
        desk.tick(sender)
        assert desk.states(number) == ["signed"]
        assert desk.alerted() == {"not taken"}
    desk.tick(sender)
    assert desk.alerted() == set()
    desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert len(set(desk.proxy.sent)) == 1


@pytest.mark.parametrize(
    "words", ["already known", "nonce too low", "ALREADY_EXISTS: already known"]
)
def test_a_node_that_says_it_has_the_bytes_already_is_no_alert(desk: Desk, words: str) -> None:
    desk.wants()
    with desk.proxy.having(error=words, methods=[SEND]):
        desk.tick(desk.sender())
    assert desk.alerted() == set()


def test_bytes_that_reach_the_chain_twice_are_mined_once(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender()
    with desk.proxy.having(send_twice=True):
        desk.tick(sender)
        desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert (desk.count(), desk.paid()) == (1, 5)


def test_a_node_that_hides_receipts_leads_to_no_second_transaction(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(finality=0)
    with desk.proxy.having(hide_receipts=True):
        for _ in range(3):
            desk.tick(sender)
            desk.mine()
        assert desk.states(number) == ["signed"]
    desk.tick(sender)
    assert desk.states(number) == ["final"]
    assert (desk.count(), desk.paid()) == (1, 5)


# ---- fees


def test_a_bump_has_the_same_nonce_and_an_eighth_more_on_both_fees(desk: Desk) -> None:
    with desk.pending():
        number = desk.wants()
        sender = desk.sender(bump_after_blocks=2, max_fee_wei=50 * GIGAWEI)
        desk.tick(sender)
        for _ in range(2):  # blocks that cost too much for it
            desk.base_fee(40 * GIGAWEI)
            desk.mine()
        desk.tick(sender)
        old, new = map(decoded, desk.proxy.sent)
        assert (old["nonce"], new["nonce"]) == (0, 0)
        assert new["data"] == old["data"]
        for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
            assert new[fee] * 1_000 >= old[fee] * 1_125
        assert new["maxFeePerGas"] <= 50 * GIGAWEI
        desk.mine()
        desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert desk.read(number).hash == digest_of(desk.proxy.sent[1])
    assert (desk.count(), desk.paid()) == (1, 5)


def test_the_first_bytes_count_as_well_if_they_are_mined_after_a_bump(desk: Desk) -> None:
    with desk.pending():
        number = desk.wants()
        sender = desk.sender(bump_after_blocks=1)
        desk.tick(sender)
        desk.base_fee(20 * GIGAWEI)
        desk.mine()
        with desk.proxy.having(swallow=True):
            desk.tick(sender)
        assert len(desk.read(number).broadcasts) == 2
        desk.base_fee(GIGAWEI)
        desk.acts.node(SEND, desk.proxy.sent[0])  # another node had kept them
        desk.mine()
        desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert desk.read(number).hash == digest_of(desk.proxy.sent[0])
    assert (desk.count(), desk.paid()) == (1, 5)


def test_base_fees_ten_times_higher_lead_to_the_cap_and_then_to_an_alert(desk: Desk) -> None:
    cap = 8 * GIGAWEI
    with desk.pending():
        number = desk.wants()
        sender = desk.sender(bump_after_blocks=1, max_fee_wei=cap)
        desk.tick(sender)
        for _ in range(30):
            desk.base_fee(10 * GIGAWEI)
            desk.mine()
            desk.tick(sender)
            if "fee cap" in desk.alerted():
                break
        offers = [decoded(raw) for raw in desk.proxy.sent]
        assert "fee cap" in desk.alerted()
        assert {offer["nonce"] for offer in offers} == {0}
        assert max(offer["maxFeePerGas"] for offer in offers) <= cap
        assert max(offer["maxFeePerGas"] for offer in offers) * 1_125 > cap * 1_000
        for _ in range(2):  # this node had thrown it away, and is given it again
            desk.base_fee(GIGAWEI)
            desk.mine()
            desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert desk.alerted() == set()
    assert (desk.count(), desk.paid()) == (1, 5)


def test_only_the_transaction_that_is_next_is_offered_more_for(desk: Desk) -> None:
    with desk.pending():
        first, second = desk.wants("first"), desk.wants("second")
        sender = desk.sender(bump_after_blocks=1)
        desk.tick(sender)
        desk.base_fee(20 * GIGAWEI)
        desk.mine()
        desk.tick(sender)
    assert [len(desk.read(number).broadcasts) for number in (first, second)] == [2, 1]


# ---- the mempool and forks


def test_a_transaction_that_the_mempool_dropped_is_sent_again_as_the_same_bytes(desk: Desk) -> None:
    with desk.pending():
        number = desk.wants()
        sender = desk.sender()
        desk.tick(sender)
        desk.acts.node("anvil_dropTransaction", desk.read(number).broadcasts[0].hash)
        desk.tick(sender)
        desk.mine()
        desk.tick(sender)
    assert desk.states(number) == ["mined"]
    assert len(desk.proxy.sent) == 2
    assert len(set(desk.proxy.sent)) == 1
    assert desk.paid() == 5


@pytest.mark.parametrize("depth", [1, 6])
def test_after_a_fork_it_is_included_once_with_the_same_bytes(desk: Desk, depth: int) -> None:
    desk.mine(8)
    number = desk.wants()
    sender = desk.sender(finality=8)
    desk.tick(sender)
    desk.mine(depth - 1)
    desk.tick(sender)
    before = desk.read(number)
    assert before.state == "mined"
    desk.acts.node("anvil_reorg", depth, [])
    assert desk.count() == 0
    desk.tick(sender)
    assert desk.states(number) == ["signed"]
    desk.mine()
    desk.tick(sender)
    after = desk.read(number)
    assert after.state == "mined"
    assert after.block_hash != before.block_hash
    assert len(set(desk.proxy.sent)) == 1
    desk.mine(8)
    desk.tick(sender)
    assert desk.states(number) == ["final"]
    assert (desk.count(), desk.paid()) == (1, 5)


def test_a_receipt_of_a_block_that_the_chain_left_is_not_believed(desk: Desk) -> None:
    """As where one node behind a name follows the fork, and another gives the receipt."""
    desk.mine(2)
    number = desk.wants()
    sender = desk.sender(finality=2)
    desk.tick(sender)
    desk.tick(sender)
    digest = desk.read(number).hash
    forward = desk.proxy._forward
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionReceipt", "params": [digest]}
    stale = forward(asked)["result"]
    desk.acts.node("anvil_reorg", 1, [])
    desk.mine(3)

    def gives_the_old_receipt(request: dict[str, Any]) -> dict[str, Any]:
        reply = forward(request)
        is_receipt = request["method"] == "eth_getTransactionReceipt"
        return {**reply, "result": stale} if is_receipt else reply

    desk.proxy._forward = gives_the_old_receipt  # type: ignore[method-assign]
    desk.tick(sender)
    assert desk.states(number) == ["signed"]


def test_a_nonce_that_a_stranger_with_the_key_used_is_believed_once_final(desk: Desk) -> None:
    number = desk.wants()
    sender = desk.sender(finality=2)
    with desk.proxy.having(swallow=True):
        desk.tick(sender)
    foreign(desk, nonce=0)
    desk.tick(sender)
    assert desk.states(number) == ["signed"]
    assert "used by another" in (desk.read(number).waiting or "")
    desk.mine(2)
    desk.tick(sender)
    assert desk.states(number) == ["superseded"]
    assert desk.paid() == 0
    again = desk.wants()
    assert again != number
    desk.tick(sender)
    desk.tick(sender)
    assert (desk.states(again), desk.read(again).nonce, desk.paid()) == (["mined"], 1, 5)


def foreign(desk: Desk, *, nonce: int) -> None:
    """A transaction of the same key that the outbox knows nothing of."""
    raw = Account.sign_transaction(
        {
            "chainId": 31337,
            "nonce": nonce,
            "to": desk.payee,
            "value": 0,
            "gas": 21_000,
            "maxFeePerGas": 10 * GIGAWEI,
            "maxPriorityFeePerGas": GIGAWEI,
        },
        desk.signer._key.to_bytes(),
    ).raw_transaction
    desk.acts.node(SEND, "0x" + raw.hex())
    desk.settle()


def test_a_nonce_that_was_used_before_is_not_taken(desk: Desk) -> None:
    foreign(desk, nonce=0)
    number = desk.wants()
    desk.tick(desk.sender())
    assert desk.read(number).nonce == 1
    assert desk.paid() == 5


# ---- other nodes


def test_nothing_is_final_before_the_second_node_tells_the_same(desk: Desk) -> None:
    number = desk.wants()
    with proxy(desk.house.url) as other:
        sender = desk.sender(finality=1, second=other.url)
        desk.tick(sender)
        desk.mine(2)
        for fault in ({"lag": 3}, {"hide_receipts": True}, {"status": 500}):
            with other.having(**fault):
                desk.tick(sender)
                assert desk.states(number) == ["mined"], fault
                assert desk.alerted() == {"second node"}, fault
        desk.tick(sender)
    assert desk.states(number) == ["final"]
    assert desk.alerted() == set()


def test_a_node_that_forgot_what_is_final_is_waited_for(desk: Desk) -> None:
    first = desk.wants("first")
    sender = desk.sender(finality=0)
    desk.tick(sender)
    desk.tick(sender)
    assert desk.states(first) == ["final"]
    desk.mine(5)
    second = desk.wants("second")
    with desk.proxy.having(lag=6):
        desk.tick(sender)
        assert desk.states(second) == ["queued"]
        assert desk.alerted() == {"node behind"}
    desk.tick(sender)
    assert desk.read(second).nonce == 1
    assert desk.paid() == 10


def test_a_node_that_changes_to_another_chain_stops_everything_before_signing(desk: Desk) -> None:
    sender = desk.sender()
    number = desk.wants()
    with desk.proxy.having(chain_id=1):
        desk.tick(sender)
        assert desk.states(number) == ["queued"]
    assert desk.alerted() == {"wrong chain"}
    assert "is chain 1" in (desk.alerts.words("wrong chain") or "")
    assert desk.proxy.sent == []
    desk.tick(sender)
    assert desk.states(number) == ["queued"], "a node of another chain is never asked again"


def test_a_chain_that_changes_between_two_transactions_stops_the_second(desk: Desk) -> None:
    sender = desk.sender()
    numbers = [desk.wants("first"), desk.wants("second")]
    taken = desk.proxy._forward

    def changed(request: dict[str, Any]) -> dict[str, Any]:
        if request["method"] == SEND:
            desk.proxy.have(chain_id=1)
        return taken(request)

    desk.proxy._forward = changed  # type: ignore[method-assign]
    desk.tick(sender)
    assert desk.states(*numbers) == ["signed", "queued"]
    assert desk.alerted() == {"wrong chain"}


@pytest.mark.parametrize(
    "fault", [{"status": 429}, {"status": 500}, {"html": True}, {"reset": True}]
)
def test_a_node_that_fails_is_an_alert_until_it_answers_again(
    desk: Desk, fault: dict[str, Any]
) -> None:
    number = desk.wants()
    sender = desk.sender()
    with desk.proxy.having(**fault):
        assert not desk.tick(sender)
        assert desk.alerted() == {"node"}
        assert desk.states(number) == ["queued"]
    assert desk.tick(sender)
    assert desk.alerted() == set()
    assert desk.paid() == 5
