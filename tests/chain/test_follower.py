"""Following a real node through reorgs, and bad answers of nodes; what is expected is what a test put on the chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.events import Event
from obbligato.chain.follower import (
    BlockId,
    FinalityBroken,
    Finalized,
    Follower,
    MemoryFollower,
    NewBlocks,
    Position,
    Step,
    Undone,
)
from obbligato.errors import ChainError
from tests.chain.proxy import PASS, served
from tests.onchain import ARTIST, Acts, DeployedProtocol, split
from tests.scenario import OPEN

NEVER = 10_000
"""Blocks on top after which a block is final: none here is."""
CONTRACTS = ("LicenseRegistry",)


@pytest.fixture
def acts(onchain: DeployedProtocol) -> Iterator[Acts]:
    acts = Acts(onchain)
    with acts.undone():
        acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "before all")
        yield acts


def mint(acts: Acts, *titles: str) -> list[bytes]:
    """One licence a block; their content hashes."""
    for title in titles:
        acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), title)
    return [hashlib.sha256(title.encode()).digest() for title in titles]


@dataclass
class Consumer:
    """A cursor that begins at a block, which it holds for final, and remembers all that it reads."""

    blocks: list[BlockId]
    final: int
    events: list[Event] = field(default_factory=list)

    @classmethod
    def at_head(cls, chain: Chain) -> Consumer:
        head = chain.web3.eth.get_block("latest")
        return cls([BlockId(head["number"], bytes(head["hash"]))], head["number"])

    def position(self) -> Position:
        return Position(*self.blocks[-1], self.final)

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        return [block for block in reversed(self.blocks) if lowest <= block.number <= highest]

    def read(self, chain: Chain, *, finality: int = NEVER, until: int | None = None) -> list[Step]:
        """Take every step; which they were."""
        taken = []
        follower = Follower(chain, self, finality=finality, contracts=CONTRACTS)
        for step in follower.steps(until):
            taken.append(step)
            if isinstance(step, Undone):
                self.blocks = [block for block in self.blocks if block.number <= step.number]
                self.events = [event for event in self.events if event.block <= step.number]
            elif isinstance(step, NewBlocks):
                self.blocks += [BlockId(header.number, header.hash) for header in step.headers]
                self.events += step.events
                self.final = step.head.number if step.final else self.final
            else:
                self.final = step.number
        return taken

    @property
    def contents(self) -> list[bytes]:
        return contents(self.events)


def contents(events: Sequence[Event]) -> list[bytes]:
    """The content hashes of the licences that these events mint."""
    return [event["content"] for event in events if event.name == "LicenseMinted"]


@pytest.mark.parametrize("depth", [1, 6])
def test_a_reorg_undoes_just_its_blocks(acts: Acts, depth: int) -> None:
    chain, consumer = acts.chain, Consumer.at_head(acts.chain)
    kept = mint(acts, "kept")
    fork = blocks.latest(chain)
    with acts.undone():
        gone = mint(acts, *(f"gone {number}" for number in range(depth)))
        consumer.read(chain)
        assert consumer.contents == kept + gone
        before = consumer.position()
    instead = mint(acts, *(f"instead {number}" for number in range(depth + 1)))
    undone, new = consumer.read(chain)
    assert undone == Undone(fork.number, fork.hash, before)
    assert before.number - fork.number == depth
    assert isinstance(new, NewBlocks)
    assert contents(new.events) == instead
    assert consumer.contents == kept + instead
    assert consumer.position().hash == bytes(chain.web3.eth.get_block("latest")["hash"])


def test_a_node_that_is_behind_changes_nothing(acts: Acts) -> None:
    behind = blocks.latest(acts.chain)
    consumer = Consumer.at_head(acts.chain)
    read = mint(acts, "one", "two")
    consumer.read(acts.chain)
    position = consumer.position()
    true_block = acts.node("eth_getBlockByNumber", hex(behind.number), False)

    def answer(request: dict[str, Any]) -> Any:
        if request["method"] != "eth_getBlockByNumber":
            return PASS
        named = request["params"][0]
        return (
            true_block if named == "latest" else PASS if int(named, 16) <= behind.number else None
        )

    with served(answer, node=acts.protocol.url) as url:
        assert consumer.read(Chain.connect(url, acts.chain.deployment)) == []
    assert (consumer.position(), consumer.contents) == (position, read)


@pytest.mark.parametrize(
    ("method", "answers", "words"),
    [
        ("eth_getLogs", {"eth_getLogs": []}, "left some out"),
        ("eth_getLogs", {"eth_getLogs": None}, "went while it was read"),
        (
            "eth_getBlockReceipts",
            {"eth_getLogs": [], "eth_getBlockReceipts": None},
            "lacks receipts",
        ),
        (
            "eth_getBlockReceipts",
            {"eth_getLogs": [], "eth_getBlockReceipts": [None]},
            "lacks receipts",
        ),
    ],
)
def test_what_a_node_leaves_out_is_refused_and_read_later(
    acts: Acts, method: str, answers: dict[str, Any], words: str
) -> None:
    consumer = Consumer.at_head(acts.chain)
    position = consumer.position()
    minted = mint(acts, "left out")
    requested = set()
    bad = True

    def answer(request: dict[str, Any]) -> Any:
        requested.add(request["method"])
        return answers.get(request["method"], PASS) if bad else PASS

    with served(answer, node=acts.protocol.url) as url:
        chain = Chain.connect(url, acts.chain.deployment)
        with pytest.raises(ChainError, match=words):
            consumer.read(chain)
        assert method in requested
        assert (consumer.position(), consumer.contents) == (position, [])
        bad = False
        consumer.read(chain)
    assert consumer.contents == minted


def test_reading_goes_on_from_the_cursor(acts: Acts) -> None:
    consumer = Consumer.at_head(acts.chain)
    start = consumer.position().number
    minted = mint(acts, "one", "two", "three", "four", "five")
    consumer.read(acts.chain, until=start + 2)
    assert (consumer.position().number, consumer.contents) == (start + 2, minted[:2])
    again = Consumer(list(consumer.blocks), consumer.final)  # after a restart
    (new,) = again.read(acts.chain)
    assert isinstance(new, NewBlocks)
    assert (new.base.number, new.head.number) == (start + 2, start + 5)
    assert again.contents == minted[2:]
    assert again.read(acts.chain) == []


def test_blocks_become_final_in_order_and_are_never_undone(acts: Acts) -> None:
    chain, consumer = acts.chain, Consumer.at_head(acts.chain)
    start = consumer.position().number
    with acts.undone():
        final = []
        for number in range(5):
            mint(acts, f"number {number}")
            steps = consumer.read(chain, finality=2)
            assert [step.final for step in steps if isinstance(step, NewBlocks)] == [False]
            final += [step for step in steps if isinstance(step, Finalized)]
        hashes = [bytes(chain.web3.eth.get_block(start + n)["hash"]) for n in (1, 2, 3)]
        assert final == [Finalized(start + n, hashes[n - 1]) for n in (1, 2, 3)]
        position, read = consumer.position(), consumer.contents
    mint(acts, *(f"another {number}" for number in range(6)))
    with pytest.raises(FinalityBroken, match=f"block {start + 3} was final"):
        consumer.read(chain, finality=2)
    assert (consumer.position(), consumer.contents) == (position, read)


def test_final_blocks_are_read_in_ranges_and_all_others_by_hash(acts: Acts) -> None:
    consumer = Consumer.at_head(acts.chain)
    start = consumer.position().number
    minted = mint(acts, "one", "two", "three", "four")
    first, second = consumer.read(acts.chain, finality=1)
    assert isinstance(first, NewBlocks)
    assert isinstance(second, NewBlocks)
    assert (first.final, first.head.number) == (True, start + 3)
    assert (second.final, second.head.number) == (False, start + 4)
    assert consumer.contents == minted


@pytest.mark.parametrize("undoes_all", [False, True])
def test_a_follower_in_memory_undoes_a_part_or_all(acts: Acts, undoes_all: bool) -> None:
    chain = acts.chain
    follower = MemoryFollower(chain, contracts=CONTRACTS, undoes_all=undoes_all)
    fork = blocks.latest(chain)
    with acts.undone():
        mint(acts, "gone")
        read = [e for step in follower.steps() if isinstance(step, NewBlocks) for e in step.events]
    instead = mint(acts, "instead", "and more")
    undone, *later = follower.steps()
    assert isinstance(undone, Undone)
    assert undone.number == (chain.deployment.block - 1 if undoes_all else fork.number)
    assert undone.hash == (b"" if undoes_all else fork.hash)
    events = [e for step in later if isinstance(step, NewBlocks) for e in step.events]
    kept = contents([event for event in read if event.block <= fork.number])
    assert contents(events) == (kept + instead if undoes_all else instead)
    assert follower.head is not None
    assert follower.head.hash == bytes(chain.web3.eth.get_block("latest")["hash"])
