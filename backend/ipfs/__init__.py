"""The blocks that this deployment refers to: which they are, served to anybody, and kept in the store."""
