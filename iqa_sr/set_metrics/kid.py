"""KID: the squared maximum mean discrepancy of Inception features under a polynomial kernel.

Reference:
    Bińkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018, https://arxiv.org/abs/1801.01401
"""

import numpy as np

from iqa_sr.set_metrics.base import SetMetric, SetMetricInfo
from iqa_sr.set_metrics.inception import inception_info

__all__ = ["KID", "KID_CLEAN_INFO", "KID_INFO", "METRICS", "polynomial_mmd"]

PAPER = "Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018"
DETAILS = "unbiased MMD², kernel (xy/2048 + 1)³, mean of 100 subsets of 1000 (of all where there are fewer)"
SUBSETS, SUBSET_SIZE = 100, 1000
SEED = 2020  # torch-fidelity's, so that features in the same order give its very subsets

KID_INFO = inception_info("kid", "tensorflow", PAPER, f"{DETAILS}, as torch-fidelity")
KID_CLEAN_INFO = inception_info("kid-clean", "clean", PAPER, DETAILS)


class KID(SetMetric):
    """KID of a set of images; about 0, also slightly below, for sets of the same distribution; lower is better.

    Its expectation does not depend on the number of images. Papers often give it times 1000.

    Args:
        info: Info of the metric.
        subset_size: Number of rows in a subset; where both sets have no more, all are compared once.
        subsets: Number of subsets.

    Raises:
        ValueError: If a number is too small.
    """

    def __init__(self, info: SetMetricInfo = KID_INFO, subset_size: int = SUBSET_SIZE, subsets: int = SUBSETS) -> None:
        if subset_size < 2 or subsets < 1:
            raise ValueError(
                f"{info.name}: expected subsets of two rows or more and one or more of them, got subset_size "
                f"{subset_size} and subsets {subsets}; {SUBSET_SIZE} and {SUBSETS} are those of the paper"
            )
        self.info, self.subset_size, self.subsets = info, subset_size, subsets

    def distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """KID of features `(M, D)` and `(N, D)`."""
        if max(len(rows), len(reference)) <= self.subset_size:
            return polynomial_mmd(rows, reference)
        size = min(self.subset_size, len(rows), len(reference))
        generator = np.random.RandomState(SEED)
        found = []
        for _ in range(self.subsets):
            one = rows[generator.choice(len(rows), size, replace=False)]
            other = reference[generator.choice(len(reference), size, replace=False)]
            found.append(polynomial_mmd(one, other))
        return float(np.mean(found))

    def drawn_distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """KID of all rows of a draw, which `share` keeps small."""
        return polynomial_mmd(rows, reference)

    def share(self, rows: int) -> float:
        """As many images as have about a subset's rows."""
        return min(0.5, self.subset_size / rows)


def polynomial_mmd(rows: np.ndarray, reference: np.ndarray) -> float:
    """Unbiased estimate of the squared MMD with the kernel `(x·y / D + 1)³`, of `(M, D)` and `(N, D)` float64."""

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (first @ second.T / first.shape[1] + 1) ** 3

    within = 0.0
    for one in (rows, reference):
        values, count = kernel(one, one), len(one)
        within += (values.sum() - np.trace(values)) / (count * (count - 1))
    return float(within - 2 * kernel(rows, reference).mean())


METRICS = ((KID_INFO, KID), (KID_CLEAN_INFO, KID))
