"""Graded distortions for training IQA networks."""
