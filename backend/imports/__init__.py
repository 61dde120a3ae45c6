"""Catalogues: a CSV of recordings, checked line by line, prepared, and minted in batches."""
