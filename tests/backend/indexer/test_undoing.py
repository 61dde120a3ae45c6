"""Reorgs: what they undo, what they may never undo, and that a rebuilt index has the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import select

from backend.db.index_db import (
    Block,
    Following,
    IndexDatabase,
    JournalEntry,
    License,
    Platform,
    RawEvent,
)
from backend.indexer.reorg import undo_after
from backend.indexer.sync import Index
from obbligato.chain.client import Chain
from obbligato.chain.follower import FinalityBroken
from obbligato.errors import ChainError
from obbligato.server.database import DatabaseError
from scripts.demo.cast import ARBITER, METERED_PLATFORM, POOL_PLATFORM, RELAY
from tests.onchain import ARTIST, BY_GRANT, DOLLARS, DUO, STRANGER, UNIT, Acts, split
from tests.scenario import NOTHING, OPEN, WIDER, Scenario

NEVER = 100_000
"""Blocks on top after which a block is final: none here is."""

NewDatabase = Callable[[], IndexDatabase]


def act_once(acts: Acts, number: int) -> None:
    """One of several acts, each of which changes rows that were made long before."""
    chain = acts.chain
    kind = number % 7
    if kind == 0:
        acts.deposit(POOL_PLATFORM.admin, 2, 1_000 + number)
    elif kind == 1:
        acts.mint(STRANGER, OPEN, split((STRANGER, 500_000), (DUO, 500_000)), f"new {number}")
    elif kind == 2:
        document = hashlib.sha256(b"document %d" % number).digest()
        # Other terms wait for the next term; the ones in force again withdraw them.
        terms = (NOTHING, WIDER)[number // 7 % 2]
        chain.transact(ARTIST, "LicenseRegistry", "amend", 1, terms.digest(), document)
    elif kind == 3:
        operator = RELAY.address
        chain.transact(DUO, "LicenseRegistry", "setApprovalForAll", operator, number % 2 == 1)
    elif kind == 4:
        owner = chain.call("LicenseRegistry", "ownerOf", 2)
        one, other = (DUO, STRANGER) if owner == DUO.address else (STRANGER, DUO)
        ends = chain.call("LicenseRegistry", "licenseOf", 2)[5]
        chain.transact(one, "LicenseRegistry", "reinstate" if ends else "revoke", 2)
        chain.transact(one, "LicenseRegistry", "transferFrom", one.address, other.address, 2)
    elif kind == 5:
        chain.transact(RELAY, "RoyaltyVault", "claim", DUO.address, [2])
    else:
        evidence = hashlib.sha256(b"again %d" % number).digest()
        acts.dollars(STRANGER, 5 * DOLLARS)
        chain.transact(STRANGER, "Disputes", "claimRecording", 1, evidence)
        claim_id = chain.call("Disputes", "claimCount")
        chain.transact(ARBITER, "Disputes", "ruleRecording", claim_id, False)


def rebuilt(new_database: NewDatabase, chain: Chain, finality: int) -> bytes:
    index = Index(new_database(), chain, finality=finality)
    index.sync()
    return index.dump()


@pytest.mark.parametrize("depth", [1, 2, 6, 20])
def test_a_reorg_leaves_what_an_index_of_the_new_chain_has(
    new_database: NewDatabase, acts: Acts, depth: int
) -> None:
    finality = 40
    for number in range(7):
        act_once(acts, number)
    index = Index(new_database(), acts.chain, finality=finality)
    index.sync()
    fork, before = acts.chain.web3.eth.block_number, index.dump()
    snapshot = acts.node("evm_snapshot")
    number = 7
    while acts.chain.web3.eth.block_number < fork + depth:
        act_once(acts, number)
        number += 1
    synced = index.sync()
    gone = synced.block - fork
    assert synced.events > 0
    assert index.dump() != before
    acts.node("evm_revert", snapshot)
    while acts.chain.web3.eth.block_number <= synced.block:  # longer than the one that went
        number += 3
        act_once(acts, number)
    after = index.sync()
    assert (after.undone, after.block) == (gone, acts.chain.web3.eth.block_number)
    assert index.dump() == rebuilt(new_database, acts.chain, finality)


def test_an_index_that_grew_block_by_block_is_one_that_was_built_at_once(
    new_database: NewDatabase, acts: Acts
) -> None:
    """Blocks become final as it grows, so that journals come and go."""
    index = Index(new_database(), acts.chain, finality=3)
    index.sync()
    for number in range(14):
        act_once(acts, number)
        index.sync()
    assert index.dump() == rebuilt(new_database, acts.chain, 3)


def test_both_databases_hold_the_same_bytes(
    sqlite: IndexDatabase, new_database: NewDatabase, scenario: Scenario
) -> None:
    index = Index(sqlite, scenario.protocol.chain, finality=10)
    index.sync()
    assert index.dump() == rebuilt(new_database, scenario.protocol.chain, 10)


def test_undoing_the_story_block_by_block_gives_what_was_there_before(
    new_database: NewDatabase, scenario: Scenario
) -> None:
    chain, database = scenario.protocol.chain, new_database()
    index = Index(database, chain, finality=NEVER)
    dumps = {chain.deployment.block - 1: index.dump()}
    for block in range(chain.deployment.block, chain.web3.eth.block_number + 1):
        index.sync(until=block)
        dumps[block] = index.dump()
    hashes = {block: bytes(chain.web3.eth.get_block(block)["hash"]) for block in dumps}
    hashes[chain.deployment.block - 1] = b""
    assert len(set(dumps.values())) == len(dumps)
    for _, before in pairwise(sorted(dumps, reverse=True)):
        with database.work() as session:
            undo_after(session.connection(), before, hashes[before])
        assert index.dump() == dumps[before], before


def test_undoing_the_story_at_once_gives_what_was_there_before(
    sqlite: IndexDatabase, scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    index = Index(sqlite, chain, finality=NEVER)
    middle = (chain.deployment.block + chain.web3.eth.block_number) // 2
    index.sync(until=middle)
    before = index.dump()
    index.sync()
    with sqlite.work() as session:
        digest = bytes(chain.web3.eth.get_block(middle)["hash"])
        undo_after(session.connection(), middle, digest)
    assert index.dump() == before


def test_a_final_block_is_never_undone(new_database: NewDatabase, acts: Acts) -> None:
    index = Index(new_database(), acts.chain, finality=2)
    snapshot = acts.node("evm_snapshot")
    for number in range(4):
        act_once(acts, number)
    synced = index.sync()
    before = index.dump()
    acts.node("evm_revert", snapshot)
    for number in range(5, 5 + 9):
        act_once(acts, number)
    with pytest.raises(FinalityBroken, match=f"block {synced.final} was final"):
        index.sync()
    assert index.dump() == before


def test_a_reorg_down_to_the_last_final_block_is_undone(
    new_database: NewDatabase, acts: Acts
) -> None:
    snapshot = acts.node("evm_snapshot")
    fork = acts.chain.web3.eth.block_number
    for number in range(3):
        act_once(acts, number)
    depth = acts.chain.web3.eth.block_number - fork
    index = Index(new_database(), acts.chain, finality=depth)
    assert index.sync().final == fork
    acts.node("evm_revert", snapshot)
    for number in range(5, 10):
        act_once(acts, number)
    assert index.sync().undone == depth
    assert index.dump() == rebuilt(new_database, acts.chain, depth)


def test_a_node_that_is_behind_the_index_changes_nothing(sqlite: IndexDatabase, acts: Acts) -> None:
    snapshot = acts.node("evm_snapshot")
    act_once(acts, 0)
    index = Index(sqlite, acts.chain, finality=50)
    synced = index.sync()
    before = index.dump()
    acts.node("evm_revert", snapshot)
    assert index.sync() == synced._replace(events=0)
    assert index.dump() == before


def test_an_earlier_block_does_not_take_the_index_back(
    sqlite: IndexDatabase, scenario: Scenario
) -> None:
    index = Index(sqlite, scenario.protocol.chain)
    synced = index.sync()
    assert index.sync(until=synced.block - 10).block == synced.block
    with pytest.raises(ChainError, match=f"does not hold block {synced.block + 1}"):
        index.sync(until=synced.block + 1)


def test_final_blocks_leave_no_journal_and_only_blocks_with_events(
    sqlite: IndexDatabase, scenario: Scenario
) -> None:
    synced = Index(sqlite, scenario.protocol.chain, finality=5).sync()
    assert synced.final == synced.block - 5
    with sqlite.reading() as session:
        journaled = set(session.scalars(select(JournalEntry.block_number)))
        assert all(number > synced.final for number in journaled)
        blocks = set(session.scalars(select(Block.number)))
        with_events = set(session.scalars(select(RawEvent.block_number)))
    assert blocks == with_events | set(range(synced.final, synced.block + 1))


def test_what_the_node_calls_finalized_is_final(sqlite: IndexDatabase, scenario: Scenario) -> None:
    synced = Index(sqlite, scenario.protocol.chain).sync()
    assert synced.final == scenario.protocol.chain.web3.eth.get_block("finalized")["number"]


def test_the_index_of_another_deployment_is_refused(
    sqlite: IndexDatabase, scenario: Scenario
) -> None:
    Index(sqlite, scenario.protocol.chain)
    with sqlite.work() as session:
        session.get_one(Following, 1).chain_id = 1
    with pytest.raises(DatabaseError, match="another deployment, on chain 1"):
        Index(sqlite, scenario.protocol.chain)


def test_a_reorg_that_reuses_ids_leaves_nothing_of_the_first(
    new_database: NewDatabase, acts: Acts
) -> None:
    database = new_database()
    index = Index(database, acts.chain, finality=50)
    snapshot = acts.node("evm_snapshot")
    first = acts.mint(STRANGER, OPEN, split((STRANGER, 1_000_000)), "first")
    acts.deposit(METERED_PLATFORM.admin, 1, 7 * UNIT)
    index.sync()
    acts.node("evm_revert", snapshot)
    second = acts.mint(BY_GRANT, OPEN, split((BY_GRANT, 1_000_000)), "second")
    act_once(acts, 0)
    act_once(acts, 5)
    index.sync()
    assert first == second
    with database.reading() as session:
        found = session.get_one(License, second)
        assert found.owner == BY_GRANT.address
        assert session.get_one(Platform, 1).available_units == 0
