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

from obbligato.transactions.fees import GIGAWEI
from tests.onchain import DeployedProtocol
from tests.oracle.proxy import SEND, proxy
from tests.transactions.sending import SenderEnv, new_sender_env


@pytest.fixture
def sender_env(onchain: DeployedProtocol, tmp_path: Path) -> Iterator[SenderEnv]:
    with new_sender_env(onchain, tmp_path) as sender_env:
        yield sender_env


def decoded(raw: str) -> dict[str, Any]:
    """A raw transaction as eth_account reads it."""
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()


def digest_of(raw: str) -> str:
    return "0x" + keccak(bytes(HexBytes(raw))).hex()


# ---- answers to a transaction are not believed


def test_a_transaction_whose_answer_was_lost_is_found_and_not_sent_again(
    sender_env: SenderEnv,
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender()
    with sender_env.proxy.having(lose_answers=True, methods=[SEND]):
        sender_env.tick(sender)
        assert sender_env.states(number) == ["signed"]
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert (len(sender_env.proxy.sent), sender_env.count(), sender_env.paid()) == (1, 1, 5)


def test_a_transaction_that_the_node_swallowed_is_sent_again_as_the_same_bytes(
    sender_env: SenderEnv,
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender()
    with sender_env.proxy.having(swallow=True):
        sender_env.tick(sender)
        assert sender_env.count() == 0
    sender_env.tick(sender)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    first, second = sender_env.proxy.sent
    assert first == second
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_a_transaction_that_is_swallowed_for_long_is_offered_more_for_as_well(
    sender_env: SenderEnv,
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(bump_after_blocks=3)
    with sender_env.proxy.having(swallow=True):
        sender_env.tick(sender)
        sender_env.mine(3)
        sender_env.tick(sender)
    assert len(sender_env.read(number).broadcasts) == 2
    for _ in range(2):
        sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert sender_env.paid() == 5


def test_a_node_that_refuses_the_bytes_is_given_them_again(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    sender = sender_env.sender()
    with sender_env.proxy.having(error="txpool is full", methods=[SEND]):
        sender_env.tick(sender)
        assert sender_env.states(number) == ["signed"]
        assert sender_env.alerted() == {"not taken"}
    sender_env.tick(sender)
    assert sender_env.alerted() == set()
    sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert len(set(sender_env.proxy.sent)) == 1


@pytest.mark.parametrize(
    "words", ["already known", "nonce too low", "ALREADY_EXISTS: already known"]
)
def test_a_node_that_says_it_has_the_bytes_already_is_no_alert(
    sender_env: SenderEnv, words: str
) -> None:
    sender_env.wants()
    with sender_env.proxy.having(error=words, methods=[SEND]):
        sender_env.tick(sender_env.sender())
    assert sender_env.alerted() == set()


def test_bytes_that_reach_the_chain_twice_are_mined_once(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    sender = sender_env.sender()
    with sender_env.proxy.having(send_twice=True):
        sender_env.tick(sender)
        sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_a_node_that_hides_receipts_leads_to_no_second_transaction(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(finality=0)
    with sender_env.proxy.having(hide_receipts=True):
        for _ in range(3):
            sender_env.tick(sender)
            sender_env.mine()
        assert sender_env.states(number) == ["signed"]
    sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


# ---- fees


def test_a_bump_has_the_same_nonce_and_an_eighth_more_on_both_fees(sender_env: SenderEnv) -> None:
    with sender_env.pending():
        number = sender_env.wants()
        sender = sender_env.sender(bump_after_blocks=2, max_fee_wei=50 * GIGAWEI)
        sender_env.tick(sender)
        for _ in range(2):  # blocks that cost too much for it
            sender_env.base_fee(40 * GIGAWEI)
            sender_env.mine()
        sender_env.tick(sender)
        old, new = map(decoded, sender_env.proxy.sent)
        assert (old["nonce"], new["nonce"]) == (0, 0)
        assert new["data"] == old["data"]
        for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
            assert new[fee] * 1_000 >= old[fee] * 1_125
        assert new["maxFeePerGas"] <= 50 * GIGAWEI
        sender_env.mine()
        sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert sender_env.read(number).hash == digest_of(sender_env.proxy.sent[1])
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_the_first_bytes_count_as_well_if_they_are_mined_after_a_bump(
    sender_env: SenderEnv,
) -> None:
    with sender_env.pending():
        number = sender_env.wants()
        sender = sender_env.sender(bump_after_blocks=1)
        sender_env.tick(sender)
        sender_env.base_fee(20 * GIGAWEI)
        sender_env.mine()
        with sender_env.proxy.having(swallow=True):
            sender_env.tick(sender)
        assert len(sender_env.read(number).broadcasts) == 2
        sender_env.base_fee(GIGAWEI)
        sender_env.acts.node(SEND, sender_env.proxy.sent[0])  # another node had kept them
        sender_env.mine()
        sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert sender_env.read(number).hash == digest_of(sender_env.proxy.sent[0])
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_base_fees_ten_times_higher_lead_to_the_cap_and_then_to_an_alert(
    sender_env: SenderEnv,
) -> None:
    cap = 8 * GIGAWEI
    with sender_env.pending():
        number = sender_env.wants()
        sender = sender_env.sender(bump_after_blocks=1, max_fee_wei=cap)
        sender_env.tick(sender)
        for _ in range(30):
            sender_env.base_fee(10 * GIGAWEI)
            sender_env.mine()
            sender_env.tick(sender)
            if "fee cap" in sender_env.alerted():
                break
        offers = [decoded(raw) for raw in sender_env.proxy.sent]
        assert "fee cap" in sender_env.alerted()
        assert {offer["nonce"] for offer in offers} == {0}
        assert max(offer["maxFeePerGas"] for offer in offers) <= cap
        assert max(offer["maxFeePerGas"] for offer in offers) * 1_125 > cap * 1_000
        for _ in range(2):  # this node had thrown it away, and is given it again
            sender_env.base_fee(GIGAWEI)
            sender_env.mine()
            sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert sender_env.alerted() == set()
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_only_the_transaction_that_is_next_is_offered_more_for(sender_env: SenderEnv) -> None:
    with sender_env.pending():
        first, second = sender_env.wants("first"), sender_env.wants("second")
        sender = sender_env.sender(bump_after_blocks=1)
        sender_env.tick(sender)
        sender_env.base_fee(20 * GIGAWEI)
        sender_env.mine()
        sender_env.tick(sender)
    assert [len(sender_env.read(number).broadcasts) for number in (first, second)] == [2, 1]


# ---- the mempool and forks


def test_a_transaction_that_the_mempool_dropped_is_sent_again_as_the_same_bytes(
    sender_env: SenderEnv,
) -> None:
    with sender_env.pending():
        number = sender_env.wants()
        sender = sender_env.sender()
        sender_env.tick(sender)
        sender_env.acts.node("anvil_dropTransaction", sender_env.read(number).broadcasts[0].hash)
        sender_env.tick(sender)
        sender_env.mine()
        sender_env.tick(sender)
    assert sender_env.states(number) == ["mined"]
    assert len(sender_env.proxy.sent) == 2
    assert len(set(sender_env.proxy.sent)) == 1
    assert sender_env.paid() == 5


@pytest.mark.parametrize("depth", [1, 6])
def test_after_a_fork_it_is_included_once_with_the_same_bytes(
    sender_env: SenderEnv, depth: int
) -> None:
    sender_env.mine(8)
    number = sender_env.wants()
    sender = sender_env.sender(finality=8)
    sender_env.tick(sender)
    sender_env.mine(depth - 1)
    sender_env.tick(sender)
    before = sender_env.read(number)
    assert before.state == "mined"
    sender_env.acts.node("anvil_reorg", depth, [])
    assert sender_env.count() == 0
    sender_env.tick(sender)
    assert sender_env.states(number) == ["signed"]
    sender_env.mine()
    sender_env.tick(sender)
    after = sender_env.read(number)
    assert after.state == "mined"
    assert after.block_hash != before.block_hash
    assert len(set(sender_env.proxy.sent)) == 1
    sender_env.mine(8)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]
    assert (sender_env.count(), sender_env.paid()) == (1, 5)


def test_a_receipt_of_a_block_that_the_chain_left_is_not_believed(sender_env: SenderEnv) -> None:
    """As where one node behind a name follows the fork, and another gives the receipt."""
    sender_env.mine(2)
    number = sender_env.wants()
    sender = sender_env.sender(finality=2)
    sender_env.tick(sender)
    sender_env.tick(sender)
    digest = sender_env.read(number).hash
    forward = sender_env.proxy._forward
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionReceipt", "params": [digest]}
    stale = forward(asked)["result"]
    sender_env.acts.node("anvil_reorg", 1, [])
    sender_env.mine(3)

    def gives_the_old_receipt(request: dict[str, Any]) -> dict[str, Any]:
        reply = forward(request)
        is_receipt = request["method"] == "eth_getTransactionReceipt"
        return {**reply, "result": stale} if is_receipt else reply

    sender_env.proxy._forward = gives_the_old_receipt  # type: ignore[method-assign]
    sender_env.tick(sender)
    assert sender_env.states(number) == ["signed"]


def test_a_nonce_that_a_stranger_with_the_key_used_is_believed_once_final(
    sender_env: SenderEnv,
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender(finality=2)
    with sender_env.proxy.having(swallow=True):
        sender_env.tick(sender)
    foreign(sender_env, nonce=0)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["signed"]
    assert "used by another" in (sender_env.read(number).waiting or "")
    sender_env.mine(2)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["superseded"]
    assert sender_env.paid() == 0
    again = sender_env.wants()
    assert again != number
    sender_env.tick(sender)
    sender_env.tick(sender)
    assert (sender_env.states(again), sender_env.read(again).nonce, sender_env.paid()) == (
        ["mined"],
        1,
        5,
    )


def foreign(sender_env: SenderEnv, *, nonce: int) -> None:
    """A transaction of the same key that the outbox knows nothing of."""
    raw = Account.sign_transaction(
        {
            "chainId": 31337,
            "nonce": nonce,
            "to": sender_env.payee,
            "value": 0,
            "gas": 21_000,
            "maxFeePerGas": 10 * GIGAWEI,
            "maxPriorityFeePerGas": GIGAWEI,
        },
        sender_env.signer._key.to_bytes(),
    ).raw_transaction
    sender_env.acts.node(SEND, "0x" + raw.hex())
    sender_env.settle()


def test_a_nonce_that_was_used_before_is_not_taken(sender_env: SenderEnv) -> None:
    foreign(sender_env, nonce=0)
    number = sender_env.wants()
    sender_env.tick(sender_env.sender())
    assert sender_env.read(number).nonce == 1
    assert sender_env.paid() == 5


# ---- other nodes


def test_nothing_is_final_before_the_second_node_tells_the_same(sender_env: SenderEnv) -> None:
    number = sender_env.wants()
    with proxy(sender_env.protocol.url) as other:
        sender = sender_env.sender(finality=1, second=other.url)
        sender_env.tick(sender)
        sender_env.mine(2)
        for fault in ({"lag": 3}, {"hide_receipts": True}, {"status": 500}):
            with other.having(**fault):
                sender_env.tick(sender)
                assert sender_env.states(number) == ["mined"], fault
                assert sender_env.alerted() == {"second node"}, fault
        sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]
    assert sender_env.alerted() == set()


def test_a_node_that_forgot_what_is_final_is_waited_for(sender_env: SenderEnv) -> None:
    first = sender_env.wants("first")
    sender = sender_env.sender(finality=0)
    sender_env.tick(sender)
    sender_env.tick(sender)
    assert sender_env.states(first) == ["final"]
    sender_env.mine(5)
    second = sender_env.wants("second")
    with sender_env.proxy.having(lag=6):
        sender_env.tick(sender)
        assert sender_env.states(second) == ["queued"]
        assert sender_env.alerted() == {"node behind"}
    sender_env.tick(sender)
    assert sender_env.read(second).nonce == 1
    assert sender_env.paid() == 10


def test_a_node_that_changes_to_another_chain_stops_everything_before_signing(
    sender_env: SenderEnv,
) -> None:
    sender = sender_env.sender()
    number = sender_env.wants()
    with sender_env.proxy.having(chain_id=1):
        sender_env.tick(sender)
        assert sender_env.states(number) == ["queued"]
    assert sender_env.alerted() == {"wrong chain"}
    assert "is chain 1" in (sender_env.alerts.words("wrong chain") or "")
    assert sender_env.proxy.sent == []
    sender_env.tick(sender)
    assert sender_env.states(number) == ["queued"], "a node of another chain is never asked again"


def test_a_chain_that_changes_between_two_transactions_stops_the_second(
    sender_env: SenderEnv,
) -> None:
    sender = sender_env.sender()
    numbers = [sender_env.wants("first"), sender_env.wants("second")]
    taken = sender_env.proxy._forward

    def changed(request: dict[str, Any]) -> dict[str, Any]:
        if request["method"] == SEND:
            sender_env.proxy.have(chain_id=1)
        return taken(request)

    sender_env.proxy._forward = changed  # type: ignore[method-assign]
    sender_env.tick(sender)
    assert sender_env.states(*numbers) == ["signed", "queued"]
    assert sender_env.alerted() == {"wrong chain"}


@pytest.mark.parametrize(
    "fault", [{"status": 429}, {"status": 500}, {"html": True}, {"reset": True}]
)
def test_a_node_that_fails_is_an_alert_until_it_answers_again(
    sender_env: SenderEnv, fault: dict[str, Any]
) -> None:
    number = sender_env.wants()
    sender = sender_env.sender()
    with sender_env.proxy.having(**fault):
        assert not sender_env.tick(sender)
        assert sender_env.alerted() == {"node"}
        assert sender_env.states(number) == ["queued"]
    assert sender_env.tick(sender)
    assert sender_env.alerted() == set()
    assert sender_env.paid() == 5
