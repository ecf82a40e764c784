"""What the shim changes inside Metaflow, each change checked first."""
