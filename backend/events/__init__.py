"""What happens, told as it happens: a stream of events for whoever listens, webhooks for whoever does not."""
