"""Statistics of ILNIQE: distributions fitted to the blocks of what filters make of an image, at two scales.

Reference:
    Zhang, Zhang, Bovik: A Feature-Enriched Completely Blind Image Quality Evaluator, IEEE TIP 24(8), 2015,
    https://doi.org/10.1109/TIP.2015.2426416.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import gaussian_weights, separable, weighted
from iqa_sr.ops.log_gabor import angular_gaussian, frequencies, log_gaussian
from iqa_sr.ops.scene_statistics import AsymmetricFit, weibull_fit

__all__ = ["BLOCK", "ilniqe_features"]

BLOCK = 84
OPPONENT = ((0.3, 0.04, -0.35), (0.34, -0.6, 0.17), (0.06, 0.63, 0.27))
WINDOW = {(k, m): math.exp(-((k - 2) ** 2 + (m - 2) ** 2) / (2 * (5 / 6) ** 2)) for m in range(5) for k in range(5)}
TOTAL = math.fsum(WINDOW.values())  # exact: in flat areas the last bit counts
DOWNSAMPLING = gaussian_weights(6, 0.9)
DARKEST = 1e-5  # added before the logarithm of a level
EPSILON = 2.0**-52


def ilniqe_features(levels: Tensor, shapes: Tensor) -> Tensor:
    """Features of the blocks of a square image, from the top left corner; what is left of no block is unused.

    Args:
        levels: `(3, S, S)` float64, RGB in 0..255.
        shapes: `shape_table()`.

    Returns:
        `(B, 468)` float64; NaN where undefined.
    """
    side = levels.shape[-1] // BLOCK * BLOCK
    levels = levels[:, :side, :side].contiguous()
    red, green, blue = levels
    opponent = [r * red + g * green + b * blue for r, g, b in OPPONENT]
    planes = torch.stack((*opponent, red, green, blue))  # (6, S, S)
    both = []
    for scale in (1, 2):
        fits = _Fits(shapes, BLOCK // scale)
        both.append(torch.cat(list(_scale_features(planes, scale, fits)), 1))  # (B, 234)
        around = F.pad(planes[:, None], (2, 3, 2, 3), mode="replicate")[:, 0]
        planes = separable(around, DOWNSAMPLING, step=2)
    return torch.cat(both, 1)


class _Fits:
    """Distributions fitted to the blocks of maps.

    Args:
        shapes: `shape_table()`.
        block: Side of a block in px.
    """

    def __init__(self, shapes: Tensor, block: int) -> None:
        self.shapes, self.block = shapes, block

    def blocks(self, maps: Tensor) -> Tensor:
        """`(K, H, W)` to `(K, B, b, b)`."""
        count, height, width = maps.shape
        tiles = maps.view(count, height // self.block, self.block, width // self.block, self.block).transpose(2, 3)
        return tiles.reshape(count, -1, self.block, self.block)

    def symmetric(self, maps: Tensor) -> Tensor:
        """Shape and mean scale of asymmetric generalized Gaussians: `(K, H, W)` to `(B, 2 K)`."""
        fit = AsymmetricFit.of(self.blocks(maps).flatten(2), self.shapes)  # (K, B) each
        return _by_block(fit.shape, (fit.left + fit.right) / 2)

    def products(self, plane: Tensor) -> Tensor:
        """Shape, mean and both scales of the products with four neighbors: `(H, W)` to `(B, 16)`."""
        blocks = self.blocks(plane[None])[0]  # (B, b, b)
        shifted = [blocks.roll(shift, (1, 2)) for shift in ((0, 1), (1, 0), (1, 1), (1, -1))]
        fit = AsymmetricFit.of((blocks * torch.stack(shifted)).flatten(2), self.shapes)
        return _by_block(fit.shape, fit.mean, fit.left, fit.right)

    def weibull(self, maps: Tensor) -> Tensor:
        """Scale and shape of Weibull distributions: `(K, H, W)` to `(B, 2 K)`."""
        return _by_block(*weibull_fit(self.blocks(maps).flatten(2)))

    def gaussian(self, maps: Tensor) -> Tensor:
        """Mean and variance: `(K, H, W)` to `(B, 2 K)`."""
        values = self.blocks(maps).flatten(2)
        return _by_block(values.mean(2), values.var(2))


def _by_block(*values: Tensor) -> Tensor:
    """Several `(K, B)` to `(B, ...)`, all those of a map beside each other."""
    return torch.stack(values, 1).flatten(0, 1).mT


def _scale_features(planes: Tensor, scale: int, fits: _Fits) -> Iterator[Tensor]:
    """Features of one scale, `(B, ...)` each, in the order of the authors' parameters.

    Args:
        planes: `(6, H, W)` float64: the opponent channels O1, O2, O3, then R, G, B.
        scale: 1, or 2 for the half size.
        fits: With blocks of that scale's size.
    """
    opponent, colors = planes.split(3)
    normalized = _normalized(opponent[2])
    yield fits.symmetric(normalized[None])
    yield fits.products(normalized)
    derivative = _Derivative(1.66 / scale**0.28)
    down_across = derivative(opponent)  # (3, 2, H, W)
    yield fits.weibull(_magnitude(down_across))
    yield fits.gaussian(_log_opponent(colors))
    yield fits.symmetric(down_across.flatten(0, 1))
    responses = torch.cat([_log_gabor_responses(opponent[2], scale, level) for level in range(3)])  # (24, H, W)
    yield fits.symmetric(responses)
    down_across = derivative(responses)  # (24, 2, H, W)
    yield fits.symmetric(down_across.flatten(0, 1))
    yield fits.weibull(_magnitude(down_across))


def _normalized(plane: Tensor) -> Tensor:
    """Mean-subtracted, contrast-normalized `(H, W)`.

    Filtered term by term, as the authors' window of 5 x 5 is: in flat areas the sign of what rounding leaves counts.
    """
    height, width = plane.shape
    around = F.pad(plane[None], (2, 2, 2, 2), mode="replicate")[0]  # (H + 4, W + 4)
    mean = mean_square = torch.zeros_like(plane)
    for (down, across), weight in WINDOW.items():
        near = around[down : down + height, across : across + width]
        mean = mean + near * (weight / TOTAL)
        mean_square = mean_square + near.square() * (weight / TOTAL)
    return (plane - mean) / ((mean_square - mean.square()).abs().sqrt() + 1)


class _Derivative:
    """Derivatives of a Gaussian, not normalized; outside is black. `sigma` in px."""

    def __init__(self, sigma: float) -> None:
        self.reach = math.ceil(3 * sigma)
        self.smooth = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-self.reach, self.reach + 1)]
        self.odd = [-k * weight for k, weight in zip(range(-self.reach, self.reach + 1), self.smooth, strict=True)]

    def __call__(self, maps: Tensor) -> Tensor:
        """Across, then down: `(K, H, W)` to `(K, 2, H, W)`."""
        around = F.pad(maps, (self.reach,) * 4)
        across = weighted(weighted(around, self.smooth, 1), self.odd, 2)
        down = weighted(weighted(around, self.odd, 1), self.smooth, 2)
        return torch.stack((across, down), 1)


def _magnitude(derivatives: Tensor) -> Tensor:
    """Length of the gradient, `(K, 2, H, W)` to `(K, H, W)`, positive."""
    return derivatives.square().sum(1).sqrt() + EPSILON


def _log_opponent(colors: Tensor) -> Tensor:
    """Intensity, blue-yellow and red-green of the centered logarithms: `(3, H, W)` to `(3, H, W)`."""
    logarithms = (colors + DARKEST).log()
    red, green, blue = logarithms - logarithms.mean((1, 2), keepdim=True)
    return torch.stack(
        ((red + green + blue) / math.sqrt(3), (red + green - 2 * blue) / math.sqrt(6), (red - green) / math.sqrt(2))
    )


def _log_gabor_responses(plane: Tensor, scale: int, level: int) -> Tensor:
    """Real and imaginary part in four directions, `(H, W)` to `(8, H, W)`."""
    down, across = frequencies(plane)
    wavelength = 2.4 * 1.31**level / scale**0.87
    radial = log_gaussian((down.square() + across.square()).sqrt(), 1 / wavelength, 0.55)  # (H, W)
    angles = [k * math.pi / 4 for k in range(4)]
    # The angle counts from the direction across towards the top.
    filters = [radial * angular_gaussian(across, down, angle, math.pi / 4 / 1.1) for angle in angles]
    responses = torch.fft.ifft2(torch.stack(filters) * torch.fft.fft2(plane))  # (4, H, W)
    return torch.view_as_real(responses).movedim(-1, 1).flatten(0, 1)
