"""How sure a mean is, and which of several results nothing else beats: bootstrap and Pareto front, numpy alone."""

import numpy as np

__all__ = ["bootstrap_means", "indistinguishable", "intervals", "means", "pareto_front", "resampled_counts"]

RESAMPLES = 2000


def means(scores: np.ndarray) -> np.ndarray:
    """Mean of each row over what is known of it.

    Args:
        scores: `(C, P)` float64, one row for each result and one column for each picture; NaN where there is no score.

    Returns:
        `(C,)`; NaN where a row knows nothing.
    """
    known = np.isfinite(scores)
    counts = known.sum(axis=1)
    sums = np.where(known, scores, 0).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(scores), np.nan), where=counts > 0)


def resampled_counts(pictures: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each picture is drawn, when as many are drawn as there are, with replacement.

    Returns:
        `(resamples, pictures)` float64, the same for the same seed. Results that share it are compared in pairs.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples).astype(np.float64)


def bootstrap_means(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of each row in each resample.

    Args:
        scores: `(C, P)`, NaN where there is no score.
        counts: `(R, P)` of `resampled_counts`.

    Returns:
        `(R, C)`; NaN where nothing known was drawn.
    """
    known = np.isfinite(scores)
    drawn = counts @ known.T.astype(np.float64)
    sums = counts @ np.where(known, scores, 0).T
    return np.divide(sums, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)


def intervals(scores: np.ndarray, counts: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Percentile bootstrap intervals of the means.

    Args:
        scores: `(C, P)`, NaN where there is no score.
        counts: `(R, P)` of `resampled_counts`.
        level: Share of the resamples that lie inside.

    Returns:
        `(C, 2)`: lower and upper end; NaN for rows with fewer than two scores, of which nothing can be said.

    Reference:
        Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    found = np.full((len(scores), 2), np.nan)
    rows = np.isfinite(scores).sum(axis=1) >= 2
    if rows.any():
        tails = [(1 - level) / 2, (1 + level) / 2]
        found[rows] = np.nanquantile(bootstrap_means(scores[rows], counts), tails, axis=0).T
    return found


def indistinguishable(scores: np.ndarray, row: int, counts: np.ndarray) -> list[int]:
    """The other rows whose mean cannot be told from that of one row: the interval of the paired difference holds 0.

    Args:
        scores: `(C, P)`, NaN where there is no score.
        row: The one to compare with; pictures that only one of both knows are left out.
        counts: `(R, P)` of `resampled_counts`.
    """
    differences = intervals(scores - scores[row], counts)
    return [other for other, (low, high) in enumerate(differences) if other != row and (low <= 0 <= high)]


def pareto_front(first: np.ndarray, second: np.ndarray) -> list[int]:
    """Indices of the points that no other point beats: at least as good in both and better in one.

    Args:
        first: `(C,)`, larger is better; points with NaN take no part.
        second: `(C,)`, the same.

    Returns:
        Indices from the largest of `first` to the smallest; equal points are all in.
    """
    known = np.isfinite(first) & np.isfinite(second)
    as_good = (first[:, None] >= first) & (second[:, None] >= second)
    better = (first[:, None] > first) | (second[:, None] > second)
    beaten = (as_good & better)[known].any(axis=0)
    return sorted(np.flatnonzero(known & ~beaten).tolist(), key=lambda i: (-first[i], second[i], i))
