"""Random actions on a whole deployment, each foretold by a model in plain Python.

`model` knows the rules, `node` speaks to the chain, `actions` draws what happens next, `checks` compares and
states what must always hold, `run` repeats, replays and shrinks.
"""
