"""Data sets with several ground truths per image as they lie on disk."""
