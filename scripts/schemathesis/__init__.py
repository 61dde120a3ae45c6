"""Schemathesis over the web backend: an environment of its own, what it checks, and how it is run."""
