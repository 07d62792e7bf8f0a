"""Tiled inference."""

from iqa_sr.inference.tiling import OVERLAP, Tile, check_tile, upscale

__all__ = ["OVERLAP", "Tile", "check_tile", "upscale"]
