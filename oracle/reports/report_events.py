"""Which reports something happened to since the last look: their events, and the open challenges."""

from __future__ import annotations

from dataclasses import dataclass, field

from obbligato.chain.client import Chain, answered
from obbligato.chain.events import Event, read_events
from oracle.startup import Block, latest_block

CONTRACTS = ("UsageOracle", "Disputes")


@dataclass
class News:
    """Follows the oracle's and the disputes' events by block; starts again where the chain was reorganised."""

    chain: Chain
    _seen: Block | None = None
    _open: dict[int, bytes] = field(default_factory=dict)
    _submitted_in: dict[bytes, int] = field(default_factory=dict)
    """The block of each report: 40 bytes of it, where its credits would be thousands."""

    def look(self) -> tuple[Block, frozenset[bytes] | None]:
        """The newest block, and the reports that events named since the last look; None means: any.

        Raises ChainError; the next look then covers what this one did not.
        """
        newest = latest_block(self.chain)
        seen = self._seen
        if seen is not None and newest.hash == seen.hash:
            return newest, frozenset()
        if seen is None or not continues(self.chain, seen, newest):
            self._open.clear()
            self._submitted_in.clear()
            self._read(self.chain.deployment.block, newest)
            touched = None
        else:
            touched = self._read(seen.number + 1, newest)
        self._seen = newest
        return newest, touched

    def is_contested(self, report_id: bytes) -> bool:
        """Whether a challenge of one of its rows is open."""
        return report_id in self._open.values()

    def credits_of(self, report_id: bytes) -> bytes | None:
        """The packed credits that the chain froze when it took the report. Raises ChainError."""
        block = self._submitted_in.get(report_id)
        if block is None:
            return None
        events = read_events(self.chain, since=block, until=block, contracts=("UsageOracle",))
        for event in events:
            if event.name == "ReportSubmitted" and bytes(event["reportId"]) == report_id:
                return bytes(event["credits"])
        return None

    def _read(self, first: int, newest: Block) -> frozenset[bytes]:
        touched: set[bytes] = set()
        events = read_events(self.chain, since=first, until=newest.number, contracts=CONTRACTS)
        for event in events:
            touched |= self._apply(event)
        return frozenset(touched)

    def _apply(self, event: Event) -> set[bytes]:
        if event.name == "Challenged":
            self._open[event["challengeId"]] = bytes(event["reportId"])
            return {bytes(event["reportId"])}
        if event.name in ("Ruled", "Lapsed"):
            report_id = self._open.pop(event["challengeId"], None)
            return set() if report_id is None else {report_id}
        if event.name == "ReportSubmitted":
            self._submitted_in[bytes(event["reportId"])] = event.block
        report_id = event.arguments.get("reportId")
        return set() if report_id is None else {bytes(report_id)}


def continues(chain: Chain, seen: Block, newest: Block) -> bool:
    """Whether a block that was seen is still below the newest one. Raises ChainError."""
    if newest.number < seen.number:
        return False
    found = answered(lambda: chain.web3.eth.get_block(seen.number))
    return "0x" + bytes(found["hash"]).hex() == seen.hash
