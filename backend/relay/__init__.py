"""The relay: signed acts become transactions whose gas it pays, within limits, and are followed until final."""

from backend.relay.opening import RelayWorker, open_relay

__all__ = ["RelayWorker", "open_relay"]
