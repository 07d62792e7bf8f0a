"""Feature similarity with color (FSIMc).

With the phase congruency p, the gradient magnitude g and the chroma I, Q of the image and (primed) of the reference,
and S(a) = (2 a a' + T) / (a^2 + a'^2 + T): FSIMc = mean of S(p) S(g) |S(I) S(Q)|^0.03, weighted with max(p, p').

Reference:
    Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment, IEEE TIP 20(8), 2011,
    https://doi.org/10.1109/TIP.2011.2109730.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import weighted_channels
from iqa_sr.ops.filters import dice, gradient_magnitude
from iqa_sr.ops.phase_congruency import phase_congruency

__all__ = ["FSIM", "METRICS"]

SCHARR = (3 / 16, 10 / 16, 3 / 16)
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
PHASE_STABILITY, GRADIENT_STABILITY, CHROMA_STABILITY = 0.85, 160.0, 200.0
CHROMA_EXPONENT = 0.03
SMALLEST_COLOR = 1e-7
# Of a weight that is of the order of the number of pixels; bounds the gradient where both images are flat.
SMALLEST_WEIGHT = 1e-3

FSIM_INFO = MetricInfo(
    name="fsim",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    min_size=2,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment, IEEE TIP 2011",
    spec="FSIMc; RGB 0..255, not rounded; means over round(short side / 256) px; YIQ; 4 scales, 4 orientations",
)


class FSIM(QualityMetric):
    """FSIMc of each image, in [0, 1]; higher is better."""

    def __init__(self, info: MetricInfo = FSIM_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        images = torch.cat((image, reference)) * 255  # (2N, 3, H, W)
        images = F.avg_pool2d(images, max(1, round(min(image.shape[-2:]) / 256)))  # (2N, 3, h, w)
        luma, in_phase, quadrature = (weighted_channels(images, weights) for weights in YIQ)  # (2N, h, w) each
        phase = phase_congruency(luma.double())
        gradient = gradient_magnitude(luma.double(), SCHARR)
        # Opposite colors cross zero, where the gradient of the power is infinite: nearer than the floor it is zero.
        color = (dice(in_phase, CHROMA_STABILITY) * dice(quadrature, CHROMA_STABILITY)).abs().clamp(min=SMALLEST_COLOR)
        similarity = dice(phase, PHASE_STABILITY) * dice(gradient, GRADIENT_STABILITY) * color.pow(CHROMA_EXPONENT)
        one, other = phase.chunk(2)  # (N, h, w) each
        weight = torch.where(one > other, one, other)
        return ((similarity * weight).sum((1, 2)) + SMALLEST_WEIGHT) / (weight.sum((1, 2)) + SMALLEST_WEIGHT)


METRICS = ((FSIM_INFO, FSIM),)
