"""Who calls: sign-in with an account, sessions, API keys, and what the chain says they may do."""
