"""The two databases: the index of the chain, and what only this service knows."""
