"""Small linear filters over images, and roots whose gradient stays finite; what the classical metrics share."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "correlate",
    "dice",
    "gaussian_weights",
    "gradient_magnitude",
    "safe_sqrt",
    "separable",
    "symmetric_pad",
    "weighted",
]


def gaussian_weights(size: int, sigma: float) -> list[float]:
    """`size` samples of a Gaussian around its center, normalized to sum 1."""
    weights = [math.exp(-((k - (size - 1) / 2) ** 2) / (2 * sigma**2)) for k in range(size)]
    return [weight / sum(weights) for weight in weights]


def weighted(values: Tensor, weights: list[float], dim: int, step: int = 1) -> Tensor:
    """Correlate one dimension with a short kernel, valid region, every `step`-th value."""
    return _Correlation.apply(values, tuple(weights), dim % values.ndim, step)


class _Correlation(torch.autograd.Function):
    """Sums of shifted views: on the CPU ten times as fast as a convolution with one channel, and never in TF32.

    The gradient that autograd would put together from the views takes forty times as long.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, weights: tuple[float, ...], dim: int, step: int) -> Tensor:
        ctx.weights, ctx.dim, ctx.step, ctx.size = weights, dim, step, values.shape[dim]
        span = (values.shape[dim] - len(weights)) // step * step + 1
        views = [_every(values.narrow(dim, k, span), dim, step) for k in range(len(weights))]
        total = views[0] * weights[0]  # (..., (size - len(weights)) // step + 1, ...)
        for view, weight in zip(views[1:], weights[1:], strict=True):
            total.add_(view, alpha=weight)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Correlation with the mirrored kernel, of the gradient with zeros around it and between its values."""
        gradient, before = gradients[0], len(ctx.weights) - 1
        shape = list(gradient.shape)
        span = (shape[ctx.dim] - 1) * ctx.step + 1
        shape[ctx.dim] = ctx.size + before
        spread = gradient.new_zeros(shape)  # (..., size + before, ...)
        _every(spread.narrow(ctx.dim, before, span), ctx.dim, ctx.step).copy_(gradient)
        return _Correlation.apply(spread, ctx.weights[::-1], ctx.dim, 1), None, None, None


def _every(values: Tensor, dim: int, step: int) -> Tensor:
    return values[(slice(None),) * dim + (slice(None, None, step),)]


def separable(values: Tensor, weights: list[float], step: int = 1) -> Tensor:
    """Correlate height and width with the same short kernel; `(..., H, W)`, valid region."""
    return weighted(weighted(values, weights, values.ndim - 2, step), weights, values.ndim - 1, step)


def correlate(images: Tensor, kernel: Tensor, step: int = 1, mode: str = "reflect") -> Tensor:
    """Correlate `(N, H, W)` with an odd-sized `(k, l)` kernel; borders mirrored, or as `mode` of `F.pad` says."""
    down, across = (side // 2 for side in kernel.shape)
    padded = F.pad(images[:, None], (across, across, down, down), mode=mode)  # (N, 1, H + k - 1, W + l - 1)
    return F.conv2d(padded, kernel.to(images)[None, None], stride=step)[:, 0]


def symmetric_pad(images: Tensor, width: int) -> Tensor:
    """`(N, H, W)` with a border in which the edge pixel comes twice."""
    for dim in (1, 2):
        before = images.narrow(dim, 0, width).flip(dim)
        after = images.narrow(dim, images.shape[dim] - width, width).flip(dim)
        images = torch.cat((before, images, after), dim)
    return images


def safe_sqrt(values: Tensor, floor: float = 1e-20) -> Tensor:
    """Square root; below `floor` zero, with zero gradient, where the true one would be infinite."""
    return torch.where(values > floor, values.clamp(min=floor).sqrt(), 0.0)


def gradient_magnitude(images: Tensor, smoothing: tuple[float, float, float]) -> Tensor:
    """Length of the 3x3 gradient: `smoothing` along one axis, a difference along the other; outside is black.

    Args:
        images: `(N, H, W)`.
        smoothing: The three weights across the difference: Prewitt (1, 1, 1) / 3, Scharr (3, 10, 3) / 16.

    Returns:
        `(N, H, W)`; zero, with zero gradient, where the image is flat.
    """
    padded, difference = F.pad(images, (1, 1, 1, 1)), [-1.0, 0.0, 1.0]  # (N, H + 2, W + 2)
    across = weighted(weighted(padded, difference, 2), list(smoothing), 1)  # (N, H, W)
    down = weighted(weighted(padded, difference, 1), list(smoothing), 2)
    return safe_sqrt(across.square() + down.square())


def dice(both: Tensor, constant: float) -> Tensor:
    """Similarity (2 a b + c) / (a^2 + b^2 + c) of the first half of a batch with the second; 1 where they are equal."""
    one, other = both.chunk(2)  # (N, ...) each
    return (2 * one * other + constant) / (one.square() + other.square() + constant)
