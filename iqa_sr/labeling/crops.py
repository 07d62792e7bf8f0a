"""Where two versions of an image differ most: what a rater sees first."""

import numpy as np

__all__ = ["Crop", "most_different"]

Crop = tuple[int, int, int, int]
"""Top, left, height and width in px."""
SIZE = 512
_STEPS = 16
"""Positions that are tried in a window's own length, along each side."""


def most_different(first: np.ndarray, second: np.ndarray, size: int = SIZE) -> Crop:
    """The window in which two images have the largest mean absolute difference.

    Windows are compared on a coarse grid that includes the last position of each side; of several equal ones the
    nearest to the middle is taken, and of those the first.

    Args:
        first: Image `(H, W, 3)`, uint8 or uint16.
        second: Image of the same shape and type.
        size: Height and width of the window in px; where the image has less, it is the image's.

    Raises:
        ValueError: If the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected two images of one size, got {first.shape[:2]} and {second.shape[:2]} (HxW)")
    whole = first.shape[0], first.shape[1]
    difference = np.zeros(whole)
    for channel in range(first.shape[2]):
        difference += np.abs(first[..., channel].astype(np.float32) - second[..., channel])
    height, width = (min(size, side) for side in whole)
    rows, columns = _positions(whole[0], height), _positions(whole[1], width)
    integral = np.zeros((whole[0] + 1, whole[1] + 1))
    integral[1:, 1:] = difference.cumsum(0).cumsum(1)  # whole numbers: exact
    top, left = rows[:, None], columns[None, :]
    sums = integral[top + height, left + width] - integral[top, left + width]
    sums += integral[top, left] - integral[top + height, left]
    middle = [(side - part) / 2 for side, part in zip(whole, (height, width), strict=True)]
    distance = np.hypot(top - middle[0], left - middle[1])  # (R, C)
    best = np.argmin(np.where(sums == sums.max(), distance, np.inf))
    row, column = np.unravel_index(best, sums.shape)
    return int(rows[row]), int(columns[column]), height, width


def _positions(side: int, part: int) -> np.ndarray:
    """First pixels of a window of `part` px along a side."""
    return np.unique(np.append(np.arange(0, side - part, max(1, part // _STEPS)), side - part))
