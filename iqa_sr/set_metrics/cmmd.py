"""CMMD: the squared maximum mean discrepancy of CLIP features under a Gaussian kernel.

Reference:
    Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti, Kumar: Rethinking FID: Towards a Better Evaluation Metric for
    Image Generation, CVPR 2024, https://arxiv.org/abs/2401.09603;
    Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13, 2012 (the estimates)
"""

from collections.abc import Sequence

import numpy as np

from iqa_sr.set_metrics.base import FeatureSet, SetMetric, SetMetricInfo
from iqa_sr.set_metrics.clip import WEIGHTS, CLIPFeatures
from iqa_sr.set_metrics.networks import FeatureSource
from iqa_sr.weights.store import weight_file

__all__ = ["CMMD", "CMMD_INFO", "METRICS", "weighted_mmd"]

SIGMA, SCALE = 10.0, 1000.0
BLOCK = 2048  # rows; a block of the kernel takes 32 MB, all of it for 30,000 images against 30,000 would take 29 GB

CMMD_INFO = SetMetricInfo(
    "cmmd",
    FeatureSource(CLIPFeatures, WEIGHTS, "crop"),
    "Apache-2.0 (ours)",
    weight_file(WEIGHTS).license,
    "Jayasumana et al.: Rethinking FID: Towards a Better Evaluation Metric for Image Generation, CVPR 2024",
    "8-bit RGB, central square, Pillow's bicubic resizing to 336 px, rounded, CLIP ViT-L/14 at 336 px, 768 features of "
    "length 1; 1000 x biased MMD², Gaussian kernel of sigma 10, as the authors' program",
)


class CMMD(SetMetric):
    """CMMD of a set of images; 0 for the same set, lower is better.

    No distribution is assumed, where FID has two normal ones. The estimate is the biased one of the authors, with each
    image's kernel with itself: it is never below 0, and falls as the images become more.

    Differs from the original: float64 instead of float32, whose rounding moves the number by some 1e-4; and images that
    do not fill a last batch are not left out.

    Args:
        info: Info of the metric.
    """

    def __init__(self, info: SetMetricInfo = CMMD_INFO) -> None:
        self.info = info

    def distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """CMMD of features `(M, D)` and `(N, D)`."""
        weights = np.concatenate([_mean_of(np.ones(len(rows))), -_mean_of(np.ones(len(reference)))])
        found = float(weighted_mmd(np.concatenate([rows, reference]), weights[:, None])[0])
        return SCALE * max(0.0, found)  # below 0 by rounding alone

    def drawn_distances(
        self, images: FeatureSet, reference: FeatureSet, draws: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> list[float]:
        """CMMD of all draws from one pass over the kernel, which takes most of the time."""
        weights = np.stack(
            [
                np.concatenate(
                    [_mean_of(np.isin(images.units, drawn)), -_mean_of(np.isin(reference.units, other_drawn))]
                )
                for drawn, other_drawn in draws
            ],
            axis=1,
        )
        found = SCALE * weighted_mmd(np.concatenate([images.rows, reference.rows]), weights)
        return [float(one) for one in found]


def weighted_mmd(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`wᵀ K w` with the kernel `K = exp(-|x - y|² / (2 · 10²))` of all rows, for each column `w` of weights.

    With 1 / M for the rows of one set and -1 / N for those of another it is the biased estimate of their squared MMD.
    The kernel is symmetric; no more than a block of it is in memory at once.

    Args:
        rows: Features of both sets, `(M + N, D)` float64.
        weights: Weights of the rows, `(M + N, K)`.

    Returns:
        `(K,)`.
    """
    squares = (rows**2).sum(axis=1)
    found = np.zeros(weights.shape[1])
    for start in range(0, len(rows), BLOCK):
        first = slice(start, start + BLOCK)
        for other in range(start, len(rows), BLOCK):
            second = slice(other, other + BLOCK)
            distances = squares[first, None] + squares[second] - 2 * rows[first] @ rows[second].T
            kernel = np.exp(distances / (-2 * SIGMA**2))
            part = (weights[first] * (kernel @ weights[second])).sum(axis=0)
            found += part if other == start else 2 * part
    return found


def _mean_of(drawn: np.ndarray) -> np.ndarray:
    """Weights that give the mean over the rows that are drawn."""
    return drawn / drawn.sum()


METRICS = ((CMMD_INFO, CMMD),)
