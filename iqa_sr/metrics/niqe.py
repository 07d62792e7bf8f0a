"""NIQE: distance of an image's natural-scene statistics from those of pristine photographs.

With (mu, S) mean and covariance of the 36 features over the image's blocks and (mu0, S0) those of the pristine
corpus, NIQE = sqrt((mu - mu0)^T ((S + S0) / 2)^-1 (mu - mu0))  (Eq. 10).

Reference:
    Mittal, Soundararajan, Bovik: Making a "Completely Blind" Image Quality Analyzer, IEEE Signal Processing Letters
    20(3), 2013, https://doi.org/10.1109/LSP.2012.2227726. Equation numbers are those of the paper.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.scene_statistics import halve, nearest, shape_table

__all__ = ["METRICS", "NIQE", "NIQE_BASICSR_INFO", "NIQE_INFO"]

# BasicSR's, unchanged.
PARAMETER_FILE = Path(__file__).parent / "data" / "niqe_pris_params.npz"
BLOCK = 96
CACHED_PIXELS = 2**18
GAUSSIAN = tuple(math.exp(-(k**2) / 2 / (7 / 6) ** 2) for k in range(-3, 4))


def _info(name: str, luma: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="none",
        higher_is_better=False,
        score_range=(0.0, math.inf),
        min_size=2 * BLOCK,
        differentiable=True,
        code_license="Apache-2.0 (ours, written from the paper)",
        weights_license="not stated by NIQE's authors; the copy used is BasicSR's (Apache-2.0)",
        paper='Mittal, Soundararajan, Bovik: Making a "Completely Blind" Image Quality Analyzer, IEEE SPL 2013',
        spec=f"{luma}, rounded; blocks of 96 px; the authors' pristine parameters",
    )


NIQE_INFO = _info("niqe", "YIQ luma 0..255")
NIQE_BASICSR_INFO = _info("niqe-basicsr", "BT.601 studio-range Y 16..235")


def _yiq_luma(image: Tensor) -> Tensor:
    """Gray levels in float32, not rounded to whole ones.

    The weights have three decimals, so that many pixels lie half way between two levels; which way they go moves the
    score by 1e-3. The reference rounds once per term, as fused multiply-add does; float64 gives that on any device.
    """
    red, green, blue = torch.tensor((0.299, 0.587, 0.114), dtype=torch.float32).tolist()
    luma = (image[:, 0].double() * red).float()
    luma = (image[:, 1].double() * green + luma).float()
    return (image[:, 2].double() * blue + luma).float() * 255


def _studio_luma(image: Tensor) -> Tensor:
    """Y of BT.601's YCbCr, 16..235, in float32, not rounded to whole levels."""
    red, green, blue = image.double().unbind(1)
    return ((65.481 * red + 128.553 * green + 24.966 * blue + 16) / 255).float() * 255


@dataclass(frozen=True)
class _NIQEVariant:
    """Differences of the two implementations in use.

    The last two matter by where they put a flat pixel, whose difference from its mean is a matter of rounding: among
    the negative ones or among neither.

    Attributes:
        luma: Function from images `(N, 3, H, W)` to gray levels.
        excess: Amount by which the weights of the 7 x 7 window, rounded to float32, add up to more than 1. It moves the
            score by 5e-4.
        precision: Precision of the filtered images.
    """

    luma: Callable[[Tensor], Tensor]
    excess: float
    precision: torch.dtype


VARIANTS = {
    NIQE_INFO.name: _NIQEVariant(_yiq_luma, excess=1.135e-8, precision=torch.float64),
    NIQE_BASICSR_INFO.name: _NIQEVariant(_studio_luma, excess=0.0, precision=torch.float32),
}


class NIQE(QualityMetric):
    """NIQE of each image; lower is better, pristine photographs have about 3.

    The image is cut to multiples of 96 px from its top left. In the gradient the rounding of the luma counts as
    identity and the shape parameters, which come from a table, as constants.

    Differs from the original:
        * Images of fewer than two by two blocks are refused: a covariance needs several.
        * A feature that no block defines (a flat image) has its limit for vanishing contrast, 0, so that the score
          is finite, and bad. The authors' code gives NaN.

    Args:
        info: `NIQE_INFO` (agrees with IQA-PyTorch's `niqe`) or `NIQE_BASICSR_INFO` (with BasicSR's).
    """

    pristine_mean: Tensor
    pristine_covariance: Tensor
    shapes: Tensor

    def __init__(self, info: MetricInfo = NIQE_INFO) -> None:
        super().__init__(info)
        self.variant = VARIANTS[info.name]
        with np.load(PARAMETER_FILE, allow_pickle=False) as file:
            mean, covariance = file["mu_pris_param"][0], file["cov_pris_param"]
        self.register_buffer("pristine_mean", torch.from_numpy(mean).double(), persistent=False)
        self.register_buffer("pristine_covariance", torch.from_numpy(covariance).double(), persistent=False)
        self.register_buffer("shapes", shape_table(), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` float32 to `(N,)`."""
        return self.score_luma(self.variant.luma(image))

    def score_luma(self, luma: Tensor) -> Tensor:
        """NIQE `(N,)` of gray levels.

        Args:
            luma: `(N, H, W)` float32 in [0, 255], not rounded; as the variant makes them of RGB, or others.
        """
        height, width = (side // BLOCK * BLOCK for side in luma.shape[-2:])
        luma = luma[..., :height, :width]  # (N, height, width)
        if luma.device.type != "cpu":
            return self._score(luma)
        # A processor is fastest on parts that stay in its cache; waking a second thread for each of the thousands of
        # small steps costs more than it helps.
        part = max(1, CACHED_PIXELS // (height * width))
        with _one_thread():
            return torch.cat([self._score(planes) for planes in luma.split(part)])

    def _score(self, luma: Tensor) -> Tensor:
        """Gray levels `(N, H, W)`, sides multiples of 96, to NIQE `(N,)`."""
        luma = (luma + (luma.round() - luma).detach()).double()
        full, half = (
            _features(_normalize(plane, self.variant), block, self.shapes)
            for plane, block in ((luma, BLOCK), (halve(luma), BLOCK // 2))
        )
        return self._distance(torch.cat((full.values, half.values), 2), torch.cat((full.defined, half.defined), 2))

    def _distance(self, features: Tensor, defined: Tensor) -> Tensor:
        """Eq. 10 for `(N, B, 36)` features; the mean takes what is defined, the covariance complete blocks only."""
        mean = (features * defined).sum(1) / defined.sum(1).clamp(min=1)  # (N, 36)
        complete = defined.all(2, keepdim=True)  # (N, B, 1)
        count = complete.sum(1, keepdim=True)  # (N, 1, 1)
        centered = (features - (features * complete).sum(1, keepdim=True) / count.clamp(min=1)) * complete
        covariance = centered.mT @ centered / (count - 1).clamp(min=1)  # (N, 36, 36)
        # The authors' pseudo-inverse is an inverse: the pristine covariance is positive definite, and so is the sum.
        factor, _ = torch.linalg.cholesky_ex((covariance + self.pristine_covariance) / 2)
        difference = (mean - self.pristine_mean)[..., None]  # (N, 36, 1)
        return torch.linalg.solve_triangular(factor, difference, upper=False).norm(dim=(1, 2))


class _Features(NamedTuple):
    """Features of each block, `(N, B, 18)` float64, and whether the block defines them, the same of bool."""

    values: Tensor
    defined: Tensor


class _Fit(NamedTuple):
    """Asymmetric generalized Gaussians fitted to M blocks (Eq. 4-8); `(M,)` each.

    Attributes:
        shape: The shape parameter alpha.
        mean: The mean eta.
        left: The scale of the negative side, beta_l.
        right: The scale of the positive side, beta_r.
        has_left: Whether there is a negative value.
        has_right: Whether there is a positive value.
    """

    shape: Tensor
    mean: Tensor
    left: Tensor
    right: Tensor
    has_left: Tensor
    has_right: Tensor


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _features(normalized: Tensor, block: int, shapes: Tensor) -> _Features:
    batch, height, width = normalized.shape
    tiles = normalized.view(batch, height // block, block, width // block, block).transpose(2, 3)  # (N, m, n, b, b)
    blocks = tiles.reshape(-1, block, block)  # (N m n, b, b)
    fit = _fit(blocks, shapes)
    always, both = torch.ones_like(fit.has_left), fit.has_left & fit.has_right
    values, defined = [fit.shape, (fit.left + fit.right) / 2], [always, both]
    # Products with the neighbor to the left, above, above left and above right, going round at the block's edges.
    around = F.pad(blocks[:, None], (1, 1, 1, 0), mode="circular")[:, 0]  # (N m n, b + 1, b + 2)
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbors = around[:, 1 - down :, 1 - across :][:, :block, :block]  # (N m n, b, b)
        fit = _fit(blocks * neighbors, shapes)
        values += [fit.shape, fit.mean, fit.left, fit.right]
        defined += [always, fit.has_left & fit.has_right, fit.has_left, fit.has_right]
    return _Features(torch.stack(values, 1).view(batch, -1, 18), torch.stack(defined, 1).view(batch, -1, 18))


def _fit(blocks: Tensor, shapes: Tensor) -> _Fit:
    values = blocks.flatten(1)  # (M, pixels)
    positive, negative = values.clamp(min=0), values.clamp(max=0)
    with torch.no_grad():
        # Sums of signs are exact in float32, and several times as fast as counting.
        signs = values.sign()
        balance, count = signs.sum(1), signs.abs_().sum(1)  # (M,) each
        n_left, n_right = (count - balance) / 2, (count + balance) / 2
        has_left, has_right = n_left > 0, n_right > 0
        total = (positive.sum(1) - negative.sum(1)).double()
    left_norm, right_norm = negative.norm(dim=1).double(), positive.norm(dim=1).double()  # (M,) each
    left, right = left_norm / n_left.clamp(min=1).sqrt(), right_norm / n_right.clamp(min=1).sqrt()
    with torch.no_grad():
        skew = left / right
        spread = total.square() / (left_norm.square() + right_norm.square()) / values.shape[1]
        ratio = spread * (skew**3 + 1) * (skew + 1) / (skew.square() + 1).square()
        ratio = torch.where(has_left & has_right, ratio, 0.0)
    shape, _, scale, mean_factor = shapes[:, nearest(shapes[1], ratio)]  # (M,) each
    left, right = left * scale, right * scale
    return _Fit(shape, (right - left) * mean_factor, left, right, has_left, has_right)


def _normalize(luma: Tensor, variant: _NIQEVariant) -> Tensor:
    """Mean-subtracted, contrast-normalized luma (Eq. 1-3), `(N, H, W)` float64 to float32; borders repeat the edge.

    Filtered in float64, because the variance is a small difference of large numbers.
    """
    down = [weight / sum(GAUSSIAN) for weight in GAUSSIAN]
    across = [weight * (1 + variant.excess) for weight in down]
    around = F.pad(luma[:, None], (3, 3, 3, 3), mode="replicate")[:, 0]  # (N, H + 6, W + 6)
    mean, mean_square = (
        _weighted(_weighted(image, down, 1), across, 2).to(variant.precision) for image in (around, around.square())
    )  # (N, H, W) each
    difference = (luma.to(variant.precision) - mean).float()
    variance = torch.addcmul(mean_square, mean, mean, value=-1).float().abs()
    # The bound keeps the root's gradient finite; a pixel with so small a variance is flat.
    return difference / (variance.clamp(min=1e-8).sqrt() + 1)


def _weighted(values: Tensor, weights: list[float], dim: int, step: int = 1) -> Tensor:
    """Correlate one dimension with a short kernel.

    Sums of shifted views: on the CPU ten times as fast as a convolution with one channel, and never in TF32.
    """
    span = (values.shape[dim] - len(weights)) // step * step + 1
    views = [
        values.narrow(dim, k, span)[(slice(None),) * dim + (slice(None, None, step),)] for k in range(len(weights))
    ]
    total = views[0] * weights[0]
    for view, weight in zip(views[1:], weights[1:], strict=True):
        total.add_(view, alpha=weight)
    return total


METRICS = ((NIQE_INFO, NIQE), (NIQE_BASICSR_INFO, NIQE))
