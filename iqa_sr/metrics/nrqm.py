"""NRQM (Ma et al.): what people say of super-resolution results, learned from three kinds of statistics.

Block-wise DCT coefficients at three scales, a steerable pyramid's coefficients normalized by their neighborhoods, and
the singular values of the image's 5 x 5 blocks at three scales go to a regression forest each; NRQM is a linear
function of the three predictions.

References:
    Ma, Yang, Yang, Yang: Learning a No-Reference Quality Metric for Single-Image Super-Resolution, CVIU 158, 2017,
    https://doi.org/10.1016/j.cviu.2016.12.009.
    Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor: The 2018 PIRM Challenge on Perceptual Image Super-resolution,
    ECCVW 2018, https://arxiv.org/abs/1809.07517 (PI).
"""

import math
from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.niqe import NIQE, NIQE_BASICSR_INFO
from iqa_sr.ops.color import studio_luma
from iqa_sr.ops.filters import gaussian_weights, separable
from iqa_sr.ops.frequency_pyramid import frequency_pyramid
from iqa_sr.ops.regression_forest import RegressionForest
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.scene_statistics import pseudo_inverse
from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.store import find_weights

__all__ = ["FILE", "METRICS", "NRQM", "PI"]

FILE = "nrqm_model.mat"
COUNTS = (18, 45, 75)  # features of the three forests
MATLAB_GRAY = (0.2989360212937753847527155, 0.5870430744511212909351327, 0.1140209042551033243121518)
SMOOTHING = gaussian_weights(3, 0.5)
SSIM_WINDOW = gaussian_weights(11, 1.5)
CONTRAST = (0.03 * 255) ** 2
ORIENTATIONS = 6
BLOCK, STEP = 7, 3
ROWS = 64  # of blocks, at a time
BORDER = 4  # px that PI leaves out
# Of a block's DCT: the coefficients nearer to the horizontal frequencies, the diagonal ones; the rest by transposition.
HORIZONTAL = ((0, range(1, 7)), (1, range(2, 7)), (2, range(4, 7)), (3, range(5, 7)))
DIAGONAL = ((1, (1,)), (2, (2, 3)), (3, (2, 3, 4)), (4, (3, 4, 5, 6)), (5, (4, 5, 6)), (6, (4, 5, 6)))

NRQM_INFO = MetricInfo(
    name="nrqm",
    reference="none",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    min_size=84,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="no separate statement (MIT repository)",
    paper="Ma, Yang, Yang, Yang: Learning a No-Reference Quality Metric for Single-Image Super-Resolution, CVIU 2017",
    spec="MATLAB's gray levels, rounded; the authors' forests",
)
PI_INFO = MetricInfo(
    name="pi",
    reference="none",
    higher_is_better=False,
    score_range=(-math.inf, math.inf),
    min_size=200,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="NRQM: no separate statement (MIT repository); NIQE: not stated by its authors",
    paper="Blau, Mechrez, Timofte, Michaeli, Zelnik-Manor: The 2018 PIRM Challenge on Perceptual Image "
    "Super-resolution, ECCVW 2018",
    spec=f"((10 - NRQM) + NIQE) / 2, both of BT.601 studio-range Y, rounded, without {BORDER} px at each border; NIQE "
    "with the authors' pristine parameters",
)


class NRQM(QualityMetric):
    """NRQM of each image, of about 0 to 10; higher is better. It has no gradient: trees compare.

    Differs from the original:
        Where a coefficient's neighborhood is zero (flat areas), it counts as 0; the authors' program ends.

    Raises:
        FileNotFoundError: If the authors' `model.mat` is not on the machine as `nrqm_model.mat`.
        ValueError: If the file holds something else.
    """

    linear: Tensor

    def __init__(self, info: MetricInfo = NRQM_INFO) -> None:
        super().__init__(info)
        forests, linear = _read_model()
        self.forests = nn.ModuleList(forests)
        self.register_buffer("linear", linear, persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        levels = (image.detach().double() * 255 + 0.5).floor().clamp(0, 255)
        weights = levels.new_tensor(MATLAB_GRAY)[:, None, None]
        return self.score_gray(((levels * weights).sum(1) + 0.5 + 1e-9).floor())

    def score_gray(self, levels: Tensor) -> Tensor:
        """NRQM `(N,)` of whole gray levels 0..255, `(N, H, W)` float64."""
        return torch.stack([self._predict(plane) for plane in levels])

    def _predict(self, levels: Tensor) -> Tensor:
        stages = [forest(features) for forest, features in zip(self.forests, nrqm_features(levels), strict=True)]
        return self.linear[0] + torch.stack(stages) @ self.linear[1:]


class PI(QualityMetric):
    """The perceptual index of PIRM 2018 of each image; lower is better. It has no gradient, because NRQM has none.

    NIQE is `niqe-basicsr`'s: the challenge's program takes the studio-range Y, too, as gray levels.

    Raises:
        FileNotFoundError: As `NRQM`.
        ValueError: As `NRQM`.
    """

    def __init__(self, info: MetricInfo = PI_INFO) -> None:
        super().__init__(info)
        self.nrqm, self.niqe = NRQM(), NIQE(NIQE_BASICSR_INFO)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        levels = (image.detach().double() * 255 + 0.5).floor().clamp(0, 255)
        luma = (studio_luma(levels / 255) + 0.5).floor()[:, BORDER:-BORDER, BORDER:-BORDER].contiguous()
        return (10 - self.nrqm.score_gray(luma) + self.niqe.score_luma(luma.float())) / 2


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
    bands = [resize_bicubic(band[None, None], *residual.shape)[0, 0] for level in pyramid for band in level]
    pairs = [(one, fine[j]) for i, one in enumerate(fine) for j in range(i + 1, ORIENTATIONS)]
    common = [_common_structure(*pair)[None] for pair in [(band, residual) for band in bands] + pairs]
    return torch.cat(single + both + common)


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
    values, vectors = torch.linalg.eigh(neighborhoods @ neighborhoods.T / neighborhoods.shape[1])
    kept = values.clamp(min=0)
    kept = kept * values.sum() / kept.sum().clamp(min=1e-300)
    inverse = pseudo_inverse((vectors * kept) @ vectors.T)
    deviation = ((inverse @ neighborhoods) * neighborhoods).sum(0).div(count).clamp(min=0).sqrt()
    center = band[1:-1, 1:-1]
    center = center - center.mean()
    ratio = torch.where(deviation > 0, center.flatten() / deviation, 0.0).view(height, width)
    guard = 16 // 2**level
    ratio = ratio[guard:-guard, guard:-guard]
    return ratio - ratio.mean()


def _common_structure(one: Tensor, other: Tensor) -> Tensor:
    """Mean contrast and structure term of SSIM, `(H, W)` twice to a scalar."""
    stacked = torch.stack((one, other, one.square(), other.square(), one * other))
    mean, other_mean, square, other_square, product = separable(stacked, SSIM_WINDOW)
    variances = square - mean.square() + other_square - other_mean.square()
    return ((2 * (product - mean * other_mean) + CONTRAST) / (variances + CONTRAST)).mean()


def _read_model() -> tuple[list[RegressionForest], Tensor]:
    """The authors' three forests and the four numbers `(4,)` of the linear function.

    Raises:
        FileNotFoundError: If the file is not on the machine.
        ValueError: If it holds something else.
    """
    path = find_weights(FILE)
    arrays = read_matlab(path, nested=True)
    try:
        linear = arrays.get("model.linear")
        if linear is None or linear.size != 4:
            found = ", ".join(f"{name} {one.shape}" for name, one in arrays.items())
            raise ValueError(f"`model.linear` of 4 numbers is not there; got {found[:300] or 'no numbers'}")
        forests = []
        for k, count in enumerate(COUNTS, 1):
            prefix = f"model.rf{{{k}}}."
            own = {
                name.removeprefix(prefix): torch.from_numpy(
                    array.astype("float64" if array.dtype.kind == "f" else "int32")
                )
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            try:
                forests.append(RegressionForest(own, count))
            except ValueError as error:
                raise ValueError(f"`model.rf{{{k}}}` {error}") from None
    except ValueError as error:
        raise ValueError(
            f"{path}: expected NRQM's model, a structure `model` with three forests `rf` and four numbers `linear`: "
            f"{error}\nTake `model.mat` of the authors' repository, unchanged, as {FILE}."
        ) from None
    return forests, torch.from_numpy(linear.astype("float64")).flatten()


METRICS = ((NRQM_INFO, NRQM), (PI_INFO, PI))
