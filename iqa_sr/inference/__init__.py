"""Upscaling in tiles: the tiles, their size, and which files are upscaled."""

from iqa_sr.inference.tiling import OVERLAP, Tile, check_tile, upscale

__all__ = ["OVERLAP", "Tile", "check_tile", "upscale"]
