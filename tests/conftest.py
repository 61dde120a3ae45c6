"""What the tests of plain pytest share: one deployment and one story a session, told when first asked for."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:  # tests/contracts has a chain of its own and needs none of this
    from tests.onchain import DeployedProtocol
    from tests.scenario import Scenario

# The head of each chain that files of tests share, as every file has to leave it.
_shared_chains: dict[DeployedProtocol, bytes] = {}


def head_of(protocol: DeployedProtocol) -> bytes:
    return bytes(protocol.chain.web3.eth.get_block("latest")["hash"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files in our order; Brownie's runs have a scheduler of their own."""
    if config.pluginmanager.hasplugin("pytest-brownie") or config.getoption("dist") != "loadscope":
        return None
    from tests.scheduling import LongestFirst

    config.option.loadscopereorder = False
    return LongestFirst(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes that share the tests start with the files that take longest."""
    if hasattr(config, "workerinput") and not config.pluginmanager.hasplugin("pytest-brownie"):
        from tests.scheduling import order

        key = order([item.nodeid for item in items])
        items.sort(key=lambda item: key(item.nodeid))


def pytest_configure(config: pytest.Config) -> None:
    """No deadline an example: machines are slow at times. Brownie's runs have settings of their own."""
    if config.pluginmanager.hasplugin("pytest-brownie"):
        return
    examples = 2_000 if os.environ.get("OBBLIGATO_SOAK") else 100
    settings.register_profile("obbligato", deadline=None, max_examples=examples)
    settings.load_profile("obbligato")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A file of tests is charged with what it leaves open, or on the chain that all share: its last test fails."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        for protocol, head in _shared_chains.items():
            left = _shared_chains[protocol] = head_of(protocol)
            assert left == head, f"{item.path.name} left its blocks on the shared chain"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line that says what was skipped and why."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.line(
            "skipped: " + "; ".join(f"{count} for: {reason}" for reason, count in reasons.items())
        )


@pytest.fixture(scope="session")
def onchain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedProtocol]:
    """The five contracts on a real node, deployed by the project's own script."""
    from tests.onchain import new_protocol

    with new_protocol(tmp_path_factory.mktemp("protocol")) as protocol:
        _shared_chains[protocol] = head_of(protocol)
        yield protocol
        del _shared_chains[protocol]


@pytest.fixture(scope="session")
def scenario(onchain: DeployedProtocol) -> Scenario:
    """The story of tests/scenario.py. Whoever changes the chain after it undoes that again."""
    from tests.scenario import tell

    told = tell(onchain)
    _shared_chains[onchain] = head_of(onchain)
    return told
