"""Payouts: payees who asked for it are paid without claiming."""
