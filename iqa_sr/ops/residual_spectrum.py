"""How much noise of high frequency and how strong a repeating pattern a residual has: traces of adversarial noise.

Both measures take the difference of two pictures in [0, 1] and give an RMS amplitude in levels of 255. Power is taken
under a Hann window and divided by the window's own, so that white noise keeps its standard deviation and a sinusoid of
amplitude a its RMS of a / sqrt(2).

Reference:
    Welch: The Use of Fast Fourier Transform for the Estimation of Power Spectra, IEEE Transactions on Audio and
    Electroacoustics 15(2), 1967 (the averaged periodogram).
"""

import torch
from torch import Tensor

__all__ = ["SMALLEST", "high_frequency_noise", "periodic_noise"]

SMALLEST = 16
"""Smallest height and width in pixels of a residual: below, the rings of a spectrum have too few bins."""

_PATCH = 64  # px: lines 1/64 cycle/px wide, and 25 patches in a picture of 192 px
# Times the median of its ring: the bins of noise rarely reach it. Even of a single grey patch, whose bins follow an
# exponential distribution, 1 in 250 does (2^-8); of 10 patches that are averaged, or of three channels, next to none.
_STANDS_OUT = 8.0
# In cycles/px. Longer periods than 16 px are the picture's own structure; networks leave grids of 2 to 16 px.
_LOWEST = 1 / 16
# In cycles/px; all that lies above is one ring. Rings of the usual width would have a few bins only in the corners of
# the spectrum, and the nine of a checkerboard would be their own median.
_CORNER = 0.55


def high_frequency_noise(residual: Tensor, cut: float = 0.25) -> Tensor:
    """The RMS of what a residual has above a radial frequency.

    Args:
        residual: `(N, C, H, W)` floating, difference of pictures in [0, 1], at least 16 px high and wide. The window
            weighs the middle more than the border.
        cut: In cycles per pixel, in [0, 0.7]; 0.25 is a period of 4 px, what upscaling by 2 cannot take from the LQ.

    Returns:
        `(N,)` float32 in levels of 255, over all channels; more is noisier.

    Raises:
        ValueError: If the residual is not floating, has another shape or is too small.
    """
    _check("high_frequency_noise", residual)
    power = _power(residual.float()).mean(1)
    height, width = residual.shape[-2:]
    high = _radius(height, width, residual.device) >= cut
    return 255 * (power * high).sum((1, 2)).sqrt()


def periodic_noise(residual: Tensor) -> Tensor:
    """The RMS of what repeats in a residual: grids, checkerboards, stripes with a period of 2 to 16 px.

    In the periodogram of patches of 64 px, averaged over patches and channels, noise fills a ring of one radial
    frequency evenly and a pattern stands out of it as lines; their power above the ring's median is summed up.

    Args:
        residual: `(N, C, H, W)` floating, difference of pictures in [0, 1], at least 16 px high and wide. What is
            smaller than a patch is one patch as large as it is; a rest of less than half a patch is left out.

    Returns:
        `(N,)` float32 in levels of 255, over all channels; more is stronger.

    Raises:
        ValueError: If the residual is not floating, has another shape or is too small.
    """
    _check("periodic_noise", residual)
    height, width = (min(_PATCH, side) for side in residual.shape[-2:])
    patches = residual.float().unfold(2, height, max(1, height // 2)).unfold(3, width, max(1, width // 2))
    power = _power(patches).mean((1, 2, 3)).flatten(1)
    shorter = min(height, width)
    ring = (_radius(height, width, residual.device) * shorter).round().flatten()
    ring = ring.clamp(max=round(_CORNER * shorter))
    total = power.new_zeros(len(power))
    # The window spreads a constant difference over the rings 0 and 1, whatever the size.
    for number in range(max(2, round(_LOWEST * shorter)), round(_CORNER * shorter) + 1):
        inside = power[:, ring == number]
        usual = inside.median(1, keepdim=True).values
        # A product and not a choice: NaN stays NaN.
        total = total + ((inside - usual) * (inside > _STANDS_OUT * usual)).sum(1)
    return 255 * total.sqrt()


def _power(pictures: Tensor) -> Tensor:
    """`(..., H, W)` to the same shape: the power of each frequency; their sum is the mean square of a noise."""
    height, width = pictures.shape[-2:]
    across, down = (torch.hann_window(side, device=pictures.device) for side in (width, height))
    window = down[:, None] * across
    return torch.fft.fft2(pictures * window).abs().square() / (height * width * window.square().sum())


def _radius(height: int, width: int, device: torch.device) -> Tensor:
    """`(height, width)`: the radial frequency of each bin of `fft2` in cycles per pixel."""
    down, across = (torch.fft.fftfreq(side, device=device) for side in (height, width))
    return (down[:, None].square() + across.square()).sqrt()


def _check(name: str, residual: Tensor) -> None:
    if residual.ndim != 4 or not residual.is_floating_point():
        raise ValueError(f"{name}: expected floating (N, C, H, W), got {residual.dtype} {tuple(residual.shape)}")
    if min(residual.shape[-2:]) < SMALLEST:
        height, width = residual.shape[-2:]
        raise ValueError(f"{name}: needs at least {SMALLEST}x{SMALLEST} px, got {height}x{width} (HxW)")
