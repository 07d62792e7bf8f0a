"""How likely a ranking is to be as good by chance."""

import numpy as np
from scipy.stats import rankdata


def ranking_p(scores, opinions):
    """p of a one-sided permutation test of Spearman's coefficient of two `(N,)`, with 9,999 permutations.

    A permutation of the scores permutes their ranks and changes nothing else of the coefficient than the sum of
    products, in which halves and quarters are exact.
    """
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (scores, opinions))
    drawn = np.random.default_rng(0).permuted(np.tile(first, (9999, 1)), axis=1) @ second
    return (1 + np.count_nonzero(drawn >= first @ second)) / 10_000
