"""Test for a positive mean of paired differences: a sign-flip permutation test, and Holm's correction for several.

Reference:
    Fisher: The Design of Experiments, 1935, section 21 (the test);
    Phipson, Smyth: Permutation P-values Should Never Be Zero, Statistical Applications in Genetics and Molecular
    Biology 9(1), 2010 (the correction where the flips are drawn);
    Westfall, Young: Resampling-Based Multiple Testing, 1993 (the best of several by its largest sum);
    Holm: A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2), 1979.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy import stats
from torch import Tensor

__all__ = ["WAYS", "holm_correction", "largest_sum_p_value", "min_pairs", "sign_flip_p_value", "ways_for"]

WAYS = 10_000
"""Number of ways to set the signs that are tried at most, where nothing else is said: all of 13 pairs."""
_MOST_WAYS = 2**16
_MOST_THAT_HELP = 24  # none of the drawn ways leaves all signs of so many pairs as they are
_SEED = 20100


def sign_flip_p_value(differences: Sequence[float] | Tensor, ways: int = WAYS) -> float:
    """The one-sided p-value against "the mean of the paired differences is not above zero".

    Without an effect, a difference is as likely to have either sign; p is the share of all ways to set the signs whose
    sum is at least the one observed. All ways are tried where there are no more than `ways`, else so many that are
    always the same ones. A single pair can hardly decide: however large it is, half of the ways turn it around.

    Args:
        differences: `(n,)`, after minus before of each unit. What is NaN or infinite is left out.
        ways: Most ways to set the signs that are tried.

    Returns:
        In (0, 1]; 1 where no pair is left.
    """
    values = torch.as_tensor(differences, dtype=torch.float64).detach().cpu().flatten().numpy()
    values = values[np.isfinite(values)]
    if len(values) < 2:
        values = np.append(values, [0.0, 0.0])  # scipy wants two; what does not differ changes no p-value
    result = stats.permutation_test(
        (values,),
        # Has the order of the sum of all, and no cancellation: sums that differ by rounding only are seen to be equal.
        lambda flipped, axis: np.maximum(flipped, 0).sum(axis=axis),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=ways,
        batch=1000,
        rng=_SEED,
    )
    return float(result.pvalue)


def largest_sum_p_value(differences: np.ndarray, ways: int = WAYS) -> float:
    """The one-sided p-value of the best of several treatments of the same units, corrected for its having been chosen.

    As `sign_flip_p_value`, but the statistic is the largest of the treatments' sums, and the signs of a unit are
    flipped for all treatments together: so it does not matter how much the treatments have in common.

    Args:
        differences: `(treatments, n)`, after minus before of each unit.
        ways: Most ways to set the signs that are tried: all where there are no more, else so many, always the same.

    Returns:
        In (0, 1]; 1 where there is nothing to compare.
    """
    count = differences.shape[1]
    if not differences.size:
        return 1.0
    every = 2**count <= ways
    if every:
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    else:
        signs = np.random.default_rng(_SEED).choice([-1.0, 1.0], (ways, count))
    largest = (signs @ differences.T).max(axis=1)
    reached = int((largest >= differences.sum(axis=1).max() - 1e-9).sum())  # sums may differ by rounding
    return reached / len(signs) if every else (reached + 1) / (len(signs) + 1)


@lru_cache(maxsize=64)
def min_pairs(p: float, ways: int = WAYS) -> int | None:
    """The fewest pairs for which `sign_flip_p_value` can give a p-value of at most `p`; None if it never can."""
    return next((count for count in range(1, _MOST_THAT_HELP + 1) if sign_flip_p_value([1.0] * count, ways) <= p), None)


def ways_for(p: float) -> int:
    """Number of ways for `sign_flip_p_value` where its result is compared with `p`: at least 4 / p, up to 65,536."""
    return min(_MOST_WAYS, max(WAYS, math.ceil(4 / p)))


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for being several, in the given order.

    With the smallest of m multiplied by m, the next by m - 1 and so on, none below one before it: the chance that any
    of them is below s although nothing has an effect is at most s, also when they depend on each other.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
