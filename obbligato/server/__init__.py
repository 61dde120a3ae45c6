"""What every service of ours is made of: a database, an HTTP interface, a log, a process that stops in order."""
