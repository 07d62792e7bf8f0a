"""Choosing a checkpoint: `iqa-sr pick`."""
