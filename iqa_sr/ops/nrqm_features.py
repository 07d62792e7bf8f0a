"""Statistics of NRQM: block-wise DCT coefficients, a steerable pyramid's coefficients and singular values.

Reference:
    Ma, Yang, Yang, Yang: Learning a No-Reference Quality Metric for Single-Image Super-Resolution, CVIU 158, 2017,
    https://doi.org/10.1016/j.cviu.2016.12.009.
"""

import math
from collections.abc import Iterable
from functools import cache
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.ops.filters import gaussian_weights, separable
from iqa_sr.ops.frequency_pyramid import frequency_pyramid
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.scene_statistics import pseudo_inverse

__all__ = ["nrqm_features"]

SMOOTHING = gaussian_weights(3, 0.5)
SSIM_WINDOW = gaussian_weights(11, 1.5)
CONTRAST = (0.03 * 255) ** 2
ORIENTATIONS = 6
BLOCK, STEP = 7, 3
ROWS = 64  # of blocks, at a time
PART = 1 << 16  # of neighborhoods, at a time
# Of a block's DCT: the coefficients nearer to the horizontal frequencies, the diagonal ones; the rest by transposition.
HORIZONTAL = ((0, range(1, 7)), (1, range(2, 7)), (2, range(4, 7)), (3, range(5, 7)))
DIAGONAL = ((1, (1,)), (2, (2, 3)), (3, (2, 3, 4)), (4, (3, 4, 5, 6)), (5, (4, 5, 6)), (6, (4, 5, 6)))


def nrqm_features(levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features of the three forests, `(18,)`, `(45,)`, `(75,)` float64, of gray levels `(H, W)` float64 in 0..255."""
    scales = [levels / 255]
    for _ in range(2):
        scales.append(separable(F.pad(scales[-1], (1, 1, 1, 1)), SMOOTHING)[1::2, 1::2])
    return (
        torch.cat([_dct_features(plane) for plane in scales]),
        _pyramid_features(levels),
        torch.cat([_singular_values(plane) for plane in scales]),
    )


def _dct_features(plane: Tensor) -> Tensor:
    """Shapes, variations and orientations of blocks of 7 px in steps of 3 px; outside is black: `(H, W)` to `(6,)`."""
    bottom, right = (-side % STEP for side in plane.shape)
    padded = F.pad(plane, (2, 2 + right, 2, 2 + bottom))
    blocks = padded.unfold(0, BLOCK, STEP).unfold(1, BLOCK, STEP)  # (h, w, 7, 7)
    # Some rows at a time: all blocks take 44 bytes for each pixel.
    statistics = torch.cat([_block_statistics(rows.flatten(0, 1)) for rows in blocks.split(ROWS)], 1)
    shape, variation, orientation = statistics.sort(1).values  # (B,) each
    count = len(shape)
    lowest, highest = math.ceil(count * 0.1), int(count * 0.9) - 1
    means = [shape[:lowest].mean(), shape.mean()]
    for values in (variation, orientation):
        means += [values[highest:].mean(), values.mean()]
    return torch.stack(means)


def _block_statistics(blocks: Tensor) -> Tensor:
    """Shape, variation and variance over orientations of the DCT of blocks `(B, 7, 7)`: `(3, B)`."""
    basis = _cosines(BLOCK).to(blocks)
    coefficients = basis @ blocks @ basis.T
    other = coefficients.flatten(1)[:, 1:]  # than the mean
    sectors = (_sector(coefficients, HORIZONTAL), _sector(coefficients, DIAGONAL), _sector(coefficients.mT, HORIZONTAL))
    orientation = torch.stack([_variation(sector, 1e-8) for sector in sectors]).var(0)
    return torch.stack((_gaussian_shape(other), _variation(other, 1e-7), orientation))


def _sector(coefficients: Tensor, rows: Iterable[tuple[int, Iterable[int]]]) -> Tensor:
    return torch.stack([coefficients[:, row, column] for row, columns in rows for column in columns], 1)


def _variation(values: Tensor, small: float) -> Tensor:
    """Deviation of the absolute values over their mean: `(B, K)` to `(B,)`."""
    size = values.abs()
    return size.std(1) / (size.mean(1) + small)


def _gaussian_shape(values: Tensor) -> Tensor:
    """Shape of generalized Gaussians, 0.03, 0.031 ... 10: `(B, K)` to `(B,)`."""
    mean = values.mean(1, keepdim=True)
    ratio = values.var(1) / ((values - mean).abs().mean(1).square() + 1e-7)
    shapes, ratios = (table.to(values.device) for table in _shape_ratios())  # ratios fall
    after = torch.searchsorted(-ratios, -ratio).clamp(1, len(ratios) - 1)
    nearer = (ratios[after - 1] - ratio).abs() <= (ratio - ratios[after]).abs()
    return shapes[after - nearer.long()]


@cache
def _shape_ratios() -> tuple[Tensor, Tensor]:
    """Shapes and E x^2 / (E |x|)^2 of them, `(9971,)` float64 each."""
    with torch.inference_mode(False):
        shapes = torch.arange(30, 10001, dtype=torch.float64) / 1000
        one, two, three = (torch.lgamma(k / shapes) for k in (1, 2, 3))
        return shapes, (one + three - 2 * two).exp()


@cache
def _cosines(size: int) -> Tensor:
    """Orthonormal matrix `(size, size)` float64 of the DCT, a row for each frequency."""
    with torch.inference_mode(False):
        order = torch.arange(size, dtype=torch.float64)
        rows = torch.cos(math.pi / size * order[:, None] * (order + 0.5)) * math.sqrt(2 / size)
        return torch.cat((rows[:1] / math.sqrt(2), rows[1:]))


def _singular_values(plane: Tensor) -> Tensor:
    """Singular values `(25,)` of the 5 x 5 blocks of `(H, W)`; outside is black."""
    bottom, right = (-side % 5 for side in plane.shape)
    blocks = F.pad(plane, (0, right, 0, bottom)).unfold(0, 5, 5).unfold(1, 5, 5)
    return torch.linalg.svdvals(blocks.reshape(-1, 25).T)


def _pyramid_features(levels: Tensor) -> Tensor:
    """Shapes of the normalized bands, alone and over scales, and how much bands have in common: `(H, W)` to `(45,)`."""
    residual, pyramid = frequency_pyramid(levels, 2, ORIENTATIONS)
    normalized = [_normalized(pyramid, level, orientation) for level in (0, 1) for orientation in range(ORIENTATIONS)]
    fine, coarse = normalized[:ORIENTATIONS], normalized[ORIENTATIONS:]
    single = [_gaussian_shape(band.reshape(1, -1)) for band in normalized]
    both = [
        _gaussian_shape(torch.cat((one.flatten(), other.flatten()))[None])
        for one, other in zip(fine, coarse, strict=True)
    ]
    filtered = _WindowStatistics.of(residual)
    bands = (resize_bicubic(band[None, None], *residual.shape)[0, 0] for level in pyramid for band in level)
    common = [
        _common_structure(_WindowStatistics.of(band), filtered) for band in bands
    ]  # one at a time: they are large
    common += [_common_structure(*pair) for pair in combinations([_WindowStatistics.of(band) for band in fine], 2)]
    return torch.cat((*single, *both, torch.stack(common)))


def _normalized(pyramid: list[list[Tensor]], level: int, orientation: int) -> Tensor:
    """Band divided by the deviation of each coefficient's neighborhood, a Gaussian scale mixture's multiplier.

    Neighbors are the 3 x 3 around a coefficient, its parent on the coarser level and the other orientations. As in the
    authors' program the last orientation has no parent, and the number of neighbors leaves the other orientations out.

    Returns:
        `(h, w)`, without a border, mean 0.
    """
    band = pyramid[level][orientation]
    height, width = (side - 2 for side in band.shape)
    near = [band.roll((down, across), (0, 1))[1:-1, 1:-1] for down in (-1, 0, 1) for across in (-1, 0, 1)]
    if level == 0 and orientation < ORIENTATIONS - 1:
        parent = pyramid[1][orientation]
        parent = resize_bicubic(parent[None, None], 2 * parent.shape[0], 2 * parent.shape[1])[0, 0]
        near.append(parent[1 : 1 + height, 1 : 1 + width])
    count = len(near)
    near += [other[1:-1, 1:-1] for k, other in enumerate(pyramid[level]) if k != orientation]
    neighborhoods = torch.stack(near).flatten(1)  # (K, P)
    del near
    values, vectors = torch.linalg.eigh(neighborhoods @ neighborhoods.T / neighborhoods.shape[1])
    kept = values.clamp(min=0)
    kept = kept * values.sum() / kept.sum().clamp(min=1e-300)
    inverse = pseudo_inverse((vectors * kept) @ vectors.T)
    energy = torch.cat([((inverse @ part) * part).sum(0) for part in neighborhoods.split(PART, 1)])
    deviation = energy.div(count).clamp(min=0).sqrt()
    center = band[1:-1, 1:-1]
    center = center - center.mean()
    ratio = torch.where(deviation > 0, center.flatten() / deviation, 0.0).view(height, width)
    guard = 16 // 2**level
    ratio = ratio[guard:-guard, guard:-guard]
    return ratio - ratio.mean()


class _WindowStatistics(NamedTuple):
    """A map `(H, W)`, and mean and variance of its windows `(H - 10, W - 10)`."""

    values: Tensor
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "_WindowStatistics":
        mean = separable(values, SSIM_WINDOW)
        return cls(values, mean, separable(values.square(), SSIM_WINDOW) - mean.square())


def _common_structure(one: _WindowStatistics, other: _WindowStatistics) -> Tensor:
    """Mean contrast and structure term of SSIM, a scalar."""
    covariance = separable(one.values * other.values, SSIM_WINDOW) - one.mean * other.mean
    return ((2 * covariance + CONTRAST) / (one.variance + other.variance + CONTRAST)).mean()
