"""Payees: what they have, earned and were paid, and statements to keep."""
