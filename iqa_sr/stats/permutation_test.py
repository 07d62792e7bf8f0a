"""Whether paired differences have a positive mean: a sign-flip permutation test, and Holm's correction for several.

Reference:
    Fisher: The Design of Experiments, 1935, section 21 (the test);
    Phipson, Smyth: Permutation P-values Should Never Be Zero, Statistical Applications in Genetics and Molecular
    Biology 9(1), 2010 (the correction where the flips are drawn);
    Holm: A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2), 1979.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["fewest_pairs", "holm", "rises"]

_EXACT_UP_TO = 12  # pairs: 4,096 ways to set the signs
_DRAWS = 10_000
_MOST_THAT_HELP = 24  # none of the drawn ways leaves all signs of so many pairs as they are
_SEED = 20100
# Of the sum of the sizes: sums that differ by rounding only are equal, or a tie would depend on the order of the pairs.
_ROUNDING = 1e-12


def rises(differences: Sequence[float] | Tensor) -> float:
    """The one-sided p-value against "the mean of the paired differences is not above zero".

    Without an effect, a difference is as likely to have either sign; p is the share of all ways to set the signs whose
    sum is at least the one observed. Up to 12 pairs all ways are tried, above that 10,000 that are always the same
    ones. A single pair can hardly decide: however large it is, half of the ways turn it around.

    Args:
        differences: `(n,)`, after minus before of each unit. What is NaN or infinite is left out.

    Returns:
        In (0, 1]; 1 where no pair is left.
    """
    values = torch.as_tensor(differences, dtype=torch.float64).detach().cpu().flatten()
    values = values[values.isfinite()]
    if not len(values):
        return 1.0
    exact = len(values) <= _EXACT_UP_TO
    sums = (_all_signs(len(values)) if exact else _drawn_signs(len(values))) @ values
    reached = int((sums >= values.sum() - _ROUNDING * values.abs().sum()).sum())
    return reached / len(sums) if exact else (reached + 1) / (len(sums) + 1)


def fewest_pairs(p: float) -> int | None:
    """The fewest pairs for which `rises` can give a p-value of at most `p`; None if it never can."""
    return next((count for count in range(1, _MOST_THAT_HELP + 1) if rises([1.0] * count) <= p), None)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for being several, in the given order.

    With the smallest of m multiplied by m, the next by m - 1 and so on, none below one before it: the chance that any
    of them is below s although nothing has an effect is at most s, also when they depend on each other.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def _all_signs(count: int) -> Tensor:
    """`(2^count, count)` of -1 and 1."""
    bits = torch.arange(2**count)[:, None] >> torch.arange(count) & 1
    return (1 - 2 * bits).double()


def _drawn_signs(count: int) -> Tensor:
    """`(10000, count)` of -1 and 1, the same at every call; the global random state is left alone."""
    bits = torch.randint(0, 2, (_DRAWS, count), generator=torch.Generator().manual_seed(_SEED))
    return (1 - 2 * bits).double()
