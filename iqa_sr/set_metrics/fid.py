"""FID: the Fréchet distance between two normal distributions of Inception features.

Reference:
    Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: GANs Trained by a Two Time-Scale Update Rule Converge to a Local
    Nash Equilibrium, NeurIPS 2017, https://arxiv.org/abs/1706.08500;
    Parmar, Zhang, Zhu: On Aliased Resizing and Surprising Subtleties in GAN Evaluation, CVPR 2022,
    https://arxiv.org/abs/2104.11222 (`fid-clean`);
    Chong, Forsyth: Effectively Unbiased FID and Inception Score and Where to Find Them, CVPR 2020,
    https://arxiv.org/abs/1911.07023 (the number falls with the number of images)
"""

import numpy as np

from iqa_sr.set_metrics.base import SetMetric, SetMetricInfo
from iqa_sr.set_metrics.inception import inception_info

__all__ = ["FID", "FID_CLEAN_INFO", "FID_INFO", "METRICS", "frechet_distance"]

PAPER = "Heusel et al.: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017"

LARGE = 2048
DRAWS_OF_MANY = 12

FID_INFO = inception_info("fid", "tensorflow", PAPER, "unbiased covariances, as torch-fidelity")
FID_CLEAN_INFO = inception_info("fid-clean", "clean", PAPER, "unbiased covariances, as clean-fid")


class FID(SetMetric):
    """FID of a set of images; 0 for the same set, lower is better.

    Args:
        info: Info of the metric.
    """

    def __init__(self, info: SetMetricInfo = FID_INFO) -> None:
        self.info = info

    def distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """FID of features `(M, D)` and `(N, D)`."""
        return frechet_distance(rows, reference)

    def draws(self, rows: int) -> int:
        """Fewer where a half has more rows than there are features: each takes a decomposition of 2048 x 2048."""
        return super().draws(rows) if rows <= 2 * LARGE else DRAWS_OF_MANY


def frechet_distance(rows: np.ndarray, reference: np.ndarray) -> float:
    """`|m1 - m2|² + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))` of means and unbiased covariances.

    The last trace is the sum of the singular values of `R1 R2ᵀ`, where `S = Rᵀ R`: no covariance is built, and the
    product of two singular ones, of fewer images than features, has its root without an offset on its diagonal.

    Differs from the original: it takes the root of the product itself, whose rounding moves the number by some 1e-4 of
    the traces.

    Args:
        rows: Features `(M, D)` float64, at least two rows.
        reference: Features `(N, D)`.

    Returns:
        The squared distance, at least 0, below which rounding alone leads.
    """
    shift = rows.mean(axis=0) - reference.mean(axis=0)
    first, second = _root(rows), _root(reference)
    common = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + (first**2).sum() + (second**2).sum() - 2 * common))


def _root(rows: np.ndarray) -> np.ndarray:
    """`R` of at most D rows, with `Rᵀ R` the covariance."""
    centered = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return centered if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(centered, mode="r"))


METRICS = ((FID_INFO, FID), (FID_CLEAN_INFO, FID))
