"""ColorVideoVDP (CVVDP) of still images: how far an image is seen to differ from its reference, in JOD.

Both images become light on a display, then contrasts in three opponent colors and up to nine bands of a Laplacian
pyramid. A difference counts in multiples of what is just visible at its frequency and luminance, the less the more
contrast both images have there (masking). It is pooled over pixels, bands and colors, and mapped to just-objectionable
differences: 10 JOD is no visible difference; of two images 1 JOD apart, 75 % of observers prefer the one with more.

Computed here, not by the authors' package `cvvdp`: that requires twelve packages (62 MB, among them matplotlib and
OpenEXR) which nothing else here needs, and `ffmpeg`, of which there is no wheel for any Python, and takes two to four
times as long.

Reference:
    Mantiuk, Hanji, Ashraf, Asano, Chapiro: ColorVideoVDP: a visual difference predictor for image, video and display
    distortions, ACM Transactions on Graphics 43(4), 2024, https://doi.org/10.1145/3658144; constants and the table of
    contrast sensitivity from the authors' package `cvvdp` 0.5.7.
"""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.errors import did_you_mean, shown
from iqa_sr.io.json_files import read_json
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.ops.filters import gaussian_weights, separable, symmetric_pad
from iqa_sr.ops.laplacian_pyramid import BINOMIAL, doubled

__all__ = ["CVVDP", "METRICS", "display_names"]

CALIBRATION = Path(__file__).parent / "data" / "cvvdp.json"
PEAK_FREQUENCY = 0.3228  # of the second band, as a share of the highest frequency; it halves from band to band
LOWEST_FREQUENCY = 0.2  # in cycles per degree: the first band that has no more is the last before the baseband
BASEBAND_FREQUENCY = 0.1
CONTRAST_GAIN = torch.tensor((1.0, 1.45, 1.0))  # of achromatic, red-green and violet-yellow
FLOOR = 1e-5  # powers are (x + FLOOR)^p - FLOOR^p, whose slope is finite at zero
LINEAR_BELOW = 0.1  # of the pooled difference: there JOD falls linearly, as the power has no finite slope at zero

CVVDP_INFO = MetricInfo(
    name="cvvdp",
    reference="full",
    higher_is_better=True,
    score_range=(-math.inf, 10.0),
    min_size=16,
    differentiable=True,
    code_license="Apache-2.0 (own implementation)",
    weights_license="MIT (constants of the package cvvdp)",
    paper="Mantiuk, Hanji, Ashraf, Asano, Chapiro: ColorVideoVDP: a visual difference predictor for image, video and "
    "display distortions, ACM TOG 2024",
    spec="ColorVideoVDP 0.5.7, still images, sRGB, JOD, standard_fhd, 37.84 px per degree",
)


class CVVDP(QualityMetric):
    """ColorVideoVDP of each image in JOD; 10 is no visible difference, higher is better, bad ones fall below 0.

    The display says how bright the pixels are and how many of them lie in a degree of the visual field: the same
    difference is the less visible the smaller the pixels are seen. The gradient of equal images is zero.

    The size of an image is that of what the observer sees: crops of 64 px and more score on average within 0.15 JOD of
    the photograph that they were cut from, those of 16 px within 0.3.

    Differs from the original:
        Still images only, of at least 16 px (the original takes 2, where one band is left). Values outside [0, 1] are
        cut without a warning. Scores agree within 1e-5 JOD, also where height and width differ in parity, for which the
        original weights the last column wrongly. Sums over bands and colors are in float64.

    Args:
        info: The facts.
        display: One of `display_names()`; `standard_fhd` is a monitor of 24 inches, 1920 x 1080 px and 200 cd/m^2 in an
            office (250 lux), seen from 0.6 m, twice its height.
        pixels_per_degree: Pixels in a degree of the visual field, if another distance is meant than the display's
            usual one; 37.8 for `standard_fhd`, 75.4 for `standard_4k`, 121 for `standard_phone`.

    Raises:
        ValueError: If there is no such display, or the pixels per degree are no positive number.
    """

    sensitivity: Tensor
    sensitivity_step: Tensor

    def __init__(
        self, info: MetricInfo = CVVDP_INFO, display: str = "standard_fhd", pixels_per_degree: float | None = None
    ) -> None:
        data = _calibration()
        if display not in data["displays"]:
            raise ValueError(
                f"{info.name}: `display` must be one of ColorVideoVDP's for sRGB, got {shown(display)}; "
                f"{did_you_mean(display, data['displays'])}"
            )
        screen = data["displays"][display]
        density = screen["pixels_per_degree"] if pixels_per_degree is None else pixels_per_degree
        if isinstance(density, bool) or not isinstance(density, int | float) or not 0 < density < math.inf:
            raise ValueError(
                f"{info.name}: `pixels_per_degree` must be a positive number, or null for that of the display "
                f"({screen['pixels_per_degree']:.4g} for {display}), got {shown(pixels_per_degree)}"
            )
        asked = f"ColorVideoVDP 0.5.7, still images, sRGB, JOD, {display}, {density:.4g} px per degree"
        super().__init__(info if asked == info.spec else replace(info, spec=asked))
        self.range, self.offset = screen["peak"] - screen["black"], screen["black"] + screen["reflected"]
        self.fitted: dict[str, Any] = data["parameters"]
        frequencies = density / 2 * torch.tensor([1.0, *(PEAK_FREQUENCY / 2**k for k in range(13))], dtype=torch.double)
        self.most_bands = 1 + int((frequencies > LOWEST_FREQUENCY).sum())
        table = _log_sensitivity(torch.cat((frequencies[: self.most_bands], torch.tensor([BASEBAND_FREQUENCY]))))
        table[:-1] += CONTRAST_GAIN.log()[:, None]
        self.register_buffer("sensitivity", table.float(), persistent=False)
        steps = table.diff(append=table[..., -1:])
        self.register_buffer("sensitivity_step", steps.float(), persistent=False)
        self.freeze()

    def score(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N, 3, H, W)` twice to `(N,)`."""
        assert reference is not None
        planes = self._opponent_colors(torch.cat((image, reference)))  # (3, 2N, H, W), both as in what follows
        bands = min(self.most_bands, min(image.shape[2:]).bit_length() - 2)
        pooled = []
        for band in range(bands):
            half = _halved(planes)  # (3, 2N, ceil(h / 2), ceil(w / 2))
            around = doubled(half.flatten(0, 1), *planes.shape[2:]).view_as(planes)
            light = around[0]  # (2N, h, w)
            contrast = (planes - around) / light * (2 if band else 1)
            pooled.append(
                _root_mean_square(self._masked(contrast * self._sensitivity_at(light, band).repeat(1, 2, 1, 1)))
            )
            planes = half
        light = planes[0].mean((1, 2), keepdim=True)  # (2N, 1, 1)
        one, other = (planes / light).chunk(2, 1)  # (3, N, h, w) each
        pooled.append(_root_mean_square((one - other).abs() * self._sensitivity_at(light, -1)))
        return self._jod(torch.stack(pooled))

    def _opponent_colors(self, images: Tensor) -> Tensor:
        """Light of the display in achromatic, red-green, violet-yellow: `(N, 3, H, W)` to `(3, N, H, W)`."""
        values = images.clamp(0, 1)
        linear = torch.where(values > 0.04045, _raised((values + 0.055) / 1.055, 2.4), values / 12.92)
        return _combined(linear.transpose(0, 1) * self.range + self.offset, _calibration()["rgb_to_dkl"])

    def _sensitivity_at(self, light: Tensor, band: int) -> Tensor:
        """Factor of a contrast that makes it 1 where it is just visible: `(2N, h, w)` to `(3, N, h, w)`.

        The luminance is that of the references, the second half.
        """
        low, high = _calibration()["csf"]["log10_luminance"]
        last = self.sensitivity.shape[-1] - 1
        position = ((light.chunk(2)[1].log10() - low) * (last / (high - low))).clamp(0, last)  # (N, h, w)
        index = position.long()
        below, step = (
            table[band].index_select(1, index.flatten()).unflatten(1, index.shape)
            for table in (self.sensitivity, self.sensitivity_step)
        )  # (3, N, h, w) each
        return (below + step * (position - index)).exp()

    def _masked(self, contrast: Tensor) -> Tensor:
        """The visible difference of images and references `(3, 2N, h, w)`, after masking: `(3, N, h, w)`."""
        fitted = self.fitted
        one, other = contrast.chunk(2, 1)  # (3, N, h, w) each
        mutual = torch.minimum(one.abs(), other.abs())
        radius = 2 * int(fitted["pu_dilate"])
        if min(mutual.shape[2:]) > radius:
            weights = gaussian_weights(2 * radius + 1, fitted["pu_dilate"])
            mutual = separable(F.pad(mutual, (radius,) * 4, mode="reflect"), weights)
        exponents = contrast.new_tensor(fitted["mask_q"][:3]).view(3, 1, 1, 1)
        activity = _raised(mutual * 10 ** fitted["mask_c"] + FLOOR, exponents) - FLOOR**exponents
        masking = [[2 ** fitted["xcm_weights"][4 * by + of] for by in range(3)] for of in range(3)]
        power = fitted["mask_p"]
        visible = _raised((one - other).abs() + FLOOR, power) - FLOOR**power
        visible = visible / (1 + _combined(activity, masking))
        most = 10 ** fitted["d_max"]
        return most * visible / (most + visible)

    def _jod(self, pooled: Tensor) -> Tensor:
        """The differences of each band, color and image, `(B, 3, N)`, to `(N,)` scores."""
        fitted = self.fitted
        weights = torch.ones_like(pooled)
        weights[-1] = pooled.new_tensor(fitted["baseband_weight"][:3])[:, None]
        colors = _norm(pooled * weights, fitted["beta_sch"])  # (3, N)
        total = _norm(colors, fitted["beta_tch"]) * fitted["image_int"]  # (N,)
        slope, power = fitted["jod_a"], fitted["jod_exp"]
        near = slope * LINEAR_BELOW ** (power - 1) * total
        return 10 - torch.where(total <= LINEAR_BELOW, near, slope * total.clamp(min=LINEAR_BELOW) ** power)


def display_names() -> list[str]:
    """The names of the displays that `CVVDP` knows."""
    return sorted(_calibration()["displays"])


@cache
def _calibration() -> dict[str, Any]:
    content: dict[str, Any] = read_json(CALIBRATION)
    return content


def _log_sensitivity(frequencies: Tensor) -> Tensor:
    """The logarithm of sensitivity at `(B,)` cycles per degree, by color and luminance: `(B, 3, L)`.

    Beyond the table's 64 cycles per degree its last slope goes on.
    """
    csf = _calibration()["csf"]
    table = torch.tensor(csf["log10_sensitivity"], dtype=torch.double)  # (3, L, F)
    low, high = csf["log10_frequency"]
    position = (frequencies.log10() - low) / (high - low) * (table.shape[2] - 1)
    index = position.long().clamp(0, table.shape[2] - 2)
    levels = table[..., index].lerp(table[..., index + 1], position - index)
    correction = _calibration()["parameters"]["sensitivity_correction"] / 20  # from dB
    return (levels + correction).permute(2, 0, 1) * math.log(10)


def _halved(planes: Tensor) -> Tensor:
    """Planes `(..., H, W)` of half the size, rounded up, by the binomial; the edge pixel comes twice.

    The package takes the height's parity for the width's: where the two differ, the weights of the last column sum to
    1.25 or 0.75.
    """
    height, width = planes.shape[-2:]
    framed = symmetric_pad(planes.flatten(0, -3), 2)  # (M, H + 4, W + 4)
    if (height + width) % 2:
        before, last = framed[..., width : width + 1], framed[..., width + 1 : width + 2]
        end = (torch.zeros_like(last), last) if width % 2 else (5 * last + before, last)
        framed = torch.cat((framed[..., : width + 2], *end), -1)
    return separable(framed, BINOMIAL, step=2).unflatten(0, planes.shape[:-2])


def _combined(planes: Tensor, weights: list[list[float]]) -> Tensor:
    """Weighted sums of three planes, one a row of weights; never in TF32, in which a matrix product could be."""
    first, second, third = planes
    return torch.stack([(first * a).add(second, alpha=b).add(third, alpha=c) for a, b, c in weights])


def _raised(values: Tensor, power: float | Tensor) -> Tensor:
    """Positive values to a power; three times as fast as `pow`."""
    return (values.log() * power).exp()


def _root_mean_square(differences: Tensor) -> Tensor:
    """Root mean square over the pixels of `(3, N, h, w)`, both powers with the floor: `(3, N)`, float64."""
    return _power((differences * (differences + 2 * FLOOR)).mean((2, 3), dtype=torch.double), 0.5)


def _norm(values: Tensor, power: float) -> Tensor:
    """The p-norm over the first dimension, both powers with the floor."""
    return _power(_power(values, power).sum(0), 1 / power)


def _power(values: Tensor, power: float) -> Tensor:
    """`(x + FLOOR)^p - FLOOR^p`, exactly 0 at 0."""
    return FLOOR**power * torch.expm1(power * torch.log1p(values / FLOOR))


METRICS = ((CVVDP_INFO, CVVDP),)
