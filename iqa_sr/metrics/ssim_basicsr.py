"""SSIM as BasicSR computes it, which is what tables of super-resolution report: nothing clipped, Y not rounded.

Reference:
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
    IEEE TIP 13(4), 2004, https://doi.org/10.1109/TIP.2003.819861.
"""

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.ssim import K1, K2, SSIM_PAPER, WINDOW
from iqa_sr.ops.color import round_ste
from iqa_sr.ops.filters import separable

__all__ = ["METRICS", "BasicSRSSIM"]

# BT.601 studio range, per level of R, G, B; the last is the offset.
STUDIO_Y = (65.481 / 255, 128.553 / 255, 24.966 / 255, 16.0)


def _info(name: str, channels: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="full",
        higher_is_better=True,
        score_range=(-1.0, 1.0),
        min_size=11,
        differentiable=True,
        code_license="Apache-2.0 (own implementation)",
        weights_license="no weights",
        paper=f"{SSIM_PAPER}, IEEE TIP 2004",
        spec=f"{channels}; 11x11 Gaussian of sigma 1.5, valid region, nothing clipped, not downsampled",
    )


SSIMY_INFO = _info("ssimy-basicsr", "BT.601 studio-range Y 16..235 of whole levels")
SSIMC_INFO = _info("ssimc-basicsr", "RGB 0..255, rounded; mean of the channels")


class BasicSRSSIM(QualityMetric):
    """SSIM of each image, at most 1; higher is better. In the gradient the rounding to 8 bit counts as identity.

    Of a gray image Y spans 219 levels and not 255, which raises `ssimy-basicsr`; MATLAB's convention takes the gray
    levels as they are: `ssimc-basicsr`.

    Args:
        info: `SSIMY_INFO` (BasicSR's `test_y_channel: true`) or `SSIMC_INFO` (the mean over red, green and blue).
    """

    def __init__(self, info: MetricInfo = SSIMY_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        first, second = self._planes(image), self._planes(reference)
        products = first, second, first.square(), second.square(), first * second
        mean, other_mean, square, other_square, product = separable(torch.stack(products), WINDOW)
        both, means = mean * other_mean, mean.square() + other_mean.square()  # (N or 3 N, H - 10, W - 10) each
        similarity = (2 * both + K1) * (2 * (product - both) + K2)
        similarity = similarity / ((means + K1) * (square + other_square - means + K2))
        return similarity.reshape(len(image), -1).mean(1)

    def _planes(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to Y `(N, H, W)`, or to all channels `(3 N, H, W)`; float64, 0..255."""
        levels = round_ste(image * 255)
        if self.info.name == SSIMC_INFO.name:
            return levels.flatten(0, 1)
        red, green, blue, offset = STUDIO_Y
        return levels[:, 0] * red + levels[:, 1] * green + levels[:, 2] * blue + offset


METRICS = ((SSIMY_INFO, BasicSRSSIM), (SSIMC_INFO, BasicSRSSIM))
