"""The ledger: everything a deployment ever said, read from the chain and replayed by the rules."""
