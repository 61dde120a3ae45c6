"""Which reports something happened to since the last look: their events, and the open challenges."""

from __future__ import annotations

from obbligato.chain.blocks import Header
from obbligato.chain.client import Chain
from obbligato.chain.events import Event, read_events
from obbligato.chain.follower import MemoryFollower, NewBlocks, Undone
from obbligato.errors import ChainError

CONTRACTS = ("UsageOracle", "Disputes")


class News:
    """Follows the oracle's and the disputes' events; starts again where the chain was reorganised."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._follower = MemoryFollower(chain, contracts=CONTRACTS, undoes_all=True)
        self._touched: set[bytes] | None = None
        """The reports that no look has returned yet; None means: any."""
        self._open: dict[int, bytes] = {}
        self._submitted_in: dict[bytes, int] = {}
        """The block of each report: 40 bytes of it, where its credits would be thousands."""

    def look(self) -> tuple[Header, frozenset[bytes] | None]:
        """The newest block, and the reports that events named since the last look; None means: any.

        Raises ChainError; the next look then covers what this one did not.
        """
        for step in self._follower.steps():
            if isinstance(step, Undone):
                self._touched = None
                self._open.clear()
                self._submitted_in.clear()
            elif isinstance(step, NewBlocks):
                touched = {report_id for event in step.events for report_id in self._apply(event)}
                if self._touched is not None:
                    self._touched |= touched
        head = self._follower.head
        if head is None:
            raise ChainError("the node does not hold the deployment's first block: ask another one")
        touched_reports, self._touched = self._touched, set()
        return head, None if touched_reports is None else frozenset(touched_reports)

    def is_contested(self, report_id: bytes) -> bool:
        """Whether a challenge of one of its rows is open."""
        return report_id in self._open.values()

    def credits_of(self, report_id: bytes) -> bytes | None:
        """The packed credits that the chain froze when it took the report. Raises ChainError."""
        block = self._submitted_in.get(report_id)
        if block is None:
            return None
        events = read_events(self._chain, since=block, until=block, contracts=("UsageOracle",))
        for event in events:
            if event.name == "ReportSubmitted" and bytes(event["reportId"]) == report_id:
                return bytes(event["credits"])
        return None

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
