"""Super-resolution networks from checkpoint files."""

from iqa_sr.checkpoint.loading import LoadedNetwork, load_network

__all__ = ["LoadedNetwork", "load_network"]
