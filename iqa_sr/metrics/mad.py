"""Most apparent distortion (MAD): what is seen of a faint distortion, and how a strong one changes the look.

MAD = d_detect^a * d_appear^(1 - a) with a = 1 / (1 + 0.467 d_detect^0.130): detection compares visible local errors,
appearance the local statistics of log-Gabor responses.

Reference:
    Larson, Chandler: Most apparent distortion: full-reference image quality assessment and the role of strategy,
    Journal of Electronic Imaging 19(1), 2010, https://doi.org/10.1117/1.3267105.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.filters import safe_sqrt
from iqa_sr.ops.log_gabor import angular_gaussian, log_gaussian

__all__ = ["MAD", "METRICS"]

WINDOW, STEP = 16, 4
LOW, SPREAD = 2.55, 3.35
DETECTION_SCALE = 200.0
# Lightness of a level, and the smallest at which a contrast is defined.
LIGHTNESS, GAMMA, DARKEST = 0.02874, 2.2 / 3, 0.5
CONTRAST_THRESHOLD = -5.0
CYCLES_PER_DEGREE = 32
SHORTEST_WAVE, WAVE_FACTOR, SCALES, BANDWIDTH = 3.0, 3, 5, 0.55
ANGULAR_DEVIATION = math.pi / 4 / 1.5
ORIENTATION_WEIGHTS = (0.5 / 13.25, 0.75 / 13.25, 1 / 13.25, 5 / 13.25)
TINY = 1e-12

MAD_INFO = MetricInfo(
    name="mad",
    reference="full",
    higher_is_better=False,
    score_range=(0.0, math.inf),
    min_size=16,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="no weights",
    paper="Larson, Chandler: Most apparent distortion, Journal of Electronic Imaging 2010",
    spec="RGB 0..255, not rounded; IQA-PyTorch's variant: by channel, windows shuffled; sound for square images only",
)


class MAD(QualityMetric):
    """MAD of each image, the mean over red, green and blue; 0 is equal, lower is better.

    Equal images have gradient zero.

    Differs from the original:
        All as in IQA-PyTorch, with which the score agrees, and whose values are in use:
        * Red, green and blue are compared; the authors compare gray levels.
        * The statistics of the windows are shuffled among places and channels. This changes which errors count as
          visible, and what the three numbers are whose mean is taken.
        * The five weights of the scales go with the four orientations instead.
        * The contrast of the reference is half the smallest of four overlapping windows, instead of the smallest of a
          window's quarters; no border is cut off.
        * The frequencies of the log-Gabor filters are half a step off where a side is odd, so that the mean counts.
        * The table of contrast sensitivity is read in the wrong order unless the image is square. At some ratios of
          the sides it then removes the mean, nothing counts as visible, and the score is 0: compare square images.
    """

    def __init__(self, info: MetricInfo = MAD_INFO) -> None:
        super().__init__(info)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        planes = torch.cat((image, reference)).flatten(0, 1).double() * 255  # (6 N, H, W)
        # A distance of zero has no gradient; its powers would have an infinite one.
        detection, appearance = (
            distance(planes).clamp(min=TINY) for distance in (_detection_distance, _appearance_distance)
        )  # (3 N,) each
        share = 1 / (1 + math.exp(-LOW / SPREAD) * detection ** (1 / (math.log(10) * SPREAD)))
        return (appearance ** (1 - share) * detection**share).view(-1, 3).mean(1)


class _Moments(NamedTuple):
    """Statistics of each window of `(M, H, W)`: `(M, H // 4 - 3, W // 4 - 3)`, shuffled by `_shuffle`."""

    mean: Tensor
    deviation: Tensor
    skewness: Tensor
    kurtosis: Tensor


def _moments(maps: Tensor) -> _Moments:
    """Moments in windows of 16 x 16 px, every 4 px, joined from those of cells of 4 x 4 px.

    A window with all its pixels would take sixteen times the memory, and sums of powers would lose all digits where
    the deviation is small.
    """
    height, width = (side // STEP for side in maps.shape[1:])
    cells = maps[:, : height * STEP, : width * STEP].reshape(-1, height, STEP, width, STEP).transpose(2, 3).flatten(3)
    means = cells.mean(3)  # (M, h, w), of (M, h, w, 16)
    inner = cells - means[..., None]
    second, third, fourth = (_windows((inner**k).mean(3)) for k in (2, 3, 4))  # (M, h - 3, w - 3, 16) each
    centers = _windows(means)
    mean = centers.mean(3)  # (M, h - 3, w - 3)
    offset = centers - mean[..., None]
    variance = (second + offset**2).mean(3)  # (M, h - 3, w - 3)
    skew = (third + 3 * second * offset + offset**3).mean(3)
    kurtosis = (fourth + 4 * third * offset + 6 * second * offset**2 + offset**4).mean(3)
    variance = variance + TINY
    return _Moments(*map(_shuffle, (mean, variance.sqrt(), skew / variance**1.5, kurtosis / variance**2)))


def _shuffle(maps: Tensor) -> Tensor:
    """The values of an image's three channels, `(3 N, h, w)`, in the order of the implementation that we follow.

    It lays them out by window and channel, and reads that as channel and window.
    """
    return maps.view(-1, 3, maps[0].numel()).mT.reshape(maps.shape)


def _windows(cells: Tensor) -> Tensor:
    """The 4 x 4 cells of each window: `(M, h, w)` to `(M, h - 3, w - 3, 16)`."""
    return cells.unfold(1, WINDOW // STEP, 1).unfold(2, WINDOW // STEP, 1).flatten(3)


def _root_mean_square(maps: Tensor) -> Tensor:
    return safe_sqrt(maps.square().mean((1, 2)))


def _detection_distance(planes: Tensor) -> Tensor:
    """d_detect of `(2 M, H, W)` levels: `(M,)`; errors count where their contrast exceeds the reference's."""
    lightness = LIGHTNESS * (planes.abs() + TINY) ** GAMMA
    spectrum = torch.fft.fft2(lightness) * torch.fft.ifftshift(_contrast_sensitivity(planes))
    seen, original = torch.fft.ifft2(spectrum).real.chunk(2)  # (M, H, W) each
    level = _moments(original)
    error = _moments(seen - original).deviation  # (M, H // 4 - 3, W // 4 - 3)
    # The minimum of each value, the one above, the one to the left and the one between these.
    height, width = level.deviation.shape[1:]
    smallest = -F.max_pool2d(-level.deviation, 2, 1, padding=1)[:, :height, :width]
    contrast = _log_ratio(smallest / 2, level.mean)
    error_contrast = torch.where(level.mean < DARKEST, -math.inf, _log_ratio(error, level.mean))
    visible = (error_contrast - contrast.clamp(min=CONTRAST_THRESHOLD)).clamp(min=0)
    image, reference = planes.chunk(2)
    local_error = F.avg_pool2d((image - reference).square(), WINDOW, STEP)  # (M, H // 4 - 3, W // 4 - 3)
    return DETECTION_SCALE * _root_mean_square(visible * local_error)


def _log_ratio(one: Tensor, other: Tensor) -> Tensor:
    return ((one + TINY) / (other + TINY)).abs().log()


def _contrast_sensitivity(planes: Tensor) -> Tensor:
    """Sensitivity of the eye to each frequency, `(H, W)`, zero frequency in the middle."""
    height, width = planes.shape[1:]
    down, across = (
        (torch.arange(side, dtype=planes.dtype, device=planes.device) - (side - 1) / 2) / width * 2 * CYCLES_PER_DEGREE
        for side in (height, width)
    )
    radius = (down[:, None].square() + across.square()).sqrt()  # (H, W)
    radius = radius / (0.15 * torch.cos(4 * torch.atan2(down[:, None], across)) + 0.85)
    weighted = 0.114 * radius
    sensitivity = 2.6 * (0.0192 + weighted) * torch.exp(-(weighted**1.1))
    return torch.where(radius < 7.8909, 0.9809, sensitivity).T.reshape(height, width)


def _appearance_distance(planes: Tensor) -> Tensor:
    """d_appear of `(2 M, H, W)` levels: `(M,)`; differences of the responses' statistics."""
    spectrum = torch.fft.fft2(planes)
    total = planes.new_zeros(())
    for weight, bank in zip(ORIENTATION_WEIGHTS, _filter_bank(planes), strict=True):
        for transfer in bank:
            response = torch.fft.ifft2(spectrum * transfer)
            amplitude = (response.real.square() + response.imag.square() + TINY).sqrt()
            deviation, skewness, kurtosis = (
                (one - other).abs() for one, other in (map_.chunk(2) for map_ in _moments(amplitude)[1:])
            )  # (M, H // 4 - 3, W // 4 - 3) each
            total = total + weight * (deviation + 2 * skewness + kurtosis)
    return _root_mean_square(total)


def _filter_bank(planes: Tensor) -> Tensor:
    """Transfer functions, `(orientations, scales, H, W)`, zero frequency first."""
    height, width = planes.shape[1:]
    down, across = (
        (torch.arange(side, dtype=planes.dtype, device=planes.device) - side / 2) / side for side in (height, width)
    )
    radius = (down[:, None].square() + across.square()).sqrt()  # (H, W)
    # Meant for the middle, one row and column before.
    radius[round(height / 2 + 1), round(width / 2 + 1)] = 0.5
    waves = [SHORTEST_WAVE * WAVE_FACTOR**scale for scale in range(SCALES)]
    radial = torch.stack([log_gaussian(radius, 1 / wave, BANDWIDTH) for wave in waves])  # (scales, H, W)
    radial[:, round(height / 2), round(width / 2)] = 0
    angles = [k * math.pi / len(ORIENTATION_WEIGHTS) for k in range(len(ORIENTATION_WEIGHTS))]
    angular = [angular_gaussian(across, down[:, None], angle, ANGULAR_DEVIATION) for angle in angles]
    return torch.fft.fftshift(torch.stack(angular)[:, None] * radial, dim=(2, 3))


METRICS = ((MAD_INFO, MAD),)
