"""Positions of a training crop and the windows around it, and the eight symmetries of a square."""

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Symmetry", "cut", "cut_padded", "draw_position", "draw_symmetry", "window_start"]


def draw_position(length: int, crop: int, step: int, generator: torch.Generator) -> int:
    """Start of a crop along one side, uniform over the multiples of `step` where it fits.

    Args:
        length: Side of the image in pixels, at least `crop`.
        crop: Side of the crop in pixels.
        step: Normally the scale, so that the crop lies on the grid of the LQ image.
        generator: Source of random numbers.
    """
    return step * int(torch.randint((length - crop) // step + 1, (), generator=generator))


def window_start(crop_start: int, crop: int, window: int, length: int) -> int:
    """Start of the window that has the crop in its middle, shifted as little as needed to stay inside the image.

    Args:
        crop_start: Start of the crop in pixels.
        crop: Side of the crop.
        window: Side of the window, `crop <= window <= length`.
        length: Side of the image.

    Raises:
        ValueError: If the window is smaller than the crop or larger than the image.
    """
    if not crop <= window <= length:
        raise ValueError(f"expected crop <= window <= image, got {crop}, {window} and {length} px")
    return min(max(crop_start - (window - crop) // 2, 0), length - window)


def cut(image: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """The square `(side, side, 3)` at this place, which lies inside the `(H, W, 3)` image."""
    return image[top : top + side, left : left + side]


def cut_padded(image: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """Cut a square as `cut` does, but it may stick out: the image goes on mirrored, the border pixels repeated."""
    height, width = image.shape[:2]
    if top >= 0 and left >= 0 and top + side <= height and left + side <= width:
        return cut(image, top, left, side)
    return image[_mirrored(top, side, height)[:, None], _mirrored(left, side, width)]


def _mirrored(start: int, count: int, length: int) -> np.ndarray:
    """Positions that numpy's `symmetric` padding gives, also for pads longer than the image."""
    position = np.arange(start, start + count) % (2 * length)
    return np.minimum(position, 2 * length - 1 - position)


@dataclass(frozen=True)
class Symmetry:
    """One of the eight symmetries of a square: columns and rows reversed, then transposed.

    Attributes:
        columns: Whether the columns are reversed (a horizontal flip).
        rows: Whether the rows are reversed.
        transpose: Whether rows and columns change places, after that.
    """

    columns: bool = False
    rows: bool = False
    transpose: bool = False

    def image(self, image: np.ndarray) -> np.ndarray:
        """An `(H, W, 3)` image turned so; a view."""
        image = image[:: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return image.transpose(1, 0, 2) if self.transpose else image

    def offset(self, offset: tuple[int, int], crop: int, side: int) -> tuple[int, int]:
        """Position of a crop at `(top, left)` of a square window of this side after `image`."""
        top = side - crop - offset[0] if self.rows else offset[0]
        left = side - crop - offset[1] if self.columns else offset[1]
        return (left, top) if self.transpose else (top, left)


def draw_symmetry(hflip: bool, rotation: bool, generator: torch.Generator) -> Symmetry:
    """A random symmetry; `hflip` and `rotation` allow what `use_hflip` and `use_rot` do in BasicSR."""
    columns, rows, transpose = (torch.rand(3, generator=generator) < 0.5).tolist()
    return Symmetry(columns and hflip, rows and rotation, transpose and rotation)
