"""PCQI: patch-based contrast quality index, which may exceed 1 where the image has more contrast than its reference.

With means m, variances v and covariance c of image and reference (v', m') under an 11 x 11 Gaussian window,
PCQI = mean of 4 / pi atan((c + C) / (v' + C)) * (c + C) / (sqrt(v v') + C) * exp(-|m - m'| / 256), C = 3.

Reference:
    Wang, Ma, Yeganeh, Wang, Lin: A Patch-Structure Representation Method for Quality Assessment of Contrast Changed
    Images, IEEE SPL 22(12), 2015, https://doi.org/10.1109/LSP.2015.2487369.
"""

import math

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.filters import gaussian_weights, safe_sqrt, separable

__all__ = ["METRICS", "PCQI"]

WINDOW = gaussian_weights(11, 1.5)
LEVELS = 256
STABILITY = 3.0

PCQI_INFO = MetricInfo(
    name="pcqi",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, 2.0),
    min_size=11,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Wang, Ma, Yeganeh, Wang, Lin: A Patch-Structure Representation Method for Quality Assessment of Contrast "
    "Changed Images, IEEE SPL 2015",
    spec="YIQ luma 0..255, rounded; 11x11 Gaussian of sigma 1.5, valid region; L = 256; C = 3",
)


class PCQI(QualityMetric):
    """PCQI of each image, in [0, 2]; higher is better, 1 for equal images, more with more contrast.

    In the gradient the rounding counts as identity. Structure of the opposite sign, as in a negative, makes two of the
    factors negative and counts as if it agreed; that is the authors' formula.
    """

    def __init__(self, info: MetricInfo = PCQI_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        one, other = (round_ste(yiq_luma(batch)) for batch in (image, reference))
        products = torch.stack((one, other, one.square(), other.square(), one * other))
        mean, other_mean, square, other_square, product = separable(products, WINDOW)  # (N, H - 10, W - 10) each
        variance = (square - mean.square()).clamp(min=0)
        other_variance = (other_square - other_mean.square()).clamp(min=0)
        covariance = product - mean * other_mean + STABILITY
        contrast = 4 / math.pi * torch.atan(covariance / (other_variance + STABILITY))
        structure = covariance / (safe_sqrt(variance) * safe_sqrt(other_variance) + STABILITY)
        return (contrast * structure * (-(mean - other_mean).abs() / LEVELS).exp()).mean((1, 2))


METRICS = ((PCQI_INFO, PCQI),)
