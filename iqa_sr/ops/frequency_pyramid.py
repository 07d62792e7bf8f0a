"""A steerable pyramid in the frequency domain, with the tables from which its authors' program interpolates.

Reference:
    Simoncelli, Freeman: The steerable pyramid: a flexible architecture for multi-scale derivative computation,
    ICIP 1995, https://doi.org/10.1109/ICIP.1995.537667.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["frequency_pyramid"]

RADIAL_STEP = 1 / 256  # octaves between two entries of the table of the raised cosine
ANGULAR_STEP = math.pi / 1024


def frequency_pyramid(image: Tensor, levels: int, orientations: int) -> tuple[Tensor, list[list[Tensor]]]:
    """High-pass residual and oriented bands of an image.

    Args:
        image: `(H, W)` float64.
        levels: Number of levels, each of half the size, rounded up, of the one before.
        orientations: Number of bands of a level; even, so that the bands are odd.

    Returns:
        The residual `(H, W)`, and for each level, the finest first, its bands `(h, w)`.
    """
    down, across = (_ramp(side, image) for side in image.shape)
    angle = torch.atan2(down[:, None], across)
    radius = (down[:, None].square() + across.square()).sqrt()  # (H, W), 1 at the highest frequency of a side
    middle = [side // 2 for side in image.shape]
    radius[middle[0], middle[1]] = radius[middle[0], middle[1] - 1]
    octave = radius.log2()
    spectrum = torch.fft.fftshift(torch.fft.fft2(image))
    residual = _inverse(spectrum * _radial(octave, rising=True))
    spectrum = spectrum * _radial(octave, rising=False)
    pyramid = []
    for level in range(1, levels + 1):
        ring = spectrum * _radial(octave + level, rising=True) * (-1j) ** (orientations - 1)
        pyramid.append([_inverse(ring * _angular(angle, k, orientations)) for k in range(orientations)])
        octave, angle, spectrum = (_lower_half(values) for values in (octave, angle, spectrum))
        spectrum = spectrum * _radial(octave + level, rising=False)
    return residual, pyramid


def _ramp(side: int, like: Tensor) -> Tensor:
    """Frequencies `(side,)`, from -1 to 1, zero in the middle."""
    return torch.arange(side, dtype=like.dtype, device=like.device).sub(side // 2).div(side / 2)


def _inverse(spectrum: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.ifftshift(spectrum)).real


def _lower_half(values: Tensor) -> Tensor:
    """The lower half of the frequencies, rounded up: `(H, W)` with zero in the middle to the same of half the size."""
    for dim in (0, 1):
        side = values.shape[dim]
        half = (side + 1) // 2
        values = values.narrow(dim, side // 2 - half // 2, half)
    return values


def _radial(octave: Tensor, rising: bool) -> Tensor:
    """Half a wave of a raised cosine's root, from 0 an octave below the highest frequency to 1; or its complement."""

    def entry(index: Tensor) -> Tensor:
        square = torch.cos(math.pi / 2 * (1 - index.clamp(0, 256) / 256)).square()
        return square.sqrt() if rising else (1 - square).clamp(min=0).sqrt()

    return _interpolated(entry, (octave + 1) / RADIAL_STEP)


def _angular(angle: Tensor, band: int, orientations: int) -> Tensor:
    """Power of the cosine of the angle from a band's direction, normalized over the bands."""
    order = orientations - 1
    factor = 2**order * math.factorial(order) / math.sqrt(orientations * math.factorial(2 * order))

    def entry(index: Tensor) -> Tensor:
        return factor * torch.cos(index * ANGULAR_STEP) ** order

    return _interpolated(entry, (angle - math.pi * band / orientations) / ANGULAR_STEP)


def _interpolated(entry: Callable[[Tensor], Tensor], index: Tensor) -> Tensor:
    """Values of a table between its entries, which the authors' program interpolates linearly."""
    below = index.floor()
    share = index - below
    return entry(below) * (1 - share) + entry(below + 1) * share
