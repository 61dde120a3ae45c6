"""Payees' money: what they have, earned and were paid; statements to keep; what happened in a period."""
