"""The guard against reward hacking: its options, and what it measures the network and its frozen base with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from iqa_sr.config.option_files import OptionError, Section
from iqa_sr.guard.measurements import Measures, Picture, Upscale, Window, check_sizes, cut_windows, measure_windows
from iqa_sr.metrics import metric_info, metric_names, shared_metric
from iqa_sr.metrics.pyiqa_adapter import PREFIX
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.stats.permutation_test import fewest_pairs

__all__ = [
    "FEWEST",
    "GuardOptions",
    "QualityGuard",
    "by_picture",
    "check_guard",
    "disjoint",
    "fewest_units",
    "units_of",
]

FEWEST = 6
"""Fewest units of a test: their smallest p-value is 1/64, which 0.05 still has room for when corrected for three."""


def _known(name: str) -> str:
    if name != LR_CONSISTENCY:
        metric_info(name)
    return name


class GuardOptions(Section):
    """`train:guard` of an option file.

    Attributes:
        held_out: Metrics that the network is not trained on and that must not fall; also `lr-consistency`.
        every: Iterations between two looks.
        action: What an alarm does: only `warn`; `lower` the weight of the quality losses; `stop` the run; or
            `roll-back` to the last state without an alarm, with a lower weight.
        factor: What `lower` and `roll-back` multiply the weight of the quality losses by.
        significance: Chance that is accepted to find a judge risen, and the same for any held-out metric fallen,
            although neither has changed. Both together make the alarm.
        window: Side in px of the windows of the upscaled pictures that are judged, so that few large pictures give
            enough of them for a paired test.
        windows: Most windows in all.
        max_high_frequency: Limit of the mean high-frequency noise since the base, in levels of 255; null for none.
        max_periodic: The same of the periodic noise.
        min_consistency: Limit of the mean PSNR between the downscaled results and their LQ pictures in dB.
        min_base_psnr: Limit of the mean PSNR to the results of the base in dB.
    """

    held_out: list[Annotated[str, AfterValidator(_known)]] = Field(min_length=1)
    every: int = Field(100, ge=1)
    action: Literal["warn", "lower", "stop", "roll-back"] = "warn"
    factor: float = Field(0.5, gt=0, lt=1)
    significance: float = Field(0.05, gt=0, lt=0.5)
    window: int = Field(192, ge=48)
    windows: int = Field(24, ge=FEWEST)
    max_high_frequency: float | None = Field(None, ge=0)
    max_periodic: float | None = Field(None, ge=0)
    min_consistency: float | None = Field(None, allow_inf_nan=False)
    min_base_psnr: float | None = Field(None, allow_inf_nan=False)


def check_guard(options: GuardOptions, judges: Sequence[str], advisers: Iterable[str] = ()) -> None:
    """Check what can be known before anything is built.

    Args:
        options: `train:guard`.
        judges: The metrics that the losses optimise.
        advisers: Other metrics that the training goes by.

    Raises:
        OptionError: If one of both is also held out, a metric cannot score a window, or the tests could find nothing
            with so many windows or at that significance.
    """
    disjoint([*judges, *advisers], options.held_out)
    fewest = fewest_units(options, judges)
    if options.windows < fewest:
        raise OptionError(
            f"train:guard:windows: expected at least {fewest}, with fewer of which the tests could find nothing at a "
            f"significance of {options.significance:g} and with so many metrics, got {options.windows}"
        )
    for name in _built(judges, options):
        smallest = metric_info(name).min_size
        if smallest > options.window:
            raise OptionError(
                f"train:guard:window: expected at least {smallest}, which {name} needs, got {options.window}"
            )


def _built(judges: Iterable[str], options: GuardOptions) -> list[str]:
    """The metrics that are networks or formulas of a picture: all but the consistency with the LQ."""
    return [name for name in dict.fromkeys((*judges, *options.held_out)) if name != LR_CONSISTENCY]


def disjoint(judges: Iterable[str], held_out: Iterable[str]) -> None:
    """Check that the training goes by nothing that is held out, under whichever name.

    Raises:
        OptionError: With the metrics by which it does.
    """
    known = {_network(judge): judge for judge in judges}
    both = [name for name in dict.fromkeys(held_out) if _network(name) in known]
    if both:
        alike = [known[_network(name)] for name in both]
        pairs = zip(both, alike, strict=True)
        texts = [name if name == judge else f"{name} (the same as {judge})" for name, judge in pairs]
        raise OptionError(
            f"train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got "
            f"{', '.join(texts)}, which {'is' if len(both) == 1 else 'are'} among the judges "
            f"{', '.join(sorted(known.values()))}; hold out others"
        )


def _network(name: str) -> Any:
    """What the names of one network have in common: pyiqa's and ours, an alias, the terms of one score."""
    name = name.removeprefix(PREFIX)
    info = metric_info(name) if name in metric_names() else None
    return (info.weights, info.paper) if info is not None and info.weights else name


def fewest_units(options: GuardOptions, judges: Sequence[str]) -> int:
    """How many pictures or windows the tests need to find anything, corrected for so many metrics.

    Raises:
        OptionError: If no number is enough.
    """
    several = max(len(set(judges)), len(set(options.held_out)))
    needed = fewest_pairs(options.significance / several)
    if needed is None:
        raise OptionError(
            f"train:guard:significance: expected more than {options.significance:g}, which no p-value reaches where it "
            f"is corrected for {several} metrics"
        )
    return max(FEWEST, needed)


def by_picture(pictures: Tensor, fewest: int) -> bool:
    """Whether there are as many pictures as the tests need; `(windows,)` are the numbers of those they are of."""
    return len(pictures.unique()) >= fewest


def units_of(pictures: Tensor, fewest: int) -> Tensor:
    """What the tests take for independent: the pictures where there are enough, else all windows.

    Args:
        pictures: `(windows,)`: the number of the picture that each window is of.
        fewest: From `fewest_units`.

    Returns:
        `(windows,)`: the number of the unit that each window counts with.
    """
    return pictures if by_picture(pictures, fewest) else torch.arange(len(pictures))


class QualityGuard:
    """Measures networks on the windows of the validation pictures.

    Args:
        options: `train:guard`.
        judges: The metrics that the losses optimise: names, and what `create_metric` takes for each.
        device: Where networks and metrics compute.

    Raises:
        OptionError: See `check_guard`.
        FileNotFoundError: If the weights of a metric are missing.
    """

    def __init__(
        self, options: GuardOptions, judges: Mapping[str, Mapping[str, Any]], device: str | torch.device
    ) -> None:
        check_guard(options, list(judges))
        self.options, self.judges, self.device = options, list(judges), torch.device(device)
        self.fewest = fewest_units(options, self.judges)
        names = _built(judges, options)
        self.metrics = {name: shared_metric(name, self.device, **judges.get(name, {})) for name in names}

    @torch.no_grad()
    def windows(self, pictures: Iterable[Picture], upscale: Upscale) -> list[Window]:
        """The windows that networks are measured on.

        Args:
            pictures: LQ `(1, 3, h, w)` and its original `(1, 3, H, W)` or None, float RGB in [0, 1], any device; gone
                through once.
            upscale: `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device.

        Raises:
            ValueError: If the pictures give too few windows for the tests, a picture is too small for a metric, or an
                original has not the size of the upscaled LQ.
            OptionError: If a full-reference metric is asked for and no picture has an original.
        """
        windows = cut_windows(pictures, self._here(upscale), self.options.window, self.options.windows)
        self._check_windows(windows)
        return windows

    @torch.no_grad()
    def measure(
        self, windows: Sequence[Window], upscale: Upscale, base_outputs: Sequence[Tensor] | None = None
    ) -> tuple[Measures, list[Tensor]]:
        """Upscale the windows and measure the results.

        Args:
            windows: The same ones each time.
            upscale: `(1, 3, h, w)` to `(1, 3, h * scale, w * scale)`, on the device; in evaluation mode.
            base_outputs: What this gave for the frozen base; None for the base itself.

        Returns:
            The measures, and the result of each window as the network gave it: `(1, 3, H, W)` float32 on the CPU.

        Raises:
            ValueError: If the base gives no numbers, or too few of its results have a score for a test.
        """
        whole = [self._here(upscale)(window.lq) for window in windows]
        # Copies, for whoever keeps or saves them: a view holds the context too.
        outputs = [window.inside(output).clone() for window, output in zip(windows, whole, strict=True)]
        base = outputs if base_outputs is None else base_outputs
        measures = measure_windows(windows, whole, base, self.metrics, self.device)
        if base_outputs is None:
            self._check_base(measures)
        return measures, outputs

    def describe(self, base: Measures) -> str:
        """What is compared with the base, for the log."""
        count = len(base.pictures.unique())
        text = f"Guard: compares {count} validation pictures by {len(base.pictures)} windows"
        if by_picture(base.pictures, self.fewest):
            return text + "."
        return (
            f"{text}, which are taken for independent and are not: p-values are smaller than they should be. "
            f"From {self.fewest} pictures on, the pictures are compared."
        )

    def _here(self, upscale: Upscale) -> Upscale:
        return lambda lq: upscale(lq.to(self.device)).float().cpu()

    def _check_windows(self, windows: Sequence[Window]) -> None:
        if len(windows) < self.fewest:
            raise ValueError(
                f"the guard needs at least {self.fewest} windows for its tests, and the validation pictures give "
                f"{len(windows)} of {self.options.window} px; add pictures, take larger ones, or set a smaller "
                "train:guard:window"
            )
        check_sizes(windows, self.metrics)
        if all(window.original is None for window in windows):
            full = [name for name in self.metrics if metric_info(name).reference == "full"]
            if full:
                where = "train:guard:held_out" if set(full) & set(self.options.held_out) else "train:guard"
                raise OptionError(
                    f"{where}: {', '.join(full)} would compare with the originals, and no validation picture has one; "
                    "add them, or take metrics that judge the picture alone"
                )

    def _check_base(self, base: Measures) -> None:
        """That the tests can find something: what the base has no score for is never compared."""
        broken = int((~base.high_frequency.isfinite()).sum())
        if broken:
            raise ValueError(
                f"path:pretrain_network_g: on {broken} of the guard's {len(base.pictures)} windows its results are no "
                "numbers; take a checkpoint that is whole"
            )
        units = units_of(base.pictures, self.fewest)
        title = "pictures" if by_picture(base.pictures, self.fewest) else "windows"
        for name, scores in base.scores.items():
            scored = len(units[scores.isfinite()].unique())
            if scored < self.fewest:
                raise ValueError(
                    f"the guard's test of {name} needs {self.fewest} {title} with a score, and the base has one on "
                    f"{scored}; add pictures (with an original where the metric compares with it), or take another "
                    "metric"
                )
