"""Checkpoints x data sets x metrics: `iqa-sr evaluate`."""
