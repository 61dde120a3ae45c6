"""Benchmarks: what the protocol's acts cost in gas, and how fast its programs are. `make bench` runs them all."""
