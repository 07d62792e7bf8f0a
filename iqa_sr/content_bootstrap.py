"""Bootstrap intervals for numbers over items that depend on each other within a content: contents are drawn, not items.

Reference:
    Efron: Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7(1), 1979;
    Cameron, Gelbach, Miller: Bootstrap-Based Improvements for Inference with Clustered Errors, Review of Economics and
    Statistics 90(3), 2008 (the cluster is what is drawn).
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

__all__ = ["Interval", "mean_interval", "statistic_interval"]

Interval = tuple[float, float]
"""The 2.5th and 97.5th percentile; NaN both where there are fewer than two contents."""

UNKNOWN: Interval = (math.nan, math.nan)
_SEED = 20250
_DRAWN_AT_ONCE = 2**22


def mean_interval(values: np.ndarray, contents: np.ndarray, resamples: int) -> Interval:
    """Of the mean.

    The same contents give the same draws, so that numbers of several judges on the same items can be compared.

    Args:
        values: `(N,)`.
        contents: `(N,)`, names or numbers of what each value belongs to.
        resamples: How often as many contents as there are get drawn with replacement.
    """
    names, place = np.unique(contents, return_inverse=True)
    if len(names) < 2:
        return UNKNOWN
    sums = np.bincount(place, weights=values, minlength=len(names))
    counts = np.bincount(place, minlength=len(names))
    means = [sums[drawn].sum(1) / counts[drawn].sum(1) for drawn in _draws(len(names), resamples)]
    return _percentiles(np.concatenate(means))


def statistic_interval(
    statistic: Callable[[np.ndarray], Sequence[float]], contents: np.ndarray, resamples: int
) -> list[Interval]:
    """Of several numbers that are computed together and are no means, such as correlations.

    What is drawn holds some contents more than once, and pictures compared with copies of themselves move a rank
    correlation, much so with few contents. The percentiles are therefore moved by what the median of the draws is away
    from the number itself.

    Args:
        statistic: From places of items, `(M,)` whole numbers with repetitions, to the numbers.
        contents: `(N,)`, names or numbers of what each item belongs to.
        resamples: As for `mean_interval`.
    """
    names, place = np.unique(contents, return_inverse=True)
    everything = np.arange(len(place))
    numbers, found = statistic(everything), []
    if len(names) < 2:
        return [UNKNOWN for _ in numbers]
    for block in _draws(len(names), resamples):
        for drawn in block:
            times = np.bincount(drawn, minlength=len(names))
            found.append(statistic(np.repeat(everything, times[place])))
    return [
        _percentiles(np.asarray(column) - np.median(column) + number)
        for number, column in zip(numbers, zip(*found, strict=True), strict=True)
    ]


def _draws(count: int, resamples: int) -> Iterator[np.ndarray]:
    """`(R, count)` numbers of contents, in blocks that fit into memory."""
    generator = np.random.default_rng(_SEED)
    rows = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, resamples, rows):
        yield generator.integers(0, count, (min(rows, resamples - start), count))


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
