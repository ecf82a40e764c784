"""Configuration point of the run-time shim: it changes no setting."""
