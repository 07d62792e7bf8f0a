"""Option files: YAML with bases and overrides, and typed sections."""
