"""The HTTP interface. Routes say what is asked and answered; the packages beside this one do the work."""
