"""Wanted calls become final transactions, exactly once, whatever crashes: nodes, fees, outbox, finality."""
