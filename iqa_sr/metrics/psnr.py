"""Classical full-reference metrics: formulas without weights."""

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric

__all__ = ["METRICS", "PSNR", "PSNRY_BASICSR_INFO", "PSNRY_INFO", "PSNR_INFO"]

# In squared units of [0, 1]: equal images have 100 dB, and any PSNR below 70 dB moves by less than 0.005 dB.
EPSILON = 1e-10


def _info(name: str, channel: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="full",
        higher_is_better=True,
        score_range=(float("-inf"), 100.0),
        differentiable=True,
        code_license="Apache-2.0 (ours)",
        weights_license="no weights",
        paper="none: the definition of the peak signal-to-noise ratio",
        spec=f"{channel}, not rounded, no border cut, at most 100 dB",
    )


PSNR_INFO = _info("psnr", "RGB")
PSNRY_INFO = _info("psnry", "YIQ luma 0..1")
PSNRY_BASICSR_INFO = _info("psnry-basicsr", "BT.601 studio-range Y 16..235 of 255")

# Weights of R, G, B; an offset would cancel in the difference. The second is what BasicSR's `test_y_channel` does.
LUMA_WEIGHTS = {
    PSNRY_INFO.name: (0.299, 0.587, 0.114),
    PSNRY_BASICSR_INFO.name: (65.481 / 255, 128.553 / 255, 24.966 / 255),
}


class PSNR(QualityMetric):
    """Peak signal-to-noise ratio, `10 log10(1 / (MSE + 1e-10))` in dB, on RGB or on luma; higher is better.

    The gradient of equal images is zero.

    Differs from the original:
        Equal images have 100 dB instead of infinity.

    Of a gray image BasicSR's Y spans 219 levels and not 255, so that `psnry-basicsr` is 20 log10(255 / 219) = 1.32 dB
    above what MATLAB's convention gives, which takes the gray levels as they are: `psnr`.

    Args:
        info: `PSNR_INFO`, `PSNRY_INFO` or `PSNRY_BASICSR_INFO`.
    """

    luma_weights: Tensor | None

    def __init__(self, info: MetricInfo = PSNR_INFO) -> None:
        super().__init__(info)
        weights = LUMA_WEIGHTS.get(info.name)
        self.register_buffer(
            "luma_weights",
            None if weights is None else torch.tensor(weights, dtype=torch.float32).view(3, 1, 1),
            persistent=False,
        )
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)` in dB."""
        assert reference is not None
        difference = image - reference
        if self.luma_weights is not None:
            difference = (difference * self.luma_weights).sum(1)  # (N, H, W)
        return -10 * (difference.square().flatten(1).mean(1) + EPSILON).log10()


METRICS = ((PSNR_INFO, PSNR), (PSNRY_INFO, PSNR), (PSNRY_BASICSR_INFO, PSNR))
