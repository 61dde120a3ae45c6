"""Documents: canonical JSON, CIDs, and one model for each thing that is stored on IPFS."""
