"""Attacks on quality metrics: how far a score rises while nobody sees a change of the image."""
