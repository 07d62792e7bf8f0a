"""The section train:guard, and what can be checked of it before anything is built."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from iqa_sr.config.sections import Section
from iqa_sr.errors import OptionError, same_name
from iqa_sr.metrics.pyiqa_adapter import PREFIX
from iqa_sr.metrics.registry import metric_info, metric_names
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.stats.permutation_test import min_pairs, ways_for
from iqa_sr.weights.store import is_present

__all__ = [
    "FEWEST",
    "GuardOptions",
    "by_image",
    "check_guard",
    "computed",
    "default_held_out",
    "disjoint",
    "fewest_units",
    "smallest_p",
    "units_of",
]

REFERENCE_BASED = ("cvvdp", "lpips", "dists")
"""Metrics held out by default where the validation images have a GT, as far as the weights are on the machine."""
NATURAL_SCENES = "niqe"
"""Metrics held out by default beside these, and alone where there is no GT: noise on a smooth result improves it."""
FEWEST = 6
"""Fewest units of a test: their smallest p-value is 1/64, which 0.05 still has room for when corrected for three."""


def _known(name: str) -> str:
    own = same_name(name, [LR_CONSISTENCY])
    return own if own == LR_CONSISTENCY else metric_info(own).name


class GuardOptions(Section):
    """`train:guard` of an option file.

    Attributes:
        held_out: Metrics that the network is not trained on and that must not fall; also `lr-consistency`. null: those
            of `default_held_out`.
        every: Iterations between two checks.
        action: Response to an alarm: only `warn`; `lower` the IQA loss weights; `stop` the run; or `roll-back` to the
            last state without an alarm, with lower weights.
        factor: Factor that `lower` and `roll-back` multiply the IQA loss weights by.
        significance: Chance that is accepted to find, at any check of the run, a reward metric risen, and the same for
            any held-out metric fallen, although neither has changed; both together make the alarm. Also the chance to
            find a gain that nobody can see where there is none.
        min_effect: Smallest mean fall of a held-out metric that counts, in its spreads (standard deviations of the
            base's scores over the windows): with many images the tests find falls that nobody sees.
        unseen_gain: Largest gain of a reward metric while nothing can be seen, as a share of the distance from the base
            to the ground truths, or of the spread of the base's scores where that is larger; a larger gain needs a
            change that can be seen, see `gain_per_jod`, else it is an alarm of its own. null: no such alarm.
        gain_per_jod: Gain that each JOD between the results of the base and of the network accounts for, as such a
            share.
        window: Side in px of the windows of the upscaled images that are scored, so that few large images give enough
            of them for a paired test.
        windows: Largest number of windows in all.
        max_high_frequency: Limit of the mean high-frequency noise since the base, in levels of 255; null for none.
        max_periodic: Limit of the mean periodic noise since the base, in levels of 255; null for none.
        max_lattice: Limit of the mean share of the change since the base that repeats with the period of the network's
            window of attention or of a reward metric's patch, in [0, 1].
        min_consistency: Limit of the mean PSNR between the downscaled results and their LQ images in dB.
        min_base_psnr: Limit of the mean PSNR to the results of the base in dB.
    """

    held_out: list[Annotated[str, AfterValidator(_known)]] | None = Field(None, min_length=1)
    every: int = Field(100, ge=1)
    action: Literal["warn", "lower", "stop", "roll-back"] = "warn"
    factor: float = Field(0.5, gt=0, lt=1)
    significance: float = Field(0.05, gt=0, lt=0.5)
    min_effect: float = Field(0.0, ge=0, allow_inf_nan=False)
    unseen_gain: float | None = Field(0.2, gt=0, allow_inf_nan=False)
    gain_per_jod: float = Field(10.0, ge=0, allow_inf_nan=False)
    window: int = Field(192, ge=48)
    windows: int = Field(24, ge=FEWEST)
    max_high_frequency: float | None = Field(None, ge=0)
    max_periodic: float | None = Field(None, ge=0)
    max_lattice: float | None = Field(None, ge=0, le=1)
    min_consistency: float | None = Field(None, allow_inf_nan=False)
    min_base_psnr: float | None = Field(None, allow_inf_nan=False)

    def checks(self, total_iter: int) -> int:
        """Number of checks in a run of so many iterations; its end is always checked."""
        return math.ceil(total_iter / self.every)


def held_out_of(options: GuardOptions) -> list[str]:
    """The names of the metrics that are held out; those by default must have taken the place of null."""
    assert options.held_out is not None
    return options.held_out


def default_held_out(taken: Iterable[str], has_gt: bool, window: int) -> list[str]:
    """Metrics that a guard holds out where the options name none.

    Where there is a GT, metrics that compare with it: `cvvdp`, and `lpips` and `dists` where their weights are on this
    machine; and `niqe`, which is all where there is none. Nothing is downloaded.

    Args:
        taken: The metrics that the training goes by, which are left out.
        has_gt: Whether the validation images have a GT.
        window: Side of the guard's windows in px; what needs more is left out.

    Raises:
        OptionError: If nothing is left.
    """
    going_by = {_network(name) for name in taken}
    found = [
        name
        for name in (*(REFERENCE_BASED if has_gt else ()), NATURAL_SCENES)
        if _network(name) not in going_by
        and metric_info(name).min_size <= window
        and all(is_present(file) for file in metric_info(name).weights)
    ]
    if not found:
        raise OptionError(
            f"train:guard:held_out: expected the names of metrics, for none of those by default can be held out here "
            f"({'with' if has_gt else 'without'} ground truths, windows of {window} px, a training that goes by "
            f"{', '.join(taken)}); name some that the training does not go by"
        )
    return found


def check_guard(
    options: GuardOptions, reward_metrics: Sequence[str], advisers: Iterable[str] = (), checks: int = 1
) -> None:
    """Check what can be known before anything is built.

    Args:
        options: Section `train:guard` of the option file.
        reward_metrics: The metrics that the losses optimize.
        advisers: Other metrics that the training goes by.
        checks: Number of checks in the run.

    Raises:
        OptionError: If one of both is also held out, a metric cannot score a window, or the tests could find nothing
            with so many windows or at that significance.
    """
    disjoint([*reward_metrics, *advisers], held_out_of(options))
    fewest = fewest_units(options, reward_metrics, checks)
    if options.windows < fewest:
        raise OptionError(
            f"train:guard:windows: expected at least {fewest}, with fewer of which the tests could find nothing at a "
            f"significance of {options.significance:g} and with so many metrics and checks ({checks}), "
            f"got {options.windows}"
        )
    for name in computed(reward_metrics, options):
        smallest = metric_info(name).min_size
        if smallest > options.window:
            raise OptionError(
                f"train:guard:window: expected at least {smallest}, which {name} needs, got {options.window}"
            )


def computed(reward_metrics: Iterable[str], options: GuardOptions) -> list[str]:
    """The metrics that are networks or formulas of an image: all but the consistency with the LQ."""
    return [name for name in dict.fromkeys((*reward_metrics, *held_out_of(options))) if name != LR_CONSISTENCY]


def disjoint(reward_metrics: Iterable[str], held_out: Iterable[str]) -> None:
    """Check that the training goes by nothing that is held out, under whichever name.

    Raises:
        OptionError: With the metrics by which it does.
    """
    known = {_network(metric): metric for metric in reward_metrics}
    both = [name for name in dict.fromkeys(held_out) if _network(name) in known]
    if both:
        alike = [known[_network(name)] for name in both]
        pairs = zip(both, alike, strict=True)
        texts = [name if name == metric else f"{name} (the same as {metric})" for name, metric in pairs]
        raise OptionError(
            f"train:guard:held_out: expected metrics that neither a loss nor the sampler goes by, got "
            f"{', '.join(texts)}, which {'is' if len(both) == 1 else 'are'} among the reward metrics "
            f"{', '.join(sorted(known.values()))}; hold out others"
        )


def _network(name: str) -> Any:
    """Key that the names of one network share: pyiqa's and ours, an alias, the terms of one score."""
    name = name.removeprefix(PREFIX)
    info = metric_info(name) if name in metric_names() else None
    return (info.weights, info.paper) if info is not None and info.weights else name


def smallest_p(options: GuardOptions, reward_metrics: Sequence[str], checks: int) -> float:
    """The p-value that a single test must reach at the least: the significance by the metrics and by the checks."""
    return options.significance / max(len(set(reward_metrics)), len(set(held_out_of(options)))) / checks


def fewest_units(options: GuardOptions, reward_metrics: Sequence[str], checks: int) -> int:
    """Number of images or windows that the tests need to find anything, corrected for so many metrics and checks.

    Raises:
        OptionError: If no number is enough.
    """
    p = smallest_p(options, reward_metrics, checks)
    needed = min_pairs(p, ways_for(p))
    if needed is None:
        several = max(len(set(reward_metrics)), len(set(held_out_of(options))))
        raise OptionError(
            f"train:guard:significance: expected more than {options.significance:g}, which no p-value reaches where it "
            f"is corrected for {several} metrics and {checks} checks; a larger train:guard:every makes fewer checks"
        )
    return max(FEWEST, needed)


def by_image(images: Tensor, fewest: int) -> bool:
    """Check whether there are as many images as the tests need; `(windows,)` are the numbers of those they are of."""
    return len(images.unique()) >= fewest


def units_of(images: Tensor, fewest: int) -> Tensor:
    """Independent units of the tests: the images where there are enough, else all windows.

    Args:
        images: `(windows,)`: the number of the image that each window is of.
        fewest: Smallest number of images that the tests can work with, from `fewest_units`.

    Returns:
        `(windows,)`: the number of the unit that each window counts with.
    """
    return images if by_image(images, fewest) else torch.arange(len(images))
