"""The pipeline: received -> validated -> attested -> handed to the outbox; every step can be done again."""
