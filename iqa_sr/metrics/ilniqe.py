"""ILNIQE: distance of each block of an image from the natural-scene statistics of pristine photographs.

With (m, S) mean and covariance of the projected features of the image's blocks, (m0, S0) those of the pristine corpus
and f_i the features of block i, ILNIQE = mean_i sqrt((f_i - m0)^T ((S + S0) / 2)^-1 (f_i - m0)).

Reference:
    Zhang, Zhang, Bovik: A Feature-Enriched Completely Blind Image Quality Evaluator, IEEE TIP 24(8), 2015,
    https://doi.org/10.1109/TIP.2015.2426416.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.filters import gaussian_weights, separable, weighted
from iqa_sr.ops.level_resize import resize_levels, round_levels
from iqa_sr.ops.log_gabor import angular_gaussian, frequencies, log_gaussian
from iqa_sr.ops.scene_statistics import AsymmetricFit, pseudo_inverse, shape_table, weibull_fit
from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.store import find_weights

__all__ = ["FILE", "ILNIQE", "METRICS"]

FILE = "templateModel.mat"
SIDE = 524
BLOCK = 84
FEATURES = 234  # of a block at each of two scales
OPPONENT = ((0.3, 0.04, -0.35), (0.34, -0.6, 0.17), (0.06, 0.63, 0.27))
WINDOW = {(k, m): math.exp(-((k - 2) ** 2 + (m - 2) ** 2) / (2 * (5 / 6) ** 2)) for m in range(5) for k in range(5)}
TOTAL = math.fsum(WINDOW.values())  # exact: in flat areas the last bit counts
DOWNSAMPLING = gaussian_weights(6, 0.9)
DARKEST = 1e-5  # added before the logarithm of a level
EPSILON = 2.0**-52
INFINITE, UNDEFINED = 10000.0, 2000.0  # what the authors put in their places

ILNIQE_INFO = MetricInfo(
    name="ilniqe",
    reference="none",
    higher_is_better=False,
    score_range=(0.0, math.inf),
    min_size=2,
    differentiable=False,
    weights=(FILE,),
    code_license="Apache-2.0 (own implementation)",
    weights_license="none stated by the authors",
    noncommercial="the authors state no license for the parameters",
    paper="Zhang, Zhang, Bovik: A Feature-Enriched Completely Blind Image Quality Evaluator, IEEE TIP 2015",
    spec=f"RGB 0..255, rounded; MATLAB's bicubic to {SIDE}x{SIDE}, rounded after each side; blocks of {BLOCK} px; the "
    "authors' pristine parameters",
)


class ILNIQE(QualityMetric):
    """ILNIQE of each image; lower is better, pristine photographs have about 20. Images of any size are made square.

    It has no gradient: the image is rounded to 8 bits after each side of its resizing, on which the score hangs.

    Differs from the original:
        An image without any block that has all features (a flat one) has the score that the authors' constants give.
        Theirs depends on how the zeros of such an image are rounded, as it does, a little, with flat areas in it.

    Args:
        info: `ILNIQE_INFO`.

    Raises:
        FileNotFoundError: If the authors' `templateModel.mat` is not on the machine.
        ValueError: If the file holds something else.
    """

    mean: Tensor
    covariance: Tensor
    center: Tensor
    components: Tensor
    shapes: Tensor

    def __init__(self, info: MetricInfo = ILNIQE_INFO) -> None:
        super().__init__(info)
        for name, value in _read_template().items():
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("shapes", shape_table(), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`; one image after the other, for its maps take 0.7 GB."""
        levels = resize_levels(round_levels(image.detach().double() * 255), SIDE)
        return torch.stack([self._distance(self.features(one)) for one in levels])

    def features(self, levels: Tensor) -> Tensor:
        """Features `(B, 468)` float64 of the blocks of one image `(3, S, S)` in 0..255; NaN where undefined."""
        side = levels.shape[-1] // BLOCK * BLOCK
        levels = levels[:, :side, :side].contiguous()
        red, green, blue = levels
        opponent = [r * red + g * green + b * blue for r, g, b in OPPONENT]
        planes = torch.stack((*opponent, red, green, blue))  # (6, S, S)
        both = []
        for scale in (1, 2):
            fits = _Fits(self.shapes, BLOCK // scale)
            both.append(torch.cat(list(_scale_features(planes, scale, fits)), 1))  # (B, 234)
            around = F.pad(planes[:, None], (2, 3, 2, 3), mode="replicate")[:, 0]
            planes = separable(around, DOWNSAMPLING, step=2)
        return torch.cat(both, 1)

    def _distance(self, features: Tensor) -> Tensor:
        """ILNIQE of the `(B, 468)` features of one image; blocks with undefined ones count as their mean."""
        features = torch.where(features.isinf(), INFINITE, features)
        defined = features.isfinite().all(1)  # (B,)
        projected = (features[defined] - self.center) @ self.components  # (D, K)
        if len(projected):
            mean = projected.mean(0)
            centered = projected - mean
            covariance = centered.mT @ centered / max(len(projected) - 1, 1)
        else:
            mean, covariance = torch.full_like(self.mean, UNDEFINED), torch.full_like(self.covariance, UNDEFINED)
        inverse = pseudo_inverse((self.covariance + covariance) / 2)
        others = mean.expand(len(features) - len(projected), -1)
        difference = torch.cat((projected, others)) - self.mean  # (B, K)
        return ((difference @ inverse) * difference).sum(1).clamp(min=0).sqrt().mean()


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


def _read_template() -> dict[str, Tensor]:
    """The authors' pristine parameters: mean `(K,)`, covariance `(K, K)`, center `(468,)`, components `(468, K)`.

    Raises:
        FileNotFoundError: If the file is not on the machine.
        ValueError: If it holds something else.
    """
    path = find_weights(FILE)
    arrays = read_matlab(path, nested=True)
    found = [arrays.get(f"templateModel{{{k}}}") for k in (1, 2, 3, 4)]
    count = found[0].size if found[0] is not None else 0
    expected = [(1, count), (count, count), (2 * FEATURES, 1), (2 * FEATURES, count)]
    shapes = [None if one is None else one.shape for one in found]
    if not count or shapes != expected:
        raise ValueError(
            f"{path}: expected ILNIQE's parameters, a cell `templateModel` of (1, K), (K, K), ({2 * FEATURES}, 1) and "
            f"({2 * FEATURES}, K) numbers; got {', '.join(f'{name} {one.shape}' for name, one in arrays.items())[:300]}"
            "\nTake the file of the authors' program, unchanged."
        )
    mean, covariance, center, components = (torch.from_numpy(one).double() for one in found if one is not None)
    return {"mean": mean[0], "covariance": covariance, "center": center[:, 0], "components": components}


METRICS = ((ILNIQE_INFO, ILNIQE),)
