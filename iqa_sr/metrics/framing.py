"""How metrics bring pictures to the size of their network: the short side resized, then the centre cut out."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

__all__ = ["centre_crop", "resize_short_side"]


def resize_short_side(image: Tensor, side: int, mode: Literal["nearest", "bilinear", "bicubic"]) -> Tensor:
    """The picture with a short side of `side` px, as torchvision resizes tensors; not clamped.

    Bilinear and bicubic are antialiased. The long side is the proportional one, rounded down.

    Args:
        image: `(N, C, H, W)`, floating.
        side: Height or width of the result, whichever is smaller, in pixels.
        mode: The interpolation.
    """
    height, width = image.shape[2:]
    short = min(height, width)
    size = (side * height // short, side * width // short)
    if mode == "nearest":
        return F.interpolate(image, size, mode=mode)
    return F.interpolate(image, size, mode=mode, align_corners=False, antialias=True)


def centre_crop(image: Tensor, side: int) -> Tensor:
    """The middle `side` x `side` px of `(N, C, H, W)`; where two places are equally central, the one at an even offset.

    The offset is rounded half to even, as in torchvision.
    """
    top, left = (round((size - side) / 2) for size in image.shape[2:])
    return image[..., top : top + side, left : left + side]
