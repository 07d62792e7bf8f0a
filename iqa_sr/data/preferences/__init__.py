"""Data sets of human preferences as they lie on disk: pairs and triplets."""
