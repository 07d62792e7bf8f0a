"""Log-Gabor filters in the frequency domain, for images of any size.

Reference:
    Field: Relations between the statistics of natural images and the response properties of cortical cells, Journal of
    the Optical Society of America A 4(12), 1987, https://doi.org/10.1364/JOSAA.4.002379.
"""

import math

import torch
from torch import Tensor

__all__ = ["angular_gaussian", "frequencies", "log_gaussian"]


def frequencies(images: Tensor) -> tuple[Tensor, Tensor]:
    """Frequency in cycles per pixel along height and width, zero first: `(H, 1)` and `(1, W)` for `(..., H, W)`.

    An odd side runs from -1/2 to 1/2 inclusive, as in the authors' codes.
    """
    down, across = (
        torch.arange(side, dtype=images.dtype, device=images.device).sub(side // 2).div(side - side % 2)
        for side in images.shape[-2:]
    )
    return torch.fft.ifftshift(down)[:, None], torch.fft.ifftshift(across)[None, :]


def log_gaussian(radius: Tensor, center: float, spread: float) -> Tensor:
    """`exp(-log(radius / center)^2 / (2 log(spread)^2))`, zero at frequency zero."""
    positive = radius > 0
    ratio = torch.where(positive, radius, center) / center
    return torch.where(positive, torch.exp(-ratio.log().square() / (2 * math.log(spread) ** 2)), 0.0)


def angular_gaussian(down: Tensor, across: Tensor, angle: float, deviation: float) -> Tensor:
    """A Gaussian of the angle from a direction, on one side of it only: `(H, W)`; `angle`, `deviation` in radians.

    The angle counts from the direction down towards the left.
    """
    sine, cosine = math.sin(angle), math.cos(angle)
    distance = torch.atan2(-across * cosine - down * sine, down * cosine - across * sine)
    return torch.exp(-distance.square() / (2 * deviation**2))
