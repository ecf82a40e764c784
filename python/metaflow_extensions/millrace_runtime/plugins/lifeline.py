"""Ends the process when the launcher is gone."""
