"""One router a module; `backend.api.app` mounts them all."""
