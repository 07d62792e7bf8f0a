"""Visual saliency by simple priors (SDSP): what stands out in frequency, warm colors, and the center.

Reference:
    Zhang, Gu, Li: SDSP: a novel saliency detection method by combining simple priors, ICIP 2013,
    https://doi.org/10.1109/ICIP.2013.6738036; constants as in its successor VSI (IEEE TIP 2014).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import safe_sqrt
from iqa_sr.ops.log_gabor import frequencies, log_gaussian

__all__ = ["saliency"]

SIDE = 256
CENTER_FREQUENCY = 0.021
# The papers give the deviation of the log-Gaussian itself, the other log-Gabor filters the base of its logarithm.
BANDWIDTH = math.exp(1.34)
CENTER_SPREAD = 145.0
COLOR_SPREAD = 0.001
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.9642119944211994, 1.0, 0.8251882845188288)  # D50
TINY = 1e-9


def saliency(images: Tensor) -> Tensor:
    """Saliency of each pixel, in [0, 1] with both ends reached: `(N, 3, H, W)` sRGB in [0, 1] to `(N, H, W)`."""
    small = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)  # (N, 3, 256, 256)
    lab = _lab(small)
    down, across = frequencies(small)
    radius = (down.square() + across.square()).sqrt()  # (256, 256)
    passed = torch.where(radius <= 0.5, log_gaussian(radius, CENTER_FREQUENCY, BANDWIDTH), 0.0)
    spectrum = torch.fft.rfft2(lab) * passed[:, : SIDE // 2 + 1]  # (N, 3, 256, 129)
    frequency = safe_sqrt(torch.fft.irfft2(spectrum, (SIDE, SIDE)).square().sum(1))  # (N, 256, 256)
    warm = _stretch(lab[:, 1:]).square().sum(1)  # (N, 256, 256)
    warmth = 1 - torch.exp(-warm / COLOR_SPREAD**2)
    # Pixels count from 1, as the authors have it.
    position = torch.arange(SIDE, dtype=images.dtype, device=images.device) - SIDE // 2 + 1
    weight = torch.exp(-position.square() / CENTER_SPREAD**2)
    center = weight[:, None] * weight  # (256, 256)
    product = frequency * center * warmth
    full = F.interpolate(product[:, None], images.shape[-2:], mode="bilinear", align_corners=True)  # (N, 1, H, W)
    return _stretch(full)[:, 0]


def _stretch(planes: Tensor) -> Tensor:
    """Each plane of `(N, C, H, W)` moved and scaled to 0..1; a flat one becomes 0."""
    low, high = planes.amin((2, 3), keepdim=True), planes.amax((2, 3), keepdim=True)  # (N, C, 1, 1) each
    return (planes - low) / (high - low + TINY)


def _lab(srgb: Tensor) -> Tensor:
    """CIELAB of sRGB in [0, 1], `(N, 3, H, W)`; a little outside too."""
    linear = torch.where(srgb > 0.04045, ((srgb.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4), srgb / 12.92)
    matrix = srgb.new_tensor(SRGB_TO_XYZ) / srgb.new_tensor(WHITE)[:, None]
    ratio = torch.einsum("kc,nchw->nkhw", matrix, linear)
    edge = 0.008856
    x, y, z = torch.where(ratio > edge, ratio.clamp(min=edge).pow(1 / 3), (903.3 * ratio + 16) / 116).unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)
