"""Measurements of the guard: windows of validation images, scored and compared with LQ, original and frozen base."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.metrics.registry import QualityMetric, metric_info, shared_metric
from iqa_sr.ops.residual_spectrum import SMALLEST, high_frequency_noise, lattice_share, periodic_noise
from iqa_sr.scores.image_scores import LR_CONSISTENCY, lr_consistency

__all__ = [
    "VISIBILITY",
    "GuardMeasurements",
    "Image",
    "Upscale",
    "Window",
    "as_published",
    "check_sizes",
    "cut_windows",
    "mean_of",
    "measure_windows",
    "score_originals",
]

Image = tuple[Tensor, Tensor | None]
"""LQ `(1, 3, h, w)` and, where there is one, its original `(1, 3, h * scale, w * scale)`, in [0, 1]."""
Upscale = Callable[[Tensor], Tensor]
"""LQ `(1, 3, h, w)` of any size to the result `(1, 3, h * scale, w * scale)`."""

# LQ px around a window that are upscaled with it: what a network does at an image's border is not what it does inside.
_CONTEXT = 8
VISIBILITY = "cvvdp"
"""The metric that says how far the network's result is seen to differ from the base's."""
_PROBE = 32  # LQ px: the largest side that is upscaled to learn the scale
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class GuardMeasurements:
    """Measurements of one network on the windows, in the same order each time; every tensor is `(windows,)` float64,
    CPU.

    Attributes:
        scores: Quality by metric, turned so that larger is better: of reward and held-out ones, and `lr-consistency`.
            NaN for full-reference metrics where there is no original, and for all where the result is not finite.
        base_jod: `cvvdp` between the 8-bit results of the network and of the frozen base, in JOD: 10 where nobody can
            see a difference.
        base_psnr: PSNR to the frozen base's result, neither clamped nor rounded, in dB; 100 where they are equal.
        consistency: PSNR between the LQ and the result downscaled to its size, in dB, at most 100.
        high_frequency: `high_frequency_noise` of what has changed since the base, in levels of 255.
        periodic: `periodic_noise` of what has changed since the base, in levels of 255.
        psnr: PSNR of the 8-bit result to the original in dB, at most 100; NaN where there is no original.
        images: Number of the image that each window is of, int64.
        lattices: `lattice_share` of what has changed since the base, by period in px of the result.
        originals: Quality of the originals by reward metric, turned as in `scores`, for the base only. NaN where there
            is no original.
    """

    scores: Mapping[str, Tensor]
    base_jod: Tensor
    base_psnr: Tensor
    consistency: Tensor
    high_frequency: Tensor
    periodic: Tensor
    psnr: Tensor
    images: Tensor
    lattices: Mapping[int, Tensor] = field(default_factory=dict)
    originals: Mapping[str, Tensor] = field(default_factory=dict)


def as_published(name: str, qualities: Tensor) -> Tensor:
    """The scores of a `GuardMeasurements` on the metric's own scale."""
    return qualities if name == LR_CONSISTENCY else metric_info(name).oriented(qualities)


def mean_of(values: Tensor) -> float:
    """The mean over the windows that have a value; NaN where none has."""
    return float(values.nanmean())


@dataclass(frozen=True)
class Window:
    """Window of a validation image, with context: one unit of the comparison with the base.

    Attributes:
        lq: LQ pixels of the window with up to 8 px of context around them, `(1, 3, h, w)`.
        rows: Rows of `lq` that are the window's own.
        columns: Columns of `lq` that are the window's own.
        original: The original's pixels of the window, without context, `(1, 3, H, W)`; None where there is no original.
        scale: Upscaling factor from the LQ to the result.
        image: Number of the image that it is of, from 0.
    """

    lq: Tensor
    rows: slice
    columns: slice
    original: Tensor | None
    scale: int
    image: int

    @property
    def shorter(self) -> int:
        """The smaller side of the window's result in px, without context."""
        return min(part.stop - part.start for part in (self.rows, self.columns)) * self.scale

    def inside(self, output: Tensor) -> Tensor:
        """The window's own part of the result for `lq`: `(1, 3, H, W)`."""
        rows, columns = (_upscaled(part, self.scale) for part in (self.rows, self.columns))
        return output[..., rows, columns]


def cut_windows(images: Iterable[Image], upscale: Upscale, side: int, most: int) -> list[Window]:
    """Windows that do not overlap, evenly spread over the images and within each; the same ones at every call.

    Goes through the images once and keeps no more of them than the windows.

    Args:
        images: Pairs of an LQ and its original, in the same order each time.
        upscale: Function from an LQ to its result, called once, for the scale.
        side: Height and width of a window in px of the result; the next multiple of the scale is taken, and of an
            image with a smaller side all of that side.
        most: Largest number of windows.

    Raises:
        ValueError: If an original has not the size of the upscaled LQ.
    """
    kept: list[tuple[tuple[int, float], tuple[int, int], Window]] = []
    scale = 0
    for number, (lq, original) in enumerate(images):
        if not scale:
            probe = lq[..., :_PROBE, :_PROBE]
            scale = upscale(probe).shape[-1] // probe.shape[-1]
        height, width = (length * scale for length in lq.shape[-2:])
        if original is not None and original.shape[-2:] != (height, width):
            raise ValueError(
                f"validation image {number + 1}: the guard expected an original of {height}x{width} px (HxW), "
                f"{scale} times its LQ, got {original.shape[-2]}x{original.shape[-1]}; "
                "cut it to a multiple of the scale"
            )
        down, across = (_steps(length, math.ceil(side / scale)) for length in lq.shape[-2:])
        cells = [(rows, columns) for rows in down for columns in across]  # in LQ px, row by row
        positions = sorted(range(len(cells)), key=_spread)[:most]
        # First one window of each image, then a second one of each: nobody knows how many images will follow.
        turns = [((turn, _spread(number)), (number, position)) for turn, position in enumerate(positions)]
        last = kept[-1][0] if len(kept) == most else (math.inf, 0.0)
        kept += [(turn, at, _cut(number, lq, original, cells[at[1]], scale)) for turn, at in turns if turn < last]
        kept = sorted(kept, key=lambda entry: entry[:2])[:most]
    return [window for _, _, window in sorted(kept, key=lambda entry: entry[1])]


def check_sizes(windows: Iterable[Window], metrics: Iterable[str]) -> None:
    """Check that everything can be measured on every window.

    Raises:
        ValueError: If an image is smaller than that; with the numbers.
    """
    smallest = min(window.shorter for window in windows)
    needs = {name: metric_info(name).min_size for name in metrics} | {"the measure of noise": SMALLEST}
    for name, needed in needs.items():
        if smallest < needed:
            raise ValueError(
                f"the guard's window: {name} needs at least {needed}x{needed} px, and the smallest validation image "
                f"gives a window with a side of {smallest}; take larger images or another metric"
            )


def measure_windows(
    windows: Sequence[Window],
    outputs: Sequence[Tensor],
    base_outputs: Sequence[Tensor],
    metrics: Mapping[str, QualityMetric],
    device: torch.device,
    periods: Sequence[int] = (),
) -> GuardMeasurements:
    """Score the results of network and base on every window.

    Args:
        windows: Windows from `cut_windows`.
        outputs: The result for the `lq` of each, `(1, 3, H, W)`.
        base_outputs: The frozen base's result for each, of the window's own part only.
        metrics: The reward metrics and the held-out ones by name, on the device.
        device: Device on which the metrics compute.
        periods: Periods of the lattices that are looked for, in px of the result.
    """
    networks = {"psnr": shared_metric("psnr", device), **metrics}
    rows = [
        _measured(window, output.to(device), base.to(device), networks, periods)
        for window, output, base in zip(windows, outputs, base_outputs, strict=True)
    ]
    columns = {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]}
    scores = {name: networks[name].info.oriented(columns[f"metric {name}"]) for name in metrics}
    scores[LR_CONSISTENCY] = columns["consistency"]
    return GuardMeasurements(
        scores,
        base_jod=columns["base_jod"],
        base_psnr=columns["base_psnr"],
        consistency=columns["consistency"],
        high_frequency=columns["high_frequency"],
        periodic=columns["periodic"],
        psnr=columns["metric psnr"],
        images=torch.tensor([window.image for window in windows]),
        lattices={period: columns[f"lattice {period}"] for period in periods},
    )


def score_originals(windows: Sequence[Window], metric: QualityMetric, device: torch.device) -> Tensor:
    """`(windows,)` float64 on the CPU: what a metric gives the original of each, larger is better; NaN without one."""
    originals = [None if window.original is None else as_8_bit(window.original.to(device)) for window in windows]
    scores = [math.nan if original is None else float(metric(original, original)) for original in originals]
    return metric.info.oriented(torch.tensor(scores, dtype=torch.float64))


def _measured(
    window: Window, output: Tensor, base: Tensor, networks: Mapping[str, QualityMetric], periods: Iterable[int]
) -> dict[str, float]:
    """The scores under `metric <name>`, on the paper's own scale, and the other measures by name."""
    psnr, inside = networks["psnr"], window.inside(output)
    lq = window.lq.to(output.device)
    seen, seen_base = as_8_bit(inside), as_8_bit(base)  # what saved files would hold
    visibility = shared_metric(VISIBILITY, output.device)
    same = torch.equal(seen, seen_base)
    measured = {
        "base_jod": 10.0 if same else float(visibility(seen, seen_base)),  # not computed for the base itself
        "base_psnr": float(psnr(inside, base, check_range=False)),
        # Downscaled with the context: the taps at the window's border reach beyond it.
        "consistency": float(lr_consistency(output, lq, window.rows, window.columns)),
        "high_frequency": float(high_frequency_noise(inside - base)),
        "periodic": float(periodic_noise(inside - base)),
        **{f"lattice {period}": float(lattice_share(inside - base, period)) for period in periods},
    }
    original = None if window.original is None else window.original.to(output.device)
    for name, network in networks.items():
        known = original is not None or network.info.reference == "none"
        measured[f"metric {name}"] = float(network(seen, original)) if known else math.nan
    return measured


def _steps(length: int, side: int) -> list[slice]:
    """Slices of a length, as many of this side as fit, evenly spread; one of the whole length where none fits."""
    count, side = max(1, length // side), min(side, length)
    gap = (length - count * side) / count  # half of it before the first and behind the last
    starts = [round(number * (side + gap) + gap / 2) for number in range(count)]
    return [slice(start, start + side) for start in starts]


def _spread(number: int) -> float:
    """A key in [0, 1) by which the first few of any 0, 1, ..., n are evenly spread: multiples of the golden ratio."""
    return number * _GOLDEN % 1


def _cut(number: int, lq: Tensor, original: Tensor | None, cell: tuple[slice, slice], scale: int) -> Window:
    outer = [
        slice(max(0, part.start - _CONTEXT), min(length, part.stop + _CONTEXT))
        for part, length in zip(cell, lq.shape[-2:], strict=True)
    ]
    rows, columns = (
        slice(part.start - around.start, part.stop - around.start) for part, around in zip(cell, outer, strict=True)
    )
    # Copies: a view would keep the whole image in memory.
    own = None if original is None else original[..., _upscaled(cell[0], scale), _upscaled(cell[1], scale)].clone()
    return Window(lq[..., outer[0], outer[1]].clone(), rows, columns, own, scale, number)


def _upscaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)
