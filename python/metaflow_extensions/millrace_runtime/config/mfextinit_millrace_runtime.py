"""Configuration point of the run-time shim."""
