"""Common parts of several distortions: a geometric scale of strengths, the luma, a Gaussian blur."""

import math

import torch
from torch import Tensor

from iqa_sr.ops.blur import blur, gaussian_kernel

__all__ = ["LUMA", "blurred", "geometric", "luma"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def geometric(low: float, high: float, strength: float) -> float:
    """Value from `low` at strength 0 to `high` at strength 1, each step by the same factor."""
    return low * (high / low) ** strength


def luma(image: Tensor) -> Tensor:
    """Luma of an image, `(H, W)` from `(3, H, W)` RGB."""
    return torch.einsum("c,chw->hw", image.new_tensor(LUMA), image)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Image `(C, H, W)` behind a Gaussian of `sigma` px."""
    size = 2 * math.ceil(3 * sigma) + 1
    return blur(image[None], gaussian_kernel(size, sigma, sigma))[0]
