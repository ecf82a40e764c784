"""The hook that tells the launcher where the flow goes on."""
