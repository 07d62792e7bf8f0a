"""Krippendorff's alpha: agreement of any number of raters, who need not all have rated everything.

Reference:
    Krippendorff: Content Analysis: An Introduction to Its Methodology, 4th edition, 2018, chapter 12;
    Hayes, Krippendorff: Answering the Call for a Standard Reliability Measure for Coding Data, Communication Methods
    and Measures 1(1), 2007, https://doi.org/10.1080/19312450709336664.
"""

from typing import Literal

import numpy as np

__all__ = ["Level", "krippendorff_alpha"]

Level = Literal["nominal", "ordinal"]
"""How far two values are apart: equal or not, or by how many ratings lie between them."""


def krippendorff_alpha(ratings: np.ndarray, level: Level) -> float:
    """Agreement between raters, corrected for chance.

    Args:
        ratings: `(raters, units)` of numbers; NaN where a rater has not rated a unit. Units that fewer than two raters
            have rated are left out.
        level: How values are compared.

    Returns:
        1 for perfect agreement, 0 for that of chance, below 0 for less. NaN where no unit has two ratings, or all
        ratings are the same, of which agreement cannot be told from chance.

    Raises:
        ValueError: If `ratings` has not two dimensions, or there is no such level.
    """
    if ratings.ndim != 2:
        raise ValueError(f"`ratings`: expected the shape (raters, units), got {ratings.shape}")
    if level not in ("nominal", "ordinal"):
        raise ValueError(f"`level`: expected nominal or ordinal, got {level!r}")
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0).astype(np.float64)  # (units, values)
    counts = counts[counts.sum(axis=1) >= 2]
    raters = counts.sum(axis=1)
    total = counts.sum(axis=0)  # (values,)
    # Pairs of ratings of one unit, weighted so that each rating counts once; its pair with itself is at distance 0.
    coincidences = np.einsum("uc,uk,u->ck", counts, counts, 1 / (raters - 1))
    distance = _distances(total, level)
    expected = (np.outer(total, total) * distance).sum() / max(total.sum() - 1, 1)
    return float(1 - (coincidences * distance).sum() / expected) if expected > 0 else float("nan")


def _distances(total: np.ndarray, level: Level) -> np.ndarray:
    """`(V, V)`: squared distances of the values, of which there are so many ratings each."""
    if level == "nominal":
        return 1 - np.eye(len(total))
    middle = np.cumsum(total) - total / 2  # place of a value among the ratings, as a midrank
    return np.asarray((middle[:, None] - middle[None, :]) ** 2)
