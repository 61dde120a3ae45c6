"""Questions to the index, one module a subject. Pure reading: a session in, answers out."""
