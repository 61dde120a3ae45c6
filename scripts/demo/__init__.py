"""The whole story on a local chain: real recordings, opted in, used, reported, contested, settled, paid, recomputed."""
