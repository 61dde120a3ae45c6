"""Request and response models that servers and clients share."""
