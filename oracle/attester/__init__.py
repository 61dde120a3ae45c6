"""Attesting: the independent node that recomputes and signs, and the leader's side that gathers signatures."""
