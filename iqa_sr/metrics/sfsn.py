"""SFSN: structural fidelity of the low frequencies of an SR result, and statistical naturalness of its high ones.

Both images become squares of the shorter side s. Of their DCT the coefficients (i, j) with i + j < s / 2 - 1 are the
low frequencies; F is a multi-scale structural similarity of those of image and reference, N the entropy in bits of the
image's high frequencies as 8-bit levels. SFSN = 1.9 F + 0.1 N.

Reference:
    Zhou, Wang, Chen: Image Super-Resolution Quality Assessment: Structural Fidelity Versus Statistical Naturalness,
    QoMEX 2021, https://doi.org/10.1109/QoMEX51781.2021.9465479.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.filters import gaussian_weights, safe_sqrt, separable
from iqa_sr.ops.resize import resize_bicubic

__all__ = ["METRICS", "SFSN"]

WINDOW = gaussian_weights(11, 1.5)
STABILITY = (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
FIDELITY, NATURALNESS = 1.9, 0.1

SFSN_INFO = MetricInfo(
    name="sfsn",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, FIDELITY + 8 * NATURALNESS),
    min_size=176,
    differentiable=False,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Zhou, Wang, Chen: Image Super-Resolution Quality Assessment: Structural Fidelity Versus Statistical "
    "Naturalness, QoMEX 2021",
    spec="YIQ luma 0..255, rounded; squares of the shorter side, bicubic; 1.9 fidelity + 0.1 entropy in bits, not "
    "normalized over a data set",
)


class SFSN(QualityMetric):
    """SFSN of each image, at most 2.7; higher is better. It has no gradient: an entropy counts pixels.

    The authors scale the entropies of a data set to [0, 1] before they add them. A score of one image cannot know the
    others; it is that of the authors' demonstration, with the entropy in bits. Noise raises the entropy.

    Differs from the original:
        A scale without common structure gives a fidelity of 0, where the authors' program takes a complex power.
    """

    def __init__(self, info: MetricInfo = SFSN_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        pair = round_ste(yiq_luma(torch.cat((image, reference)).detach()))  # (2 N, H, W)
        low, high = _bands(pair)
        fidelity = _fidelity(*_levels(low).chunk(2))
        naturalness = torch.stack([_entropy(plane) for plane in _levels(high.chunk(2)[0])])
        return FIDELITY * fidelity + NATURALNESS * naturalness


def _bands(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high frequencies of the images made square: `(N, H, W)` to `(N, s, s)` each."""
    side = min(luma.shape[-2:])
    square = resize_bicubic(luma[:, None], side, side)[:, 0]  # (N, s, s)
    basis = _cosines(side).to(luma)
    order = torch.arange(side, device=luma.device)
    cutoff = math.floor(side / 2 + 0.5)
    kept = order[:, None] + order < side - 1 - cutoff
    low = basis.mT @ ((basis @ square @ basis.mT) * kept) @ basis
    return low, square - low


@lru_cache(maxsize=4)
def _cosines(size: int) -> Tensor:
    """Orthonormal matrix `(size, size)` float64 of the DCT, a row for each frequency."""
    with torch.inference_mode(False):
        order = torch.arange(size, dtype=torch.float64)
        rows = torch.cos(math.pi / size * order[:, None] * (order + 0.5)) * math.sqrt(2 / size)
        return torch.cat((rows[:1] / math.sqrt(2), rows[1:]))


def _levels(plane: Tensor) -> Tensor:
    return plane.round().clamp(0, 255)


def _entropy(levels: Tensor) -> Tensor:
    """Entropy in bits of the levels of one image, `(s, s)` to a scalar."""
    share = torch.bincount(levels.long().flatten(), minlength=256).double() / levels.numel()
    return -torch.xlogy(share, share).sum() / math.log(2)


def _fidelity(image: Tensor, reference: Tensor) -> Tensor:
    """MS-SSIM of `(N, s, s)` without the luminance; the coarsest scale compares structure without contrast."""
    pair, means = torch.stack((image, reference)), []
    for scale in range(len(SCALE_WEIGHTS)):
        one, other = pair
        mean, other_mean, square, other_square, product = separable(
            torch.stack((one, other, one.square(), other.square(), one * other)), WINDOW
        )  # (N, h - 10, w - 10) each
        variance, other_variance = square - mean.square(), other_square - other_mean.square()
        covariance = product - mean * other_mean
        if scale < len(SCALE_WEIGHTS) - 1:
            similarity = (2 * covariance + STABILITY) / (variance + other_variance + STABILITY)
            # Means of 2 x 2; at an odd side the edge pixel comes twice.
            pair = F.pad(pair, (0, pair.shape[-1] % 2, 0, pair.shape[-2] % 2), mode="replicate")
            pair = F.avg_pool2d(pair, 2)  # (2, N, h', w')
        else:
            similarity = (covariance + STABILITY) / (safe_sqrt(variance) * safe_sqrt(other_variance) + STABILITY)
        means.append(similarity.mean((1, 2)))
    stacked = torch.stack(means, 1).clamp(min=0)  # (N, 5)
    return stacked.pow(stacked.new_tensor(SCALE_WEIGHTS)).prod(1)


METRICS = ((SFSN_INFO, SFSN),)
