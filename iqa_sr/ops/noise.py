"""Gaussian and Poisson noise as blind super-resolution adds it."""

import torch
from torch import Tensor

__all__ = ["add_gaussian_noise", "add_poisson_noise"]


def add_gaussian_noise(image: Tensor, sigma: float, gray: bool, generator: torch.Generator) -> Tensor:
    """The image with white noise, clamped to `[0, 1]`.

    Args:
        image: `(1, 3, H, W)` in `[0, 1]`.
        sigma: Standard deviation in levels of 255.
        gray: Whether all three channels get the same noise.
        generator: Generator of the noise, on the image's device.
    """
    shape = (1, 1 if gray else 3, *image.shape[-2:])
    noise = torch.randn(shape, generator=generator, device=image.device)
    return (image + noise * (sigma / 255)).clamp(0, 1)


def add_poisson_noise(image: Tensor, scale: float, gray: bool, generator: torch.Generator) -> Tensor:
    """The image with shot noise, clamped to `[0, 1]`.

    As published: the image is rounded to 8 bit, a pixel counts `value * photons` photons on average, where
    `photons` is the number of different levels in the image rounded up to a power of two, and the deviation from
    the average is added to the image `scale` times.

    Args:
        image: `(1, 3, H, W)` in `[0, 1]`.
        scale: Factor of the noise.
        gray: Whether the noise is that of the gray image, the same in all three channels.
        generator: Generator of the noise, on the image's device.
    """
    source = image
    if gray:
        weights = torch.tensor([0.2989, 0.587, 0.114], device=image.device)
        source = (image * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)  # (1, 1, H, W)
    levels = torch.round(source.clamp(0, 1) * 255)
    seen = torch.zeros(256, device=image.device).index_fill_(0, levels.long().flatten(), 1.0)
    powers = 2 ** torch.arange(9, device=image.device)
    # Stays on the device: reading the count on the CPU would make it wait.
    photons = powers[torch.searchsorted(powers, seen.sum().long())]
    average = levels / 255
    noise = torch.poisson(average * photons, generator=generator) / photons - average
    return (image + noise * scale).clamp(0, 1)
