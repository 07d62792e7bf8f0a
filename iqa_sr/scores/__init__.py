"""Scores and where they are kept: score tables, result folders, means, protocols."""
