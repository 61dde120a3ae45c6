"""The web backend: the chain as tables, licences minted by signature, everything readable with its certainty."""
