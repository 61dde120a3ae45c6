"""`make up`: a whole Obbligato on this machine, with demo data, until it is stopped."""
