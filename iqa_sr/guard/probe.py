"""Probe that measures a network and its frozen base: windows and metrics that are enough for its tests."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from iqa_sr.errors import OptionError
from iqa_sr.guard.measurements import (
    GuardMeasurements,
    Image,
    Upscale,
    Window,
    check_sizes,
    cut_windows,
    measure_windows,
    score_originals,
)
from iqa_sr.guard.options import (
    GuardOptions,
    by_image,
    check_guard,
    computed,
    fewest_units,
    held_out_of,
    units_of,
)
from iqa_sr.metrics.registry import metric_info, shared_metric
from iqa_sr.ops.residual_spectrum import longest_period
from iqa_sr.scores.image_scores import LR_CONSISTENCY

__all__ = ["GuardProbe"]

BLIND_SPOTS = {
    "niqe": "finds noise on smooth results better",
    "niqe-basicsr": "finds noise on smooth results better",
    LR_CONSISTENCY: "does not see what the downscaling removes",
}
"""Distortions that observers find worse and held-out metrics do not, as docs/lora_and_guard.md measures it."""


class GuardProbe:
    """Measures networks on the windows of the validation images.

    Args:
        options: Section `train:guard` of the option file.
        reward_metrics: The reward metrics, which the losses optimize: names, and what `create_metric` takes for each.
        device: Device of the networks and metrics.
        checks: Number of checks in the run, for which its tests are corrected.
        grid: Period of the network's own grid in px of the result, as of its windows of attention; 1 where it has none.

    Raises:
        OptionError: See `check_guard`.
        FileNotFoundError: If the weights of a metric are missing.
    """

    def __init__(
        self,
        options: GuardOptions,
        reward_metrics: Mapping[str, Mapping[str, Any]],
        device: str | torch.device,
        checks: int = 1,
        grid: int = 1,
    ) -> None:
        check_guard(options, list(reward_metrics), checks=checks)
        self.options, self.reward_metrics, self.device, self.checks = (
            options,
            list(reward_metrics),
            torch.device(device),
            checks,
        )
        self.fewest = fewest_units(options, self.reward_metrics, checks)
        self.metrics = {
            name: shared_metric(name, self.device, **reward_metrics.get(name, {}))
            for name in computed(reward_metrics, options)
        }
        named = {"the network": grid, **{name: self.metrics[name].info.period for name in self.reward_metrics}}
        self.periods = {name: period for name, period in named.items() if period is not None and period > 1}

    @torch.no_grad()
    def windows(self, images: Iterable[Image], upscale: Upscale) -> list[Window]:
        """The windows that networks are measured on.

        Args:
            images: LQ `(1, 3, h, w)` and its original `(1, 3, H, W)` or None, float RGB in [0, 1], any device; gone
                through once.
            upscale: `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device.

        Raises:
            ValueError: If the images give too few windows for the tests, an image is too small for a metric, or an
                original has not the size of the upscaled LQ.
            OptionError: If a full-reference metric is asked for and no image has an original.
        """
        windows = cut_windows(images, self._here(upscale), self.options.window, self.options.windows)
        self._check_windows(windows)
        return windows

    @torch.no_grad()
    def measure(
        self, windows: Sequence[Window], upscale: Upscale, base_outputs: Sequence[Tensor] | None = None
    ) -> tuple[GuardMeasurements, list[Tensor]]:
        """Upscale the windows and measure the results.

        Args:
            windows: Windows of the validation images, the same ones each time.
            upscale: Function from `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device; in evaluation mode.
            base_outputs: Results that this gave for the frozen base; None for the base itself.

        Returns:
            The measures, and the result of each window as the network gave it: `(1, 3, H, W)` float32 on the CPU.

        Raises:
            ValueError: If the base gives non-finite results, or too few of its results have a score for a test.
        """
        whole = [self._here(upscale)(window.lq) for window in windows]
        # Copies, for whoever keeps or saves them: a view holds the context too.
        outputs = [window.inside(output).clone() for window, output in zip(windows, whole, strict=True)]
        base = outputs if base_outputs is None else base_outputs
        longest = longest_period(min(window.shorter for window in windows))
        periods = sorted({period for period in self.periods.values() if period <= longest})
        measurements = measure_windows(windows, whole, base, self.metrics, self.device, periods)
        if base_outputs is None:
            self._check_base(measurements)
            known = {name: score_originals(windows, self.metrics[name], self.device) for name in self.reward_metrics}
            measurements = replace(measurements, originals=known)
        return measurements, outputs

    def describe(self, base: GuardMeasurements) -> str:
        """Text for the log of what is compared with the base."""
        count = len(base.images.unique())
        text = f"Guard: compares {count} validation images by {len(base.images)} windows"
        if not by_image(base.images, self.fewest):
            text += (
                ", which are taken for independent and are not: p-values are smaller than they should be, and what the "
                f"tests find is told and not acted on. From {self.fewest} images on, the images are compared"
            )
        text += f". Held out: {', '.join(held_out_of(self.options))}."
        if blind := [f"{name} {BLIND_SPOTS[name]}" for name in held_out_of(self.options) if name in BLIND_SPOTS]:
            text += f" Blind spots: {'; '.join(blind)}."
        if base.lattices:
            of = [f"{period} px of {name}" for name, period in self.periods.items() if period in base.lattices]
            text += f" Lattices: {', '.join(of)}."
        if short := [f"{period} px of {name}" for name, period in self.periods.items() if period not in base.lattices]:
            text += f" Lattices that the windows are too small for, of six periods: {', '.join(short)}."
        return text

    def _here(self, upscale: Upscale) -> Upscale:
        return lambda lq: upscale(lq.to(self.device)).float().cpu()

    def _check_windows(self, windows: Sequence[Window]) -> None:
        if len(windows) < self.fewest:
            raise ValueError(
                f"the guard needs at least {self.fewest} windows for its tests, and the validation images give "
                f"{len(windows)} of {self.options.window} px; add images, take larger ones, or set a smaller "
                "train:guard:window" + (" or a larger train:guard:every" if self.checks > 1 else "")
            )
        check_sizes(windows, self.metrics)
        if all(window.original is None for window in windows):
            full = [name for name in self.metrics if metric_info(name).reference == "full"]
            if full:
                where = "train:guard:held_out" if set(full) & set(held_out_of(self.options)) else "train:guard"
                raise OptionError(
                    f"{where}: {', '.join(full)} would compare with the originals, and no validation image has one; "
                    "add them, or take metrics that score the image alone"
                )

    def _check_base(self, base: GuardMeasurements) -> None:
        """Check that the tests can find something: what the base has no score for is never compared."""
        broken = int((~base.high_frequency.isfinite()).sum())
        if broken:
            raise ValueError(
                f"path:pretrain_network_g: on {broken} of the guard's {len(base.images)} windows its results are not "
                "finite; take a checkpoint that is whole"
            )
        units = units_of(base.images, self.fewest)
        title = "images" if by_image(base.images, self.fewest) else "windows"
        for name, scores in base.scores.items():
            scored = len(units[scores.isfinite()].unique())
            if scored < self.fewest:
                raise ValueError(
                    f"the guard's test of {name} needs {self.fewest} {title} with a score, and the base has one on "
                    f"{scored}; add images (with an original where the metric compares with it), or take another "
                    "metric"
                )
