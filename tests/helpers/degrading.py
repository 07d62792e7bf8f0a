"""Degradations with and without chance, and photographs for them."""

import math

import skimage.data
import torch
from torch import Tensor

RANDOM_TYPES = ("hggt-one-stage", "hggt-two-stage", "real-esrgan")
TYPES = ("bicubic", *RANDOM_TYPES)
# One round without chance, apart from the interpolation mode.
STILL = {
    "kernel_sizes": [7],
    "kernel_prob": {"iso": 1},
    "sinc_prob": 0,
    "blur_sigma": [0.8, 0.8],
    "resize_prob": [0, 0, 1],
    "gaussian_noise_prob": 1,
    "noise_range": [0, 0],
    "jpeg_range": [80, 80],
}


def photographs(height: int, width: int) -> Tensor:
    """Three windows of a photograph, 8-bit values, `(3, 3, height, width)`."""
    image = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)
    corners = ((0, 100), (30, 180), (150, 60))
    return torch.stack([image[:, y : y + height, x : x + width] for y, x in corners]).float() / 255


def psnr(image: Tensor, reference: Tensor) -> float:
    """In dB, of a whole batch."""
    return -10 * math.log10(float(((image - reference) ** 2).mean()))
