"""The fixed crops of 224x224 px that MANIQA and AHIQ look at, and enlarging what is too small for them."""

import math
from collections import Counter
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CROP", "center_crop", "cut_crops", "enlarged", "resize_short_side"]

CROP = 224


def enlarged(image: Tensor) -> Tensor:
    """An image whose shorter side is at most 224 px, enlarged bilinearly to 225; others as they are."""
    short = min(image.shape[-2:])
    if short > CROP:
        return image
    return F.interpolate(image, scale_factor=(CROP + 1) / short, mode="bilinear", align_corners=False)


def cut_crops(image: Tensor, count: int) -> Tensor:
    """The first crops, row by row, of a square grid from the top left: `(N, 3, H, W)` to `(N, crops, 3, 224, 224)`.

    20 crops are the first of a 5x5 grid whose step is a fourth of what the image is larger than a crop: its last row
    is never seen. 4 crops are a 2x2 grid with a step of half of it, 1 is the top left.

    Crops at the same place, as in images of 224 to 227 px, are given once where each position has as many of them:
    means over the crops stay what they are, for a fraction of the time.
    """
    parts = math.isqrt(count)
    side = parts if parts**2 == count else parts + 1
    down, right = ((length - CROP) // parts for length in image.shape[-2:])
    positions = [(row * down, column * right) for row in range(side) for column in range(side)][:count]
    times = Counter(positions)
    if len(set(times.values())) == 1:
        positions = list(times)
    return torch.stack([image[..., top : top + CROP, left : left + CROP] for top, left in positions], dim=1)


def resize_short_side(image: Tensor, side: int, mode: Literal["nearest", "bilinear", "bicubic"]) -> Tensor:
    """The image with a short side of `side` px, as torchvision resizes tensors; not clamped.

    Bilinear and bicubic are antialiased. The long side is the proportional one, rounded down.

    Args:
        image: `(N, C, H, W)`, floating.
        side: Height or width of the result, whichever is smaller, in pixels.
        mode: The interpolation.
    """
    height, width = image.shape[2:]
    short = min(height, width)
    size = (side * height // short, side * width // short)
    if mode == "nearest":
        return F.interpolate(image, size, mode=mode)
    return F.interpolate(image, size, mode=mode, align_corners=False, antialias=True)


def center_crop(image: Tensor, side: int) -> Tensor:
    """The middle `side` x `side` px of `(N, C, H, W)`; where two positions are equally central, the one at an even
    offset.

    The offset is rounded half to even, as in torchvision.
    """
    top, left = (round((size - side) / 2) for size in image.shape[2:])
    return image[..., top : top + side, left : left + side]
