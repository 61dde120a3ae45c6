"""Tests of the protocol in Python, against vectors that another implementation made."""
