"""Degradation pipelines that make LQ images of ground truths: bicubic and blind ones."""
