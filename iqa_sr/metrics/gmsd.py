"""Gradient magnitude similarity deviation (GMSD).

With g, g' the gradient magnitudes of image and reference, GMS = (2 g g' + T) / (g^2 + g'^2 + T) and GMSD is the
standard deviation of GMS over the image.

Reference:
    Xue, Zhang, Mou, Bovik: Gradient Magnitude Similarity Deviation: A Highly Efficient Perceptual Image Quality Index,
    IEEE TIP 23(2), 2014, https://doi.org/10.1109/TIP.2013.2293423.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.filters import dice, gradient_magnitude, safe_sqrt

__all__ = ["GMSD", "METRICS"]

PREWITT = (1 / 3, 1 / 3, 1 / 3)
STABILITY = 170.0

GMSD_INFO = MetricInfo(
    name="gmsd",
    reference="full",
    higher_is_better=False,
    score_range=(0.0, 1.0),
    min_size=4,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Xue, Zhang, Mou, Bovik: Gradient Magnitude Similarity Deviation, IEEE TIP 2014",
    spec="YIQ luma 0..255, rounded; half size by whole 2x2 means; Prewitt; T = 170; sample deviation",
)


class GMSD(QualityMetric):
    """GMSD of each image; 0 is equal, lower is better. In the gradient the rounding counts as identity.

    The gradient of equal images is zero.

    Differs from the original:
        The last row or column of an odd side is dropped, as in IQA-PyTorch, with which the score agrees; the authors'
        code averages it with zeros. At 203 x 237 px the score moves by 5e-3 of its value.
    """

    def __init__(self, info: MetricInfo = GMSD_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        half = F.avg_pool2d(round_ste(yiq_luma(torch.cat((image, reference)))), 2)
        gradients = gradient_magnitude(half, PREWITT)
        return safe_sqrt(dice(gradients, STABILITY).flatten(1).var(1))


METRICS = ((GMSD_INFO, GMSD),)
