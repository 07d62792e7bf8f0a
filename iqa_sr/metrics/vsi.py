"""Visual saliency-induced index (VSI).

With the saliency v, the gradient magnitude g and the chroma M, N of the image and (primed) of the reference, and
S(a) = (2 a a' + C) / (a^2 + a'^2 + C): VSI = mean of S(v) S(g)^0.4 (S(M) S(N))^0.02, weighted with max(v, v').

Reference:
    Zhang, Shen, Li: VSI: a visual saliency-induced index for perceptual image quality assessment, IEEE TIP 23(10),
    2014, https://doi.org/10.1109/TIP.2014.2346028.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import weighted_channels
from iqa_sr.ops.filters import dice, gradient_magnitude
from iqa_sr.ops.saliency import saliency

__all__ = ["METRICS", "VSI"]

SCHARR = (3 / 16, 10 / 16, 3 / 16)
LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.6, 0.17))
SALIENCY_STABILITY, GRADIENT_STABILITY, CHROMA_STABILITY = 1.27, 386.0, 130.0
GRADIENT_EXPONENT, CHROMA_EXPONENT = 0.4, 0.02
SMALLEST_COLOR = 1e-7
SMALLEST_WEIGHT = 1e-12

VSI_INFO = MetricInfo(
    name="vsi",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    min_size=2,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Zhang, Shen, Li: VSI: a visual saliency-induced index for perceptual quality assessment, IEEE TIP 2014",
    spec="RGB 0..255, not rounded; SDSP saliency at 256x256; means over round(short side / 256) px; LMN colors",
)


class VSI(QualityMetric):
    """VSI of each image, in [0, 1]; higher is better."""

    def __init__(self, info: MetricInfo = VSI_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        images = torch.cat((image, reference)).double()  # (2N, 3, H, W)
        planes = [saliency(images), *(weighted_channels(images * 255, weights) for weights in LMN)]  # (2N, H, W) each
        salient, luma, m, n = _reduce(torch.stack(planes, 1)).unbind(1)  # (2N, h, w) each
        gradient = gradient_magnitude(luma, SCHARR)
        similarity = dice(salient, SALIENCY_STABILITY) * dice(gradient, GRADIENT_STABILITY).pow(GRADIENT_EXPONENT)
        # The real part of (S(M) S(N))^0.02. Opposite colors cross zero, where the gradient of the power is infinite:
        # nearer than the floor it is zero.
        color = dice(m, CHROMA_STABILITY) * dice(n, CHROMA_STABILITY)  # (N, h, w)
        turn = torch.where(color < 0, math.cos(math.pi * CHROMA_EXPONENT), 1.0)
        similarity = similarity * (color.abs().clamp(min=SMALLEST_COLOR).pow(CHROMA_EXPONENT) * turn)
        weight = torch.maximum(*salient.chunk(2))  # (N, h, w)
        return ((similarity * weight).sum((1, 2)) + SMALLEST_WEIGHT) / (weight.sum((1, 2)) + SMALLEST_WEIGHT)


def _reduce(planes: Tensor) -> Tensor:
    """Means over squares, so that the short side has about 256 px; the edge repeats around the image."""
    side = max(1, round(min(planes.shape[-2:]) / 256))
    before, after = side // 2, (side - 1) // 2
    if before:
        planes = F.pad(planes, (before, after, before, after), mode="replicate")
    return F.avg_pool2d(planes, side)


METRICS = ((VSI_INFO, VSI),)
