"""Intake: the HTTP interface by which platforms hand over usage, see what became of it, and sign."""
