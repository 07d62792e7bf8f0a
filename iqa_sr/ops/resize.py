"""Bicubic resizing as MATLAB's `imresize` does it, which is what "bicubic" means in the SR literature."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

__all__ = ["BicubicUpscaler", "resize_bicubic"]


def resize_bicubic(image: Tensor, height: int, width: int) -> Tensor:
    """The image in another size, as MATLAB's `imresize(image, [height width], 'bicubic')` with antialiasing.

    A Keys cubic (a = -0.5) that is widened by the factor when a side shrinks; images continue as in a mirror beyond
    their border (the border pixel is repeated). Differentiable. The taps of an output pixel are always summed in the
    same order, so that with a whole-numbered factor a window gives bit for bit what the full image gives there.

    Args:
        image: `(N, C, H, W)`, floating, any range, any size.
        height: Rows of the result, at least 1.
        width: Columns of the result, at least 1.

    Returns:
        `(N, C, height, width)`, same type; neither clamped nor rounded, the cubic overshoots at edges.

    Raises:
        ValueError: If `image` is not a batch of floating images, or the new size is below 1.

    Reference:
        R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP, 1981.
    """
    if image.ndim != 4 or not image.is_floating_point():
        raise ValueError(f"resize_bicubic: expected floating (N, C, H, W), got {image.dtype} {tuple(image.shape)}")
    if height < 1 or width < 1:
        raise ValueError(f"resize_bicubic: expected a size of at least 1x1, got {height}x{width}")
    for axis, size in ((2, height), (3, width)):
        if size != image.shape[axis]:
            image = _resize_axis(image, axis, size)
    return image


class BicubicUpscaler(nn.Module):
    """`resize_bicubic` by a whole factor in the place of a network: `(N, C, h, w)` to `(N, C, h * scale, w * scale)`.

    It looks two pixels around.

    Args:
        scale: The factor of both sides.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """The image enlarged; neither clamped nor rounded."""
        return resize_bicubic(x, x.shape[-2] * self.scale, x.shape[-1] * self.scale)


def _resize_axis(image: Tensor, axis: int, size: int) -> Tensor:
    indices, weights = _taps(image.shape[axis], size, image.dtype, image.device)  # (taps, size) each
    shape = (-1, 1) if axis == 2 else (-1,)
    result = None
    # Multiplied and added in two steps: a fused multiply-add may be used for some elements and not for others, and
    # exact ties (usual at x2) would then round to 8 bit one way in a window and the other way in the full image.
    for index, weight in zip(indices, weights, strict=True):
        term = image.index_select(axis, index) * weight.view(shape)  # (N, C, size, W) or (N, C, H, size)
        result = term if result is None else result + term
    assert result is not None
    return result


@lru_cache(maxsize=32)
def _taps(old: int, new: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Old pixels of each new one: indices and weights, both `(taps, new)`."""
    # A cache filled inside inference mode would hold tensors that autograd refuses later.
    with torch.inference_mode(False), torch.no_grad():
        shrink = min(new / old, 1.0)
        reach = 2 / shrink
        center = (torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5
        steps = torch.arange(math.ceil(2 * reach) + 2)
        index = torch.floor(center - reach).long() + steps[:, None]  # (steps, new)
        weight = _cubic((center - index) * shrink)
        weight = weight / weight.sum(dim=0)
        used = weight.abs().sum(dim=1) > 0
        # Beyond the border folded back, numpy's mode "symmetric", as often as needed.
        index = index[used].remainder(2 * old)  # (taps, new)
        index = torch.minimum(index, 2 * old - 1 - index)
        return index.to(device), weight[used].to(device, dtype)


def _cubic(x: Tensor) -> Tensor:
    x = x.abs()
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, inner, torch.where(x <= 2, outer, torch.zeros_like(x)))
