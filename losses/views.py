"""Random views of an image for a metric: the same for a result, its base and its ground truth."""

from dataclasses import dataclass

import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.config.sections import Section

__all__ = ["View", "ViewOptions", "draw_views", "smallest_view"]


class ViewOptions(Section):
    """Random views of images before a metric sees them, so that no artifact can rely on one place of its pixels.

    Attributes:
        count: Views per step; the metric scores each of them.
        crop: Smallest share of each side that a crop keeps, in (0, 1]; 1 crops nothing.
        resize: Smallest and largest factor of a bicubic antialiased resize; [1, 1] resizes nothing.
        flip: Whether half of the views are mirrored left to right.
        shift: Most pixels by which a view is moved along each axis, after the resize; what comes in at the edge is
            mirrored. Whole pixels, so that nothing is blurred: what they break is alignment with a metric's grid.
        noise: Standard deviation of white Gaussian noise, in levels of 255. Its values are those of one view for all
            images of the same shape.
    """

    count: int = Field(1, ge=1, le=64)
    crop: float = Field(1.0, gt=0, le=1)
    resize: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    shift: int = Field(0, ge=0, le=64)
    noise: float = Field(0.0, ge=0, le=64)

    @field_validator("resize")
    @classmethod
    def _rising(cls, resize: tuple[float, float]) -> tuple[float, float]:
        if not 0 < resize[0] <= resize[1] <= 8:
            raise ValueError(f"expected two factors above 0 and up to 8, the smaller first, got {list(resize)}")
        return resize


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    Attributes:
        top: First row of the crop.
        left: First column of the crop.
        height: Rows of the crop.
        width: Columns of the crop.
        size: Height and width that the crop is resized to.
        flipped: Whether it is mirrored left to right.
        shift: Rows and columns by which it is moved down and right.
        noise: Standard deviation of its noise, in levels of 255.
        seed: Seed of the noise.
    """

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flipped: bool
    shift: tuple[int, int] = (0, 0)
    noise: float = 0.0
    seed: int = 0

    def __call__(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, 3, *size)`, differentiable."""
        seen = image[..., self.top : self.top + self.height, self.left : self.left + self.width]  # (N, 3, h, w)
        if self.size != (self.height, self.width):
            seen = F.interpolate(seen, self.size, mode="bicubic", align_corners=False, antialias=True)  # (N, 3, *size)
        if self.shift != (0, 0):
            (down, right), (rows, columns) = self.shift, self.size
            edges = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))  # left, right, top, bottom
            top, left = max(-down, 0), max(-right, 0)
            seen = F.pad(seen, edges, mode="reflect")[..., top : top + rows, left : left + columns]
        seen = seen.flip(-1) if self.flipped else seen
        if not self.noise:
            return seen
        generator = torch.Generator().manual_seed(self.seed)  # of the CPU: the same values on every device
        field = torch.randn(seen.shape, generator=generator).to(seen.device)
        return seen + self.noise / 255 * field


def draw_views(options: ViewOptions | None, height: int, width: int) -> list[View]:
    """The views of one step, drawn from torch's generator of the CPU, which an exact resume restores.

    Args:
        options: Options that say what may vary; None for the image as it is.
        height: Rows of the images.
        width: Columns of the images.
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
            shift=_draw_shift(options.shift),
            noise=options.noise,
            seed=int(torch.randint(2**63 - 1, (1,))) if options.noise else 0,
        )
        views.append(view)
    return views


def _draw_shift(most: int) -> tuple[int, int]:
    """Rows and columns, each of `-most` to `most`; nothing is drawn where there is only 0."""
    down, right = torch.randint(-most, most + 1, (2,)).tolist() if most else (0, 0)
    return down, right


def smallest_view(options: ViewOptions | None, side: int) -> int:
    """The smallest side in px that a view of an image with so small a side can have."""
    return side if options is None else max(1, round(options.resize[0] * max(1, round(options.crop * side))))
