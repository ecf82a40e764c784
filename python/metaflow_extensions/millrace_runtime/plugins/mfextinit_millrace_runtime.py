"""Plug-in point of the run-time shim."""
