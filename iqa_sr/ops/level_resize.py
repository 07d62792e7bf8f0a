"""Bicubic resizing of 8-bit images as MATLAB's `imresize` does it, down to which way an exact half is rounded."""

import math

import torch
from torch import Tensor

__all__ = ["resize_levels", "round_levels"]


def resize_levels(levels: Tensor, side: int) -> Tensor:
    """Whole gray levels in another size, as MATLAB's `imresize(levels, [side side])` of an array of uint8.

    It rounds after each of the two sides, and begins with the one that grows less. In one of some hundred pixels the
    weights, which are ratios of small numbers, give exactly a half, where the order of operations decides: it is
    MATLAB's here, in float64. `iqa_sr.ops.resize` has the same weights for images that are not rounded.

    Args:
        levels: `(..., H, W)` float64, whole numbers in 0..255.
        side: Height and width of the result.

    Returns:
        `(..., side, side)` float64, whole numbers in 0..255.
    """
    for dim in sorted((-2, -1), key=lambda dim: side / levels.shape[dim]):
        levels = round_levels(_resize_side(levels, dim, side))
    return levels


def round_levels(levels: Tensor) -> Tensor:
    """Whole levels 0..255, halves upwards."""
    return (levels + 0.5).floor().clamp(0, 255)


def _resize_side(levels: Tensor, dim: int, side: int) -> Tensor:
    old = levels.shape[dim]
    scale = side / old
    shrink = min(scale, 1.0)
    center = torch.arange(1, side + 1, dtype=torch.float64, device=levels.device) / scale + 0.5 * (1 - 1 / scale)
    taps = torch.arange(math.ceil(4 / shrink) + 2, device=levels.device)[:, None]
    index = torch.floor(center - 2 / shrink) + taps  # (taps, side), from 1
    weight = shrink * _cubic(shrink * (center - index))
    weight = weight / weight.sum(0)
    index = (index.long() - 1).remainder(2 * old)
    index = torch.minimum(index, 2 * old - 1 - index)  # beyond the border mirrored, with the edge pixel
    total = torch.zeros((), dtype=levels.dtype, device=levels.device)
    for one, factor in zip(index, weight, strict=True):
        total = total + levels.index_select(dim, one) * (factor if dim == -1 else factor[:, None])
    return total


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2."""
    x = x.abs()
    square, cube = x * x, x * x * x
    inner, outer = 1.5 * cube - 2.5 * square + 1, -0.5 * cube + 2.5 * square - 4 * x + 2
    return torch.where(x <= 1, inner, torch.where(x <= 2, outer, 0.0))
