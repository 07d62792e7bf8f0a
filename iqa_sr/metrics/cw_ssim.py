"""Complex wavelet structural similarity (CW-SSIM): insensitive to small shifts and turns.

With the coefficients c of the image and c' of the reference in a 7 x 7 window of a complex subband,
CW-SSIM = 2 |sum c conj(c')| / (sum |c|^2 + sum |c'|^2), averaged with a Gaussian weight around the center, over the
eight orientations of the fourth level of a steerable pyramid.

References:
    Sampat, Wang, Gupta, Bovik, Markey: Complex wavelet structural similarity: a new image similarity index, IEEE TIP
    18(11), 2009, https://doi.org/10.1109/TIP.2009.2025923.
    Portilla, Simoncelli: A parametric texture model based on joint statistics of complex wavelet coefficients, IJCV
    40(1), 2000, https://doi.org/10.1023/A:1026553619983 (the pyramid).
"""

import math

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import round_ste, yiq_luma
from iqa_sr.ops.filters import gaussian_weights, weighted

__all__ = ["CWSSIM", "METRICS"]

LEVEL, ORIENTATIONS = 4, 8
WINDOW = 7
TINY = 1e-12

CW_SSIM_INFO = MetricInfo(
    name="cw_ssim",
    reference="full",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    min_size=49,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Sampat, Wang, Gupta, Bovik, Markey: Complex wavelet structural similarity, IEEE TIP 2009",
    spec="YIQ luma 0..255, rounded; level 4 of a complex steerable pyramid of 8 orientations; 7x7 windows; K = 0",
)


class CWSSIM(QualityMetric):
    """CW-SSIM of each image, in [0, 1]; higher is better. In the gradient the rounding counts as identity."""

    def __init__(self, info: MetricInfo = CW_SSIM_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        luma = round_ste(yiq_luma(torch.cat((image, reference)).double()))  # (2N, H, W)
        one, other = _subbands(luma).chunk(2)  # (N, orientations, h, w) each
        shared = _window_means(torch.view_as_real(one * other.conj()).movedim(-1, 0))  # (2, N, o, h - 6, w - 6)
        energy = _window_means(_squared(one) + _squared(other))  # (N, o, h - 6, w - 6)
        similarity = (2 * torch.complex(*shared).abs() + TINY) / (energy + TINY)
        height, width = similarity.shape[-2:]
        spread = (height + WINDOW - 1) / 4
        down, across = (similarity.new_tensor(gaussian_weights(side, spread)) for side in (height, width))
        return (similarity * down[:, None] * across).sum((2, 3)).mean(1)


def _squared(values: Tensor) -> Tensor:
    return values.real.square() + values.imag.square()


def _window_means(maps: Tensor) -> Tensor:
    mean = [1 / WINDOW] * WINDOW
    return weighted(weighted(maps, mean, maps.ndim - 2), mean, maps.ndim - 1)


def _subbands(images: Tensor) -> Tensor:
    """Complex bands of the level, up to a factor: `(N, H, W)` to `(N, orientations, H / 8, W / 8)`, rounded up."""
    device = images.device
    down, across = (2 * torch.fft.fftfreq(side, dtype=torch.float64, device=device) for side in images.shape[1:])
    spectrum = torch.fft.fft2(images)
    for _ in range(LEVEL - 1):
        spectrum, down, across = (_lower_half(values) for values in (_lower_half(spectrum.mT).mT, down, across))
    radius = (down[:, None].square() + across.square()).sqrt()  # (h, w)
    # As the authors have it: the mean of the image is treated like its lowest frequency.
    radius[0, 0] = radius[0, 1]
    # Half a cosine wave of the octaves, one on either side of 2^-level of the highest frequency.
    radial = torch.cos((radius.log2() + LEVEL).clamp(-1, 1) * math.pi / 2)
    # Cosine to the seventh on one side of each orientation, nothing on the other.
    angle = torch.atan2(down[:, None], across)
    cosines = [torch.cos(angle - k * math.pi / ORIENTATIONS) for k in range(ORIENTATIONS)]
    angular = torch.stack([cosine.clamp(min=0) ** (ORIENTATIONS - 1) for cosine in cosines])  # (o, h, w)
    return torch.fft.ifft2(spectrum[:, None] * (angular * radial))


def _lower_half(spectrum: Tensor) -> Tensor:
    """The lower half, rounded up, of the frequencies of the last dimension; zero comes first."""
    size = (spectrum.shape[-1] + 1) // 2
    negative = size // 2
    return torch.cat((spectrum[..., : size - negative], spectrum[..., spectrum.shape[-1] - negative :]), -1)


METRICS = ((CW_SSIM_INFO, CWSSIM),)
