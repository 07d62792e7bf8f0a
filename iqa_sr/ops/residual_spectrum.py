"""Noise of high frequency and repeating patterns in a residual: traces of adversarial noise.

All take the difference of two images in [0, 1]. The two measures of noise give an RMS amplitude in levels of 255: power
is taken under a Hann window and divided by the window's own, so that white noise keeps its standard deviation and a
sinusoid of amplitude a its RMS of a / sqrt(2). The lattice of a known period is a share of the residual's power.

Reference:
    Welch: The Use of Fast Fourier Transform for the Estimation of Power Spectra, IEEE Transactions on Audio and
    Electroacoustics 15(2), 1967 (the averaged periodogram).
"""

import torch
from torch import Tensor

__all__ = ["SMALLEST", "high_frequency_noise", "lattice_share", "longest_period", "periodic_noise"]

SMALLEST = 16
"""Smallest height and width in pixels of a residual: below, the rings of a spectrum have too few bins."""

_PATCH = 64  # px: lines 1/64 cycle/px wide, and 25 patches in an image of 192 px
# Times the median of its ring: the bins of noise rarely reach it. Even of a single gray patch, whose bins follow an
# exponential distribution, 1 in 250 does (2^-8); of 10 patches that are averaged, or of three channels, next to none.
_STANDS_OUT = 8.0
_LOWEST = 1 / 16  # cycles/px: lower ones are within two lines of a constant in a patch of 64 px
# Slower patterns: of a network's window and of a metric's patch, 32 px with a window of 8 px at x4. They are looked for
# in one patch of up to 192 px, whose bins are not averaged: 1 in 65,000 of noise reaches 16 times the median.
_SLOW_PATCH = 192
_SLOW_STANDS_OUT = 16.0
_SLOWEST = 1 / 40
# In cycles/px; all that lies above is one ring. Rings of the usual width would have a few bins only in the corners of
# the spectrum, and the nine of a checkerboard would be their own median.
_CORNER = 0.55
# Periods in a patch of `lattice_share`, most first: the Hann window makes a line three bins wide, and the places half
# way between the lines, which it is compared with, must lie clear of them. More would leave out patterns whose strength
# changes with the content.
_LATTICE_PERIODS = (8, 6)


def high_frequency_noise(residual: Tensor, cut: float = 0.25) -> Tensor:
    """The RMS of what a residual has above a radial frequency.

    Args:
        residual: `(N, C, H, W)` floating, difference of images in [0, 1], at least 16 px high and wide. The window
            weighs the middle more than the border.
        cut: Lowest frequency that counts, in cycles per pixel, in [0, 0.7]; 0.25 is a period of 4 px, what upscaling by
            2 cannot take from the LQ.

    Returns:
        `(N,)` float32 in levels of 255, over all channels; more is noisier.

    Raises:
        ValueError: If the residual is not floating, has another shape or is too small.
    """
    _check("high_frequency_noise", residual)
    power = _power(residual.float()).mean(1)  # (N, H, W)
    height, width = residual.shape[-2:]
    high = _radius(height, width, residual.device) >= cut
    return 255 * (power * high).sum((1, 2)).sqrt()


def periodic_noise(residual: Tensor) -> Tensor:
    """The RMS of what repeats in a residual: grids, checkerboards, stripes with a period of 2 to 40 px.

    In the periodogram of patches of 64 px, averaged over patches and channels, noise fills a ring of one radial
    frequency evenly and a pattern stands out of it as lines; their power above the ring's median is summed up. For
    periods above 16 px the patches have up to 192 px.

    Args:
        residual: `(N, C, H, W)` floating, difference of images in [0, 1], at least 16 px high and wide. What is
            smaller than a patch is one patch as large as it is; a rest of less than half a patch is left out. Periods
            of more than a fifth of the smaller side cannot be told from the content, and are left out, too: all to 38
            px are seen from 192 px on.

    Returns:
        `(N,)` float32 in levels of 255, over all channels; more is stronger. A period of 16 to 20 px, which patches of
        both sizes see, is measured up to a quarter too strong.

    Raises:
        ValueError: If the residual is not floating, has another shape or is too small.
    """
    _check("periodic_noise", residual)
    shorter = min(*residual.shape[-2:], _SLOW_PATCH)
    power = _lines(residual.float(), _PATCH, _STANDS_OUT, _LOWEST, _CORNER)
    power = power + _lines(residual.float(), _SLOW_PATCH, _SLOW_STANDS_OUT, max(_SLOWEST, 5 / shorter), _LOWEST)
    return 255 * power.sqrt()


def lattice_share(residual: Tensor, period: int) -> Tensor:
    """The share of a residual's power that repeats every so many px, beyond what any broadband change has there.

    A pattern of period p has its power at multiples of 1/p cycles/px in both directions, all other changes have about
    as much there as half way to the next multiple. The difference is the lattice; content whose edges lie along the
    axes is compared along them. Divisors belong to a period: a grid of 4 px is one of 8 px, too.

    Args:
        residual: `(N, C, H, W)` floating, difference of images in [0, 1].
        period: Period of the pattern in px, at least 2, as of a network's window of attention or of a metric's patch.

    Returns:
        `(N,)` float32 in [0, 1], over all channels: 1 for a pure lattice, about 0 for noise, blur and sharpening. 0
        where nothing differs; NaN where a side is shorter than six periods (`longest_period`).

    Raises:
        ValueError: If the residual is not floating, has another shape or is too small, or the period is.
    """
    _check("lattice_share", residual)
    if period < 2:
        raise ValueError(f"lattice_share: period: expected at least 2 px, got {period}")
    periods = next((count for count in _LATTICE_PERIODS if count * period <= min(residual.shape[-2:])), 0)
    if not periods:
        return residual.new_full((len(residual),), torch.nan, dtype=torch.float32)
    side = periods * period
    patches = residual.float().unfold(2, side, side // 2).unfold(3, side, side // 2)  # (N, C, m, n, side, side)
    power = _power(patches - patches.mean((-2, -1), keepdim=True)).mean((1, 2, 3))  # (N, side, side)
    # Sums of 3 x 3 bins: a line under the Hann window.
    near = [power.roll((down, across), (1, 2)) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    wide = torch.stack(near).sum(0)

    def comb(down: int, across: int) -> Tensor:
        """`(N, period, period)` at the multiples of 1 / period, moved by so many bins."""
        return wide.roll((-down, -across), (1, 2))[:, ::periods, ::periods]

    half = periods // 2
    usual = torch.maximum((comb(half, 0) + comb(-half, 0)) / 2, (comb(0, half) + comb(0, -half)) / 2)
    excess = comb(0, 0) - usual  # (N, period, period)
    excess[:, 0, 0] = 0  # a constant and what is slower than any pattern
    total = power.sum((1, 2))
    return torch.where(total == 0, 0, excess.sum((1, 2)) / total).clamp(0, 1)


def longest_period(side: int) -> int:
    """The longest period in px that `lattice_share` can measure in so many px."""
    return side // _LATTICE_PERIODS[-1]


def _lines(residual: Tensor, side: int, stands_out: float, low: float, high: float) -> Tensor:
    """The power of the lines that stand out of their rings.

    Args:
        residual: `(N, C, H, W)` float32.
        side: Side of the patches in px.
        stands_out: Multiple of its ring's median above which a bin is a line.
        low: Lowest radial frequency in cycles per px.
        high: First radial frequency that is left out; of `_CORNER`, all that lies above is one ring and belongs to it.

    Returns:
        `(N,)`.
    """
    height, width = (min(side, length) for length in residual.shape[-2:])
    patches = residual.unfold(2, height, max(1, height // 2)).unfold(3, width, max(1, width // 2))  # (N, C, m, n, h, w)
    power = _power(patches).mean((1, 2, 3)).flatten(1)  # (N, h w)
    shorter = min(height, width)
    corner = round(_CORNER * shorter)
    ring = (_radius(height, width, residual.device) * shorter).round().flatten().clamp(max=corner)  # (h w,)
    total = power.new_zeros(len(power))
    # The window spreads a constant difference over the rings 0 and 1, whatever the size.
    for number in range(max(2, round(low * shorter)), corner + 1 if high == _CORNER else round(high * shorter)):
        inside = power[:, ring == number]  # (N, bins)
        usual = inside.median(1, keepdim=True).values  # (N, 1)
        # A product and not a choice: NaN stays NaN.
        total = total + ((inside - usual) * (inside > stands_out * usual)).sum(1)
    return total


def _power(images: Tensor) -> Tensor:
    """`(..., H, W)` to the same shape: the power of each frequency; their sum is the mean square of a noise."""
    height, width = images.shape[-2:]
    across, down = (torch.hann_window(side, device=images.device) for side in (width, height))
    window = down[:, None] * across
    return torch.fft.fft2(images * window).abs().square() / (height * width * window.square().sum())


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
