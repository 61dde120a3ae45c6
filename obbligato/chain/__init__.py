"""The chain as the protocol sees it: deployments, typed contract bindings, the ledger of events."""
