"""Phase congruency: where the phases of an image's frequencies agree, at edges and lines, whatever their contrast.

References:
    Kovesi: Image features from phase congruency, Videre 1(3), 1999.
    Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment, IEEE TIP 20(8), 2011,
    https://doi.org/10.1109/TIP.2011.2109730; the constants are those of its section III.
"""

import math

import torch
from torch import Tensor

from iqa_sr.ops.filters import safe_sqrt
from iqa_sr.ops.log_gabor import angular_gaussian, frequencies, log_gaussian

__all__ = ["phase_congruency"]

SCALES, ORIENTATIONS = 4, 4
SHORTEST_WAVE = 6.0
WAVE_FACTOR = 2
BANDWIDTH = 0.55
ANGULAR_DEVIATION = math.pi / ORIENTATIONS / 1.2
LOWPASS_CUTOFF, LOWPASS_ORDER = 0.45, 15
NOISE_DEVIATIONS = 2.0
# The noise of the measure in use was found to be overestimated by this factor.
NOISE_FACTOR = 1.7
TINY = 1e-6
# Of a squared length; bounds the gradient where the responses of the scales cancel.
SMALLEST_SQUARE = 1e-4


def phase_congruency(images: Tensor) -> Tensor:
    """Phase congruency of each pixel, in [0, 1]: `(N, H, W)` in 0..255 to `(N, H, W)`."""
    filters = _filter_bank(images)
    response = torch.fft.ifft2(torch.fft.fft2(images)[:, None, None] * filters)  # (N, o, scales, H, W)
    amplitude = response.abs()
    energy = _energy(response) - _noise_threshold(amplitude[:, :, 0], filters)  # (N, o, H, W)
    return energy.clamp(min=0).sum(1) / (amplitude.sum((1, 2)) + TINY)


def _filter_bank(images: Tensor) -> Tensor:
    """Transfer functions for images of this size and type: `(orientations, scales, H, W)`."""
    down, across = frequencies(images)
    radius = (down.square() + across.square()).sqrt()  # (H, W)
    lowpass = 1 / (1 + (radius / LOWPASS_CUTOFF) ** (2 * LOWPASS_ORDER))
    waves = [SHORTEST_WAVE * WAVE_FACTOR**scale for scale in range(SCALES)]
    radial = torch.stack([log_gaussian(radius, 1 / wave, BANDWIDTH) * lowpass for wave in waves])  # (scales, H, W)
    angles = [k * math.pi / ORIENTATIONS for k in range(ORIENTATIONS)]
    angular = torch.stack([angular_gaussian(down, across, angle, ANGULAR_DEVIATION) for angle in angles])  # (o, H, W)
    return angular[:, None] * radial


def _energy(response: Tensor) -> Tensor:
    """Amplitude times (cosine - |sine|) of the deviation from the mean phase, summed over scales: `(N, o, H, W)`."""
    total = response.sum(2)  # (N, o, H, W)
    square = total.real.square() + total.imag.square()
    length = (square + SMALLEST_SQUARE).sqrt()
    even, odd = (part.unsqueeze(2) for part in (total.real / length, total.imag / length))  # (N, o, 1, H, W) each
    # Along the mean phase the sum over the scales is the square of the total by its length.
    return square / length - (response.real * odd - response.imag * even).abs().sum(2)


def _noise_threshold(finest: Tensor, filters: Tensor) -> Tensor:
    """Energy that noise alone would have: `(N, o, H, W)` amplitudes of the finest scale to `(N, o, 1, 1)`.

    The squared amplitude of noise is exponentially distributed; its mean follows from its median, which hardly depends
    on the few strong edges.
    """
    mean_square = finest.square().flatten(2).median(2).values / math.log(2)  # (N, o)
    power = mean_square / filters[:, 0].square().sum((1, 2))
    # What the sum of all scales' impulse responses makes of it: the energy of its real part, which is the even part
    # of the sum of the filters.
    total = filters.sum(1)  # (o, H, W)
    mirrored = total.flip(1, 2).roll((1, 1), (1, 2))
    gain = ((total + mirrored) / 2).square().sum((1, 2))  # (o,)
    rayleigh = safe_sqrt(power * gain)
    threshold = rayleigh * (math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2))
    return threshold[..., None, None] / NOISE_FACTOR
