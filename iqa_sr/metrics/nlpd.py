"""Normalized Laplacian pyramid distance (NLPD).

Each band of a Laplacian pyramid is divided by a local amplitude, a constant plus a weighted sum of its neighbors'
magnitudes, as the early visual system does. NLPD = mean over the six bands of the root mean square difference.

Reference:
    Laparra, Balle, Berardino, Simoncelli: Perceptual image quality assessment using a normalized Laplacian pyramid,
    Human Vision and Electronic Imaging 2016, https://doi.org/10.2352/ISSN.2470-1173.2016.16.HVEI-103; the figures below
    are the authors', fitted to photographs.
"""

import math

import torch
from torch import Tensor

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.color import yiq_luma
from iqa_sr.ops.filters import correlate, safe_sqrt, separable, symmetric_pad
from iqa_sr.ops.laplacian_pyramid import BINOMIAL, doubled

__all__ = ["METRICS", "NLPD"]

# From the finest band to the residue: the constant, and the weights of the neighbor above, left, right, below.
AMPLITUDES = (
    (0.0248, (0.1015, 0.1460, 0.1493, 0.1011)),
    (0.0185, (0.0837, 0.1846, 0.1986, 0.0757)),
    (0.0179, (0.0467, 0.2243, 0.2138, 0.0477)),
    (0.0191, (0.0, 0.2616, 0.2503, 0.0)),
    (0.0220, (0.0, 0.2552, 0.2598, 0.0)),
    (0.2782, (0.0, 0.0717, 0.2215, 0.0)),
)

NLPD_INFO = MetricInfo(
    name="nlpd",
    reference="full",
    higher_is_better=False,
    score_range=(0.0, math.inf),
    min_size=17,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="figures of the paper",
    paper="Laparra, Balle, Berardino, Simoncelli: Perceptual image quality assessment using a normalized Laplacian "
    "pyramid, HVEI 2016",
    spec="YIQ luma 0..1, not rounded; 6 levels; mean of the levels' root mean squares",
)


class NLPD(QualityMetric):
    """NLPD of each image; 0 is equal, lower is better. The gradient of equal images is zero."""

    neighbors: Tensor

    def __init__(self, info: MetricInfo = NLPD_INFO) -> None:
        super().__init__(info)
        kernels = [((0.0, up, 0.0), (left, 0.0, right), (0.0, down, 0.0)) for _, (up, left, right, down) in AMPLITUDES]
        self.register_buffer("neighbors", torch.tensor(kernels, dtype=torch.float64), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        bands = _laplacian_pyramid(yiq_luma(torch.cat((image, reference))).double() / 255, len(AMPLITUDES))
        distances = []
        for band, (constant, _), kernel in zip(bands, AMPLITUDES, self.neighbors, strict=True):
            one, other = (band / (constant + correlate(band.abs(), kernel, mode="constant"))).chunk(2)  # (N, h, w) each
            distances.append(safe_sqrt((one - other).square().mean((1, 2))))  # (N,)
        return torch.stack(distances).mean(0)


def _laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """`levels - 1` differences and the residue of `(N, H, W)`, each of half the size, rounded up."""
    bands = []
    for _ in range(levels - 1):
        half = separable(symmetric_pad(images, 2), BINOMIAL, step=2)  # (N, ceil(H / 2), ceil(W / 2))
        bands.append(images - doubled(half, images.shape[1], images.shape[2]))
        images = half
    return [*bands, images]


METRICS = ((NLPD_INFO, NLPD),)
