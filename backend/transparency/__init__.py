"""Transparency reports: what happened in a month or a quarter, from the index alone."""
