"""Largest distance of an attacked image from the one that it was made of, in levels that an 8-bit file can hold."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Bound", "dithered", "rms"]

_HALVINGS = 20


@dataclass(frozen=True)
class Bound:
    """The ball of the changes that an attack may make.

    Attributes:
        norm: `linf` bounds the largest change of a value, `rms` the root of an image's mean squared change: the L2 norm
            in a unit that does not depend on the image's size. Every change within `linf` is within the same `rms`.
        levels: The radius in levels of 255.

    Raises:
        ValueError: If the radius is not a positive number, or no whole level fits into it.
    """

    norm: Literal["linf", "rms"]
    levels: float

    def __post_init__(self) -> None:
        smallest = 1.0 if self.norm == "linf" else 0.0  # rms: a few values may change by a level
        if not math.isfinite(self.levels) or self.levels <= 0 or self.levels < smallest:
            needed = "at least 1 level, an 8-bit file holds no less" if smallest else "more than 0 levels"
            raise ValueError(f"a bound of {self.norm} {self.levels}: expected {needed}")

    @property
    def radius(self) -> float:
        """Radius in the unit of an image in [0, 1]."""
        return self.levels / 255

    def project(self, change: Tensor, start: Tensor) -> Tensor:
        """The change within the ball, and within [0, 1] when it is added to `start`; both `(N, 3, H, W)`."""
        if self.norm == "linf":
            change = change.clamp(-self.radius, self.radius)
        else:
            change = change * (self.radius / rms(change).clamp(min=1e-12)).clamp(max=1).view(-1, 1, 1, 1)
        return (start + change).clamp(0, 1) - start

    def direction(self, gradient: Tensor) -> Tensor:
        """Direction where a linear function of this gradient rises fastest, on the ball of radius 1: `(N, 3, H, W)`."""
        if self.norm == "linf":
            return gradient.sign()
        gradient = gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-30)  # squares would underflow
        return gradient / rms(gradient).clamp(min=1e-12).view(-1, 1, 1, 1)

    def noise(self, start: Tensor, seed: int) -> Tensor:
        """A random change on the ball's border, the same for each image of the batch: a batch equals its singles."""
        generator = torch.Generator().manual_seed(seed)
        field = 2 * torch.rand(start.shape[1:], generator=generator).to(start) - 1
        return self.project(self.radius * self.direction(field[None]).expand_as(start), start)

    def whole(self, change: Tensor) -> Tensor:
        """The change in whole levels, within the ball.

        Rounded to the nearest level, all values whose change is below a half would be lost, and all would jump together
        when it grows beyond: searches by small steps would see nothing of them. Of `linf` values are dithered instead,
        see `dithered`. Of `rms` the length is kept as far as whole levels allow: the largest values are kept, as
        whoever attacks files would.
        """
        levels = 255 * change
        if self.norm == "linf":
            most = math.floor(self.levels + 1e-6)
            return dithered(levels).clamp(-most, most) / 255
        largest = levels.abs().amax((1, 2, 3))
        wanted = rms(levels).clamp(max=self.levels) * (1 + 1e-6)
        low = torch.zeros_like(wanted)
        high = (wanted * math.sqrt(levels[0].numel()) + 1) / largest.clamp(min=1e-12)  # its largest value alone exceeds
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = rms((levels * middle.view(-1, 1, 1, 1)).round()) <= wanted
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        return (levels * low.view(-1, 1, 1, 1)).round() / 255


def rms(change: Tensor) -> Tensor:
    """Root of the mean square of each `(N, C, H, W)` change: `(N,)`."""
    return change.flatten(1).square().mean(1).sqrt()


def dithered(levels: Tensor) -> Tensor:
    """Changes in whole levels: of values that shall change by 0.3 levels three of ten change by one, the others not.

    Args:
        levels: `(N, C, H, W)`; whole ones (within 1e-4) stay what they are.

    Returns:
        The same shape. Which values are rounded away from 0 depends on their place in the image alone.
    """
    generator = torch.Generator().manual_seed(0)
    threshold = torch.rand(levels.shape[1:], generator=generator).clamp(1e-4, 1 - 1e-4).to(levels)
    return levels.sign() * (levels.abs() + threshold).floor()
