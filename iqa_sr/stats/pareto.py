"""The Pareto front: what nothing else beats in every column."""

import numpy as np

__all__ = ["pareto_front"]


def pareto_front(quality: np.ndarray) -> np.ndarray:
    """Rows that no other row surpasses.

    Args:
        quality: `(C, M)`, larger is better; rows with NaN take no part.

    Returns:
        `(C,)` bool: False for a row where another is nowhere worse and somewhere better. Equal rows share their place.
    """
    surpassed = [((quality >= row).all(axis=1) & (quality > row).any(axis=1)).any() for row in quality]
    return ~np.isnan(quality).any(axis=1) & ~np.array(surpassed, dtype=bool)
