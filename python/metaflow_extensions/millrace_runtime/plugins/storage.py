"""Metaflow's stores, reached through the launcher."""
