"""The client of the launcher's socket: frames, one connection per thread."""
