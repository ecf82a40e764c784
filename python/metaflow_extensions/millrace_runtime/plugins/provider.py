"""Metaflow's metadata service, reached through the launcher."""
