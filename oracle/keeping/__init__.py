"""Keeping: every report on the chain is followed, funded, settled; payees who asked are paid; alerts."""
