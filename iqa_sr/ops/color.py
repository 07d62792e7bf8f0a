"""Gray levels and other weighted sums of red, green and blue, and rounding that lets gradients pass."""

import torch
from torch import Tensor

__all__ = ["round_ste", "studio_luma", "weighted_channels", "yiq_luma"]

YIQ_LUMA = (0.299, 0.587, 0.114)
STUDIO_LUMA = (65.481, 128.553, 24.966)


def weighted_channels(image: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """Weighted sum of the channels: `(N, 3, H, W)` to `(N, H, W)` of the same type and the same on any device.

    In float32 it rounds once per term, as fused multiply-add does, and the reference with it; float64 gives that
    anywhere. The weights are rounded to float32, likewise.
    """
    red, green, blue = torch.tensor(weights, dtype=torch.float32).tolist()
    total = (image[:, 0].double() * red).to(image.dtype)  # (N, H, W)
    total = (image[:, 1].double() * green + total).to(image.dtype)
    return (image[:, 2].double() * blue + total).to(image.dtype)


def yiq_luma(image: Tensor) -> Tensor:
    """Luma 0.299 R + 0.587 G + 0.114 B: `(N, 3, H, W)` in [0, 1] to `(N, H, W)` in 0..255, not rounded to whole levels.

    The weights have three decimals, so that many pixels lie half way between two levels. Which way they go moves some
    scores by 1e-3, and differs between float32 and float64: take the one that the reference takes.
    """
    return weighted_channels(image, YIQ_LUMA) * 255


def studio_luma(image: Tensor) -> Tensor:
    """BT.601's studio-range Y: `(N, 3, H, W)` in [0, 1] to `(N, H, W)` float64 in 16..235, not rounded."""
    return weighted_channels(image.double(), STUDIO_LUMA) + 16


def round_ste(levels: Tensor) -> Tensor:
    """Rounded to whole levels, in float64; in the gradient the rounding counts as identity."""
    return (levels + (levels.round() - levels).detach()).double()
