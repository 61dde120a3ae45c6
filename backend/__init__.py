"""The web backend: the index of the chain, and what pages and programs read from it. See docs/index.md."""
