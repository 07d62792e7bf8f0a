"""Visual information fidelity (VIF), in the domain of wavelets.

Each 3 x 3 block of a subband of the reference is modeled as a Gaussian scale mixture with variances `s * lambda_j`
along the eigenvectors of the subband's covariance; the image's subband as `g * reference + noise of variance v`. Both
are seen through noise of variance 0.4. VIF = information about the model in the image / that in the reference
= sum log2(1 + g^2 s lambda_j / (v + 0.4)) / sum log2(1 + s lambda_j / 0.4).

Reference:
    Sheikh, Bovik: Image information and visual quality, IEEE TIP 15(2), 2006, https://doi.org/10.1109/TIP.2005.859378.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.steerable_pyramid import SteerablePyramid

__all__ = ["METRICS", "VIF"]

BLOCK = 3
LEVELS = 4
NOISE_VARIANCE = 0.4
TINY = 1e-10

VIF_INFO = MetricInfo(
    name="vif",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, math.inf),
    min_size=65,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="filters of the authors' pyrtools (MIT)",
    paper="Sheikh, Bovik: Image information and visual quality, IEEE TIP 2006",
    spec="YIQ luma 0..255, rounded; steerable pyramid (sp5, 4 levels, horizontal and vertical); 3x3 blocks; noise 0.4",
)


class VIF(QualityMetric):
    """VIF of each image: 1 is equal, more means more contrast than the reference; higher is better.

    In the gradient the rounding counts as identity.

    Differs from the original:
        A flat reference, for which the quotient is 0 / 0, gives 1.
    """

    def __init__(self, info: MetricInfo = VIF_INFO) -> None:
        super().__init__(info)
        self.pyramid = SteerablePyramid(LEVELS)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        count = len(image)
        levels = self.pyramid(round_ste(yiq_luma(torch.cat((image, reference)))))
        seen, known = image.new_zeros(count).double(), image.new_zeros(count).double()
        for level, bands in enumerate(levels):
            for band in bands:
                side = [size // BLOCK * BLOCK for size in band.shape[1:]]
                distorted, original = band[:, : side[0], : side[1]].split(count)  # (N, 3 h, 3 w) each
                information = _information(distorted, original, window=2 ** (LEVELS - level) + 1)
                seen, known = seen + information[0], known + information[1]
        return (seen + TINY) / (known + TINY)


class _Distortion(NamedTuple):
    """Gain and noise variance at each block, `(N, h, w)`."""

    gain: Tensor
    noise: Tensor


def _information(image: Tensor, reference: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Information of image and reference, `(N, 3 h, 3 w)`, about the model: `(N,)` bits each."""
    distortion = _distortion(image, reference, window)
    scale, eigenvalues = _scale_mixture(reference)
    # Blocks whose window reaches over the border do not count.
    border = math.ceil((window - 1) // 2 / BLOCK)
    inner = (slice(None), slice(border, -border), slice(border, -border))
    gain, noise, scale = distortion.gain[inner], distortion.noise[inner], scale[inner]  # (N, h', w') each
    variance = scale[:, None] * eigenvalues[:, :, None, None]  # (N, 9, h', w')
    seen = torch.log1p((gain.square() / (noise + NOISE_VARIANCE))[:, None] * variance)
    known = torch.log1p(variance / NOISE_VARIANCE)
    return seen.sum((1, 2, 3)), known.sum((1, 2, 3))


def _scale_mixture(reference: Tensor) -> tuple[Tensor, Tensor]:
    """The field `s` of each block, `(N, h, w)`, and the eigenvalues of the covariance of all blocks, `(N, 9)`."""
    overlapping = F.unfold(reference[:, None], BLOCK)  # (N, 9, positions)
    centered = overlapping - overlapping.mean(2, keepdim=True)
    values, vectors = torch.linalg.eigh(centered @ centered.mT / overlapping.shape[2])  # (N, 9), (N, 9, 9)
    blocks = F.unfold(reference[:, None], BLOCK, stride=BLOCK)  # (N, 9, h w)
    # A direction in which the subband does not vary has no say.
    weights = torch.where(values > TINY, 1 / values.clamp(min=TINY), 0.0)
    scale = ((vectors.mT @ blocks).square() * weights[..., None]).mean(1)  # (N, h w)
    height, width = (side // BLOCK for side in reference.shape[1:])
    return scale.view(-1, height, width), values.clamp(min=0)


def _distortion(image: Tensor, reference: Tensor, window: int) -> _Distortion:
    """Regression of the image on the reference in a square window around the center of each block."""
    products = torch.stack((reference, image, reference.square(), image.square(), reference * image))
    # (5, N, h, w): means around the center of each 3 x 3 block.
    reach = window // 2 - 1
    if reach > 0:
        products = F.pad(products, (reach, reach, reach, reach), mode="reflect")
    mean, other_mean, square, other_square, product = F.avg_pool2d(products, window, BLOCK)
    variance = (square - mean.square()).clamp(min=0)
    other_variance = (other_square - other_mean.square()).clamp(min=0)
    covariance = product - mean * other_mean
    defined = variance > TINY
    gain = covariance / torch.where(defined, variance, 1.0)
    # Without structure in the reference, or with the opposite one, everything in the image is noise.
    related = defined & (gain > 0)
    noise = torch.where(related, other_variance - gain * covariance, other_variance)
    return _Distortion(torch.where(related, gain, 0.0), noise.clamp(min=TINY))


METRICS = ((VIF_INFO, VIF),)
