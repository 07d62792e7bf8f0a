"""Natural-scene statistics: contrast-normalized luma, and the shapes of generalized Gaussians fitted to it.

Reference:
    Mittal, Moorthy, Bovik: No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 21(12), 2012,
    https://doi.org/10.1109/TIP.2012.2214050. Equation numbers are those of the paper.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import gaussian_weights, weighted

__all__ = ["contrast_normalized", "halve", "nearest", "shape_table"]

WINDOW = gaussian_weights(7, 7 / 6)
EXCESS = 1e-12


def contrast_normalized(luma: Tensor, border: Literal["constant", "replicate"]) -> Tensor:
    """Mean-subtracted, contrast-normalized luma (MSCN coefficients, Eq. 1-3).

    The mean is larger by 1e-12 of itself. So a pixel in a flat area is below it by a hair, where rounding would decide:
    fits count signs, and on such images those of the published programs do.

    Args:
        luma: `(N, H, W)` float64, gray levels 0..255.
        border: What lies outside: black, or the edge pixel repeated.

    Returns:
        `(N, H, W)` float64.
    """
    around = F.pad(luma[:, None], (3, 3, 3, 3), mode=border)[:, 0]  # (N, H + 6, W + 6)
    mean, mean_square = (weighted(weighted(image, WINDOW, 1), WINDOW, 2) for image in (around, around.square()))
    difference = luma - mean * (1 + EXCESS)
    # The bound keeps the root's gradient finite; a pixel with so small a variance is flat.
    return difference / ((mean_square - mean.square()).clamp(min=1e-8).sqrt() + 1)


def halve(luma: Tensor) -> Tensor:
    """Half size as MATLAB's `imresize(luma, 0.5)` has it: `(N, H, W)` to `(N, ceil(H / 2), ceil(W / 2))`.

    Antialiased bicubic, eight taps, borders mirrored with the edge pixel; sides of at least 4 px. At an odd side the
    factor stays 1/2, where `resize_bicubic` would take the ratio of the sides.
    """
    weights = [_bicubic(k / 2 - 1.75) / 2 for k in range(8)]
    for dim in (1, 2):
        size = luma.shape[dim]
        after = 3 + size % 2
        borders = luma.narrow(dim, 0, 3).flip(dim), luma, luma.narrow(dim, size - after, after).flip(dim)
        luma = weighted(torch.cat(borders, dim), weights, dim, step=2)
    return luma


def shape_table() -> Tensor:
    """`(4, 9801)` float64: alpha = 0.2, 0.201 ... 10, its moment ratio, beta per standard deviation, eta per beta.

    The moment ratio is E|x|^2 / E x^2 of a generalized Gaussian of shape alpha; it rises with alpha.
    """
    alpha = torch.arange(200, 10001, dtype=torch.float64) / 1000
    one, two, three = (torch.lgamma(k / alpha) for k in (1, 2, 3))
    return torch.stack((alpha, (2 * two - one - three).exp(), ((one - three) / 2).exp(), (two - one).exp()))


def nearest(increasing: Tensor, values: Tensor) -> Tensor:
    """Index of the entry nearest to each value; of two equally near ones the first."""
    after = torch.searchsorted(increasing, values).clamp(1, len(increasing) - 1)
    return after - (values - increasing[after - 1] <= increasing[after] - values).long()


def _bicubic(distance: float) -> float:
    """Keys' kernel with a = -1/2."""
    x = abs(distance)
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
