"""Random views of a picture for a judge: resized, cropped, flipped, the same way for result and ground truth."""

from dataclasses import dataclass

import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.config.sections import Section

__all__ = ["View", "ViewOptions", "draw_views", "smallest_view"]


class ViewOptions(Section):
    """How pictures are varied before a judge sees them, so that no artefact can rely on one place of its pixels.

    Attributes:
        count: Views per step; the judge scores each of them.
        crop: Smallest share of each side that a crop keeps, in (0, 1]; 1 crops nothing.
        resize: Smallest and largest factor of a bicubic antialiased resize; [1, 1] resizes nothing.
        flip: Whether half of the views are mirrored left to right.
    """

    count: int = Field(1, ge=1, le=64)
    crop: float = Field(1.0, gt=0, le=1)
    resize: tuple[float, float] = (1.0, 1.0)
    flip: bool = True

    @field_validator("resize")
    @classmethod
    def _rising(cls, resize: tuple[float, float]) -> tuple[float, float]:
        if not 0 < resize[0] <= resize[1] <= 8:
            raise ValueError(f"expected two factors above 0 and up to 8, the smaller first, got {list(resize)}")
        return resize


@dataclass(frozen=True)
class View:
    """One way to look at a picture.

    Attributes:
        top: First row of the crop.
        left: First column of the crop.
        height: Rows of the crop.
        width: Columns of the crop.
        size: Height and width that the crop is resized to.
        flipped: Whether it is mirrored left to right.
    """

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flipped: bool

    def __call__(self, picture: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, 3, *size)`, differentiable."""
        seen = picture[..., self.top : self.top + self.height, self.left : self.left + self.width]
        if self.size != (self.height, self.width):
            seen = F.interpolate(seen, self.size, mode="bicubic", align_corners=False, antialias=True)
        return seen.flip(-1) if self.flipped else seen


def draw_views(options: ViewOptions | None, height: int, width: int) -> list[View]:
    """The views of one step, drawn from torch's generator of the CPU, which an exact resume restores.

    Args:
        options: What may vary; None for the picture as it is.
        height: Rows of the pictures.
        width: Columns of the pictures.
    """
    if options is None:
        return [View(0, 0, height, width, (height, width), False)]
    low, high = options.resize
    views = []
    for _ in range(options.count):
        share, factor, down, right, coin = torch.rand(5, dtype=torch.float64).tolist()
        share = options.crop + (1 - options.crop) * share
        rows, columns = max(1, round(share * height)), max(1, round(share * width))
        factor = low + (high - low) * factor
        view = View(
            top=int(down * (height - rows + 1)),
            left=int(right * (width - columns + 1)),
            height=rows,
            width=columns,
            size=(max(1, round(factor * rows)), max(1, round(factor * columns))),
            flipped=options.flip and coin < 0.5,
        )
        views.append(view)
    return views


def smallest_view(options: ViewOptions | None, side: int) -> int:
    """The smallest side in px that a view of a picture with so small a side can have."""
    return side if options is None else max(1, round(options.resize[0] * max(1, round(options.crop * side))))
