"""Obbligato: what AI may do with a recording, at what price, and who is paid."""

__version__ = "0.1.0"
