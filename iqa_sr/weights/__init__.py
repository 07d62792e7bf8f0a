"""Published weight files: the registry, the local store, downloads, checksums."""
