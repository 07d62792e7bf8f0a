"""The alarms for reward hacking: held-out metrics fall while the reward rises, or nobody can see why it rises.

A network that is trained for a metric ends up exploiting it. What that metric still calls better, others then call
worse; so the results for the validation images are compared with those of the frozen base by metrics of both kinds,
image by image, and the first alarm is raised by the pair of both findings, not by the size of either. No metric sees
all kinds of exploitation. The second alarm asks what the network has changed at all: a reward that rises by a
worthwhile part of its distance to the ground truths while the results look as before was not earned.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from iqa_sr.guard.measurements import GuardMeasurements, as_published, mean_of
from iqa_sr.guard.options import GuardOptions, by_image, fewest_units, held_out_of, smallest_p, units_of
from iqa_sr.stats.permutation_test import holm_correction, sign_flip_p_value, ways_for

__all__ = ["GuardDecision", "decide"]


@dataclass(frozen=True)
class GuardDecision:
    """Result of one guard check.

    Attributes:
        alarm: Whether the reward metrics seem to be exploited, or a limit is crossed.
        sure: Whether the alarm may be acted on: it is more than what tests have found on windows of too few images.
        reasons: Reasons for the alarm: each names a metric, its means before and after on the paper's own scale and the
            p-value, or a limit. Empty without an alarm.
        line: Line for the log that says all of it.
        values: The numbers for TensorBoard, by `guard/<name>`; what is NaN is left out.
    """

    alarm: bool
    sure: bool
    reasons: list[str]
    line: str
    values: dict[str, float]


@dataclass(frozen=True)
class _Change:
    """Change of one metric on the windows that have a score both times.

    Attributes:
        name: Name of the metric.
        means: Text with the means before and after on the paper's own scale.
        after: Mean of the scores after, on the paper's own scale; NaN if no window has a score.
        gain: Mean difference, turned so that above 0 is better.
        spread: Standard deviation of the scores before.
        p: p-value of a rise of a reward metric or a fall of a held-out metric.
        units: Number of images that were compared, or of windows where there are few images.
    """

    name: str
    means: str
    after: float
    gain: float
    spread: float
    p: float
    units: int


def decide(
    options: GuardOptions,
    reward_metrics: Sequence[str],
    base: GuardMeasurements,
    now: GuardMeasurements,
    iteration: int,
    checks: int = 1,
) -> GuardDecision:
    """Decide whether the guard raises an alarm, from measurements of the network and of its base.

    The alarm is raised if at least one reward metric has risen (paired sign-flip test over the images, or over their
    windows where there are few) and at least one held-out metric has fallen (the same, and by `min_effect` spreads), or
    if a reward metric has risen by more than what can be seen accounts for (the same test, see `_unseen`); all with
    Holm's correction for several metrics and Bonferroni's for the checks of the run. Also if a mean crosses a limit,
    results are not finite, or a metric has too few scores left for its test.

    Args:
        options: Section `train:guard` of the option file.
        reward_metrics: Names of the reward metrics, which the losses optimize.
        base: Measurements of the frozen base.
        now: Measurements of the network, on the same windows.
        iteration: Number of the iteration, for the log.
        checks: Number of checks in the run.
    """
    fewest, ways = fewest_units(options, reward_metrics, checks), ways_for(smallest_p(options, reward_metrics, checks))
    units = units_of(base.images, fewest)
    up = _corrected([_change(name, base, now, units, 1, ways) for name in dict.fromkeys(reward_metrics)], checks)
    down = _corrected(
        [_change(name, base, now, units, -1, ways) for name in dict.fromkeys(held_out_of(options))], checks
    )
    risen, fallen = ([change for change in changes if change.p <= options.significance] for changes in (up, down))
    fallen = [change for change in fallen if -change.gain >= options.min_effect * change.spread]
    problems = _problems(options, now, [*up, *down], fewest)
    unseen = _unseen(options, up, base, now, units, checks, ways)
    found, reasons = [*unseen], [*unseen]
    if risen and fallen:
        found.insert(0, f"{_names(risen)} better while held-out {_names(fallen)} worse")
        reasons = [
            *(f"{change.name} gets better: {change.means} (p {change.p:.2g})" for change in risen),
            *(f"held-out {change.name} gets worse: {change.means} (p {change.p:.2g})" for change in fallen),
            *unseen,
        ]
    sure = bool(problems) or (bool(found) and by_image(base.images, fewest))
    reasons, summary = [*reasons, *problems], "; ".join([*found, *problems])
    ending = f"ALARM, {summary}" if reasons else "no alarm"
    line = f"Guard, iteration {iteration}: {', '.join(_told(up, down, base, now))}: {ending}"
    names = ("base_jod", "base_psnr", "consistency", "high_frequency", "periodic", "psnr")
    values = {name: mean_of(getattr(now, name)) for name in names}
    values |= {f"lattice_{period}": mean_of(share) for period, share in now.lattices.items()}
    values |= {change.name: change.after for change in (*up, *down)} | {"alarm": float(bool(reasons))}
    known = {f"guard/{name}": value for name, value in values.items() if not math.isnan(value)}
    return GuardDecision(bool(reasons), sure, reasons, line, known)


def _told(up: Iterable[_Change], down: Iterable[_Change], base: GuardMeasurements, now: GuardMeasurements) -> list[str]:
    """All that was measured, for the log."""
    return [
        *(f"{change.name} {change.means} (p {change.p:.2g})" for change in up),
        "held out " + ", ".join(f"{change.name} {change.means} ({_direction(change)})" for change in down),
        f"{mean_of(now.base_jod):.3f} JOD and PSNR {mean_of(now.base_psnr):.1f} dB to the base",
        f"consistency {mean_of(base.consistency):.1f} -> {mean_of(now.consistency):.1f} dB",
        f"high-frequency noise {mean_of(now.high_frequency):.2f}, periodic {mean_of(now.periodic):.2f} of 255",
        *(f"lattice of {period} px {mean_of(share):.0%} of the change" for period, share in now.lattices.items()),
    ]


def _change(
    name: str, base: GuardMeasurements, now: GuardMeasurements, units: Tensor, direction: int, ways: int
) -> _Change:
    """The change of one metric; `direction` is 1 for the p-value of a rise and -1 for that of a fall."""
    before, after = base.scores[name], now.scores[name]
    both = before.isfinite() & after.isfinite()
    before, after = before[both], after[both]
    papers = [float(as_published(name, scores).mean()) for scores in (before, after)]
    means = f"{papers[0]:#.4g} -> {papers[1]:#.4g}"
    if both.any() and not both.all():
        means += f" on {int(both.sum())} of {len(both)} windows"
    gains, by_unit = after - before, _by_unit(after - before, units[both])
    spread = float(before.std(correction=0)) if len(before) else math.nan
    p = sign_flip_p_value(direction * by_unit, ways)
    return _Change(name, means, papers[1], float(gains.mean()), spread, p, len(by_unit))


def _unseen(
    options: GuardOptions,
    up: Sequence[_Change],
    base: GuardMeasurements,
    now: GuardMeasurements,
    units: Tensor,
    checks: int,
    ways: int,
) -> list[str]:
    """Text for each reward metric of `up` whose gain is more than what can be seen accounts for.

    The unit of a gain is the distance from the base to the ground truths, or the spread of the base's scores where that
    is larger. `unseen_gain` units are accounted for in any case, and `gain_per_jod` more by each JOD between the
    results of the base and of the network on a window; the test asks whether the gains exceed that.
    """
    if options.unseen_gain is None:
        return []
    accounted = options.unseen_gain + options.gain_per_jod * (10 - now.base_jod)
    texts, p_values = [], []
    for change in up:
        before = base.scores[change.name]
        distance = mean_of(base.originals.get(change.name, before) - before)
        unit = max(change.spread, distance)
        gains = (now.scores[change.name] - before) / unit
        excess = _by_unit(gains - accounted, units)
        p_values.append(sign_flip_p_value(excess, ways) if excess.sum() > 0 else 1.0)  # else it is one half at least
        texts.append(
            f"gain of {change.name} that nobody can see: {change.means}, {mean_of(gains):.2f} of "
            f"{'the distance to the ground truths' if unit == distance else 'its spread'}, at "
            f"{mean_of(now.base_jod):.3f} JOD to the base, which accounts for {mean_of(accounted):.2f}"
        )
    corrected = [min(1.0, checks * p) for p in holm_correction(p_values)]
    return [f"{text} (p {p:.2g})" for text, p in zip(texts, corrected, strict=True) if p <= options.significance]


def _by_unit(values: Tensor, units: Tensor) -> Tensor:
    """The mean of each unit over its windows with a finite value: `(units,)`."""
    known = values.isfinite()
    values, units = values[known], units[known]
    return torch.stack([values[units == unit].mean() for unit in units.unique()]) if len(values) else values


def _corrected(changes: Sequence[_Change], checks: int) -> list[_Change]:
    """Changes whose p-values have Holm's correction for several metrics, and Bonferroni's for the checks."""
    p_values = holm_correction([change.p for change in changes])
    return [replace(change, p=min(1.0, checks * p)) for change, p in zip(changes, p_values, strict=True)]


def _direction(change: _Change) -> str:
    if change.gain < 0:
        return f"worse, p {change.p:.2g}"
    return "better" if change.gain > 0 else "unchanged" if change.gain == 0 else "no score"


def _names(changes: Iterable[_Change]) -> str:
    return " and ".join(change.name for change in changes)


def _problems(options: GuardOptions, now: GuardMeasurements, changes: Iterable[_Change], fewest: int) -> list[str]:
    """Text for each reason for an alarm that needs no test.

    Results that are not finite; a metric that the base had enough scores by, and the network has not: nothing could be
    found; a limit that is crossed, as it is by a mean that is NaN.
    """
    broken = int((~now.high_frequency.isfinite()).sum())
    found = [f"non-finite results on {broken} of {len(now.images)} windows"] if broken else []
    found += [
        f"{change.name} has a score left for {change.units} of the {fewest} that its test needs"
        for change in changes
        if change.units < fewest
    ]
    upper = {"max_high_frequency": [now.high_frequency], "max_periodic": [now.periodic]}
    upper["max_lattice"] = [*now.lattices.values()]
    lower = {"min_consistency": [now.consistency], "min_base_psnr": [now.base_psnr]}
    for key, measured in (upper | lower).items():
        limit = getattr(options, key)
        for mean in map(mean_of, measured):
            if limit is not None and not (mean <= limit if key in upper else mean >= limit):
                found.append(f"{mean:.2f} crosses train:guard:{key} {limit:g}")
    return found
