"""Metrics of sets of images: one number for how far two distributions of features are from each other."""
