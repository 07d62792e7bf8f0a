"""Natural-scene statistics: contrast-normalized luma, and the shapes of generalized Gaussians fitted to it.

Reference:
    Mittal, Moorthy, Bovik: No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 21(12), 2012,
    https://doi.org/10.1109/TIP.2012.2214050. Equation numbers are those of the paper.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import gaussian_weights, weighted

__all__ = ["AsymmetricFit", "contrast_normalized", "halve", "nearest", "pseudo_inverse", "shape_table", "weibull_fit"]

WINDOW = gaussian_weights(7, 7 / 6)
EXCESS = 1e-12
TINY = 1e-30


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


@dataclass(frozen=True)
class AsymmetricFit:
    """Asymmetric generalized Gaussians fitted by their moments, of the same shape each; NaN where a side is empty.

    Attributes:
        shape: The shape parameter alpha, one of the table's.
        mean: The mean eta.
        left: The scale of the negative side, beta_l.
        right: The scale of the positive side, beta_r.
    """

    shape: Tensor
    mean: Tensor
    left: Tensor
    right: Tensor

    @classmethod
    def of(cls, values: Tensor, table: Tensor) -> "AsymmetricFit":
        """Fits to the last dimension of `(..., P)` float64 by the table `(4, 9801)` of `shape_table`."""
        square = values.square()
        left, right = (  # 0 / 0 where there is none
            ((square * side).sum(-1) / side.sum(-1)).sqrt() for side in (values < 0, values > 0)
        )
        skew = left / right
        ratio = values.abs().mean(-1).square() / square.mean(-1)
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew.square() + 1).square()
        alpha, _, scale, mean_factor = table[:, nearest(table[1], ratio)]
        alpha, left, right = alpha + 0 * ratio, left * scale, right * scale  # NaN where a side is empty
        return cls(alpha, (right - left) * mean_factor, left, right)


def weibull_fit(values: Tensor) -> tuple[Tensor, Tensor]:
    """Weibull distributions of the greatest likelihood, as MATLAB's `wblfit`.

    The shape k solves sum(x^k log x) / sum(x^k) - 1 / k = mean(log x); the scale is mean(x^k)^(1 / k).

    Args:
        values: `(..., P)` float64, positive.

    Returns:
        Scale and shape, `(...)` each; of equal values the shape is infinite.
    """
    logarithms = values.log()
    largest = logarithms.amax(-1, keepdim=True)
    logarithms = logarithms - largest  # so that no power overflows
    spread = logarithms.std(-1)
    equal = logarithms.amin(-1) == 0
    logarithms = torch.where(equal[..., None], torch.nan, logarithms)
    shape = math.pi / math.sqrt(6) / spread.clamp(min=TINY)  # of a Gumbel distribution with that spread
    shape = _newton(logarithms.float(), shape.float(), 1e-3).double()  # half the time of float64 from the start
    shape = _newton(logarithms, shape, 1e-7)
    scale = ((logarithms * shape[..., None]).exp().mean(-1).log() / shape + largest[..., 0]).exp()
    return torch.where(equal, values[..., 0], scale), torch.where(equal, torch.inf, shape)


def pseudo_inverse(matrix: Tensor) -> Tensor:
    """MATLAB's `pinv` of a symmetric `(K, K)`: eigenvalues below K times the spacing of the largest one count as 0."""
    largest = float(torch.linalg.matrix_norm(matrix, 2))
    if not largest > 0:
        return torch.zeros_like(matrix)
    spacing = 2.0 ** (math.floor(math.log2(largest)) - 52)
    return torch.linalg.pinv(matrix, atol=len(matrix) * spacing, rtol=0.0, hermitian=True)


def _newton(logarithms: Tensor, shape: Tensor, accuracy: float) -> Tensor:
    """Shapes `(...)` moved by Newton's method until a step is smaller than `accuracy` of each."""
    for _ in range(100):
        excess, slope = _likelihood(logarithms, shape)
        moved = torch.where(excess >= slope * shape, shape / 2, shape - excess / slope)
        moving = (moved - shape).abs() > accuracy * shape  # not of NaN
        shape = moved
        if not moving.any():
            break
    return shape


def _likelihood(logarithms: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Derivative of the log-likelihood by the shape, up to a factor, and the slope of that: `(...)` each."""
    powers = (logarithms * shape[..., None]).exp()
    total = powers.sum(-1)
    weighted_logarithms = powers * logarithms
    mean = weighted_logarithms.sum(-1) / total
    variance = (weighted_logarithms * logarithms).sum(-1) / total - mean.square()
    return mean - 1 / shape - logarithms.mean(-1), variance + 1 / shape.square()


def _bicubic(distance: float) -> float:
    """Keys' kernel with a = -1/2."""
    x = abs(distance)
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
