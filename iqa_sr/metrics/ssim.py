"""Structural similarity (SSIM) and its multi-scale form (MS-SSIM).

With means m, variances v and covariance c of image and reference under an 11 x 11 Gaussian window, and K1, K2 small
constants: SSIM = mean of l * cs, l = (2 m m' + K1) / (m^2 + m'^2 + K1), cs = (2 c + K2) / (v + v' + K2).

References:
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
    IEEE TIP 13(4), 2004, https://doi.org/10.1109/TIP.2003.819861.
    Wang, Simoncelli, Bovik: Multiscale structural similarity for image quality assessment, Asilomar 2003,
    https://doi.org/10.1109/ACSSC.2003.1292216.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, studio_luma, yiq_luma
from iqa_sr.ops.filters import gaussian_weights, separable

__all__ = ["METRICS", "MSSSIM", "SSIM"]

WINDOW = gaussian_weights(11, 1.5)
K1, K2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = 1e-12

SSIM_PAPER = "Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity"
MS_PAPER = "Wang, Simoncelli, Bovik: Multiscale structural similarity for image quality assessment, Asilomar 2003"


def _info(name: str, spec: str, paper: str = f"{SSIM_PAPER}, IEEE TIP 2004", min_size: int = 11) -> MetricInfo:
    return MetricInfo(
        name=name,
        reference="full",
        higher_is_better=True,
        score_range=(0.0, 1.0),
        min_size=min_size,
        differentiable=True,
        code_license="Apache-2.0 (own implementation)",
        weights_license="no weights",
        paper=paper,
        spec=spec,
    )


LUMA = "YIQ luma 0..255, rounded"
RULE = "11x11 Gaussian of sigma 1.5, valid region, contrast-structure clipped at 0, not downsampled"
SSIM_INFO = _info("ssim", f"{LUMA}; {RULE}")
SSIMY_INFO = _info("ssimy", f"BT.601 studio-range Y 16..235, rounded; {RULE}")
SSIMC_INFO = _info("ssimc", f"RGB 0..255, rounded; {RULE}; mean of the channels")
MS_SSIM_INFO = _info("ms_ssim", f"{LUMA}; product of 5 scales of 2x2 means; {RULE}", MS_PAPER, min_size=161)


def _maps(image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and clipped contrast-structure of `(N, H, W)` float64 images: `(N, H - 10, W - 10)` each."""
    products = image, reference, image.square(), reference.square(), image * reference
    mean, other_mean, square, other_square, product = separable(torch.stack(products), WINDOW)
    variances = square - mean.square() + other_square - other_mean.square()
    luminance = (2 * mean * other_mean + K1) / (mean.square() + other_mean.square() + K1)
    structure = (2 * (product - mean * other_mean) + K2) / (variances + K2)
    return luminance, structure.clamp(min=0)


class SSIM(QualityMetric):
    """SSIM of each image, in [0, 1]; higher is better. In the gradient the rounding counts as identity.

    Differs from the original:
        Not downsampled to a short side of 256 px (the authors' later script does that), and the contrast-structure map
        is clipped at 0, as in IQA-PyTorch, with which the score agrees. On `SSIMY_INFO`'s Y it is what tables of
        diffusion models report: within 2e-6 of each of the 93 values that OSEDiff's authors publish for DRealSR.

    Args:
        info: `SSIM_INFO` (luma), `SSIMY_INFO` (studio-range Y) or `SSIMC_INFO` (the mean over red, green and blue).
    """

    def __init__(self, info: MetricInfo = SSIM_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        if self.info.name == SSIMC_INFO.name:
            pair = [batch.flatten(0, 1) * 255 for batch in (image, reference)]  # (3 N, H, W)
        elif self.info.name == SSIMY_INFO.name:
            pair = [studio_luma(batch) for batch in (image, reference)]
        else:
            pair = [yiq_luma(batch) for batch in (image, reference)]  # (N, H, W)
        luminance, structure = _maps(*map(round_ste, pair))  # (N or 3 N, H - 10, W - 10) each
        return (luminance * structure).reshape(len(image), -1).mean(1)


class MSSSIM(QualityMetric):
    """MS-SSIM of each image, in [0, 1]; higher is better. In the gradient the rounding counts as identity.

    Differs from the original:
        Means of 2 x 2 pixels lead from scale to scale, at an odd side after one row or column of zeros in front. The
        contrast-structure map is clipped at 0. Both as in IQA-PyTorch, with which the score agrees.
    """

    def __init__(self, info: MetricInfo = MS_SSIM_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        pair = torch.stack([round_ste(yiq_luma(batch)) for batch in (image, reference)])  # (2, N, H, W)
        levels = []
        for scale in range(len(SCALE_WEIGHTS)):
            luminance, structure = _maps(*pair)  # (N, h - 10, w - 10) each
            last = scale == len(SCALE_WEIGHTS) - 1
            levels.append((luminance * structure if last else structure).mean((1, 2)))  # (N,)
            if not last:
                pair = F.avg_pool2d(pair, 2, padding=(pair.shape[-2] % 2, pair.shape[-1] % 2))  # (2, N, h', w')
        means = torch.stack(levels, 1)  # (N, 5)
        powers = means.clamp(min=SMALLEST).pow(means.new_tensor(SCALE_WEIGHTS))
        # Zero, with zero gradient, where a scale has no structure in common.
        return torch.where((means > SMALLEST).all(1), powers.prod(1), 0.0)


METRICS = ((SSIM_INFO, SSIM), (SSIMY_INFO, SSIM), (SSIMC_INFO, SSIM), (MS_SSIM_INFO, MSSSIM))
