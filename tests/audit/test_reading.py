"""An audit by a node that leaves logs out: it is refused before anything is said of the deployment."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.audit.recompute import read_ledger
from obbligato.chain.client import Chain
from obbligato.chain.events import Event
from obbligato.errors import ChainError
from tests.chain.proxy import PASS, served
from tests.scenario import Scenario


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LicenseMinted", "licenseCount is [0-9]+ in block [0-9]+, the node's logs hold [0-9]+"),
        (None, "the receipts of block [0-9]+ hold [0-9]+ events, the node's logs 0"),
    ],
    ids=["of a final block", "of a block that is not final"],
)
def test_a_node_that_leaves_out_the_logs_of_one_block_is_noticed(
    scenario: Scenario, events: list[Event], name: str | None, words: str
) -> None:
    """The first block with an event of this name, or the last with any event."""
    protocol = scenario.protocol
    named = [event for event in events if event.name == name] or events[-1:]
    number = named[0].block

    def answer(request: dict[str, Any]) -> Any:
        if request["method"] != "eth_getLogs":
            return PASS
        logs = scenario.acts.node("eth_getLogs", *request["params"])
        return [log for log in logs if int(log["blockNumber"], 16) != number]

    with served(answer, node=protocol.url) as url:
        chain = Chain.connect(url, protocol.chain.deployment)
        with pytest.raises(ChainError, match=words):
            read_ledger(chain)
    assert read_ledger(protocol.chain).events == len(events)
