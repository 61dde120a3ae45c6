"""One module for each kind of act: what a request must hold, the checks, the preview and the calls."""
