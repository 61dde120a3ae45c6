"""Licences: terms, history, consent, grants and rivals of each, read from the index."""
