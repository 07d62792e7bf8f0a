"""The alarm for reward hacking: the optimised judges rise while judges that were held out fall.

A network that is trained to please a judge ends up exploiting it. What the judge still calls better, others then call
worse; so the results for the validation pictures are compared with those of the frozen base by judges of both kinds,
picture by picture, and the alarm is raised by the pair of both findings, not by the size of either.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from iqa_sr.guard.measurements import Measures, as_published, mean_of
from iqa_sr.guard.options import GuardOptions, by_picture, fewest_units, smallest_p, units_of
from iqa_sr.stats.permutation_test import holm, rises, ways_for

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """What one look at the network says.

    Attributes:
        alarm: Whether the judges seem to be exploited, or a limit is crossed.
        sure: Whether the alarm may be acted on: it is more than what tests have found on windows of too few pictures.
        reasons: Why: each names a metric, its means before and after on the paper's own scale and the p-value, or a
            limit. Empty without an alarm.
        line: All of it in one line for the log.
        values: The numbers for TensorBoard, by `guard/<name>`; what is NaN is left out.
    """

    alarm: bool
    sure: bool
    reasons: list[str]
    line: str
    values: dict[str, float]


@dataclass(frozen=True)
class _Change:
    """How one metric has moved, on the windows that have a score both times.

    Attributes:
        name: Of the metric.
        means: Text with the means before and after on the paper's own scale.
        after: The second of them; NaN if no window has a score.
        gain: Mean difference, turned so that above 0 is better.
        spread: Standard deviation of the scores before.
        p: Of a rise of a judge or a fall of a held-out metric.
        units: How many pictures, or windows where there are few pictures, were compared.
    """

    name: str
    means: str
    after: float
    gain: float
    spread: float
    p: float
    units: int


def verdict(
    options: GuardOptions, judges: Sequence[str], base: Measures, now: Measures, iteration: int, checks: int = 1
) -> Verdict:
    """Compare the network with its base.

    The alarm is raised if at least one judge has risen (paired sign-flip test over the pictures, or over their windows
    where there are few) and at least one held-out metric has fallen (the same, and by `min_effect` spreads), both with
    Holm's correction for several metrics and Bonferroni's for the checks of the run; or if a mean crosses a limit,
    results are no numbers, or a metric has too few scores left for its test.

    Args:
        options: `train:guard`.
        judges: Names of the metrics that the losses optimise.
        base: Measured of the frozen base.
        now: Measured of the network, on the same windows.
        iteration: For the log.
        checks: How many there are in the run.
    """
    fewest, ways = fewest_units(options, judges, checks), ways_for(smallest_p(options, judges, checks))
    units = units_of(base.pictures, fewest)
    up = _corrected([_change(name, base, now, units, 1, ways) for name in dict.fromkeys(judges)], checks)
    down = _corrected([_change(name, base, now, units, -1, ways) for name in dict.fromkeys(options.held_out)], checks)
    risen, fallen = ([change for change in changes if change.p <= options.significance] for changes in (up, down))
    fallen = [change for change in fallen if -change.gain >= options.min_effect * change.spread]
    reasons = _problems(options, now, [*up, *down], fewest)
    sure = bool(reasons) or (bool(risen and fallen) and by_picture(base.pictures, fewest))
    summary = "; ".join(reasons)
    if risen and fallen:
        found = f"{_names(risen)} better while held-out {_names(fallen)} worse"
        summary = "; ".join([found, *reasons])
        reasons = [
            *(f"{change.name} gets better: {change.means} (p {change.p:.2g})" for change in risen),
            *(f"held-out {change.name} gets worse: {change.means} (p {change.p:.2g})" for change in fallen),
            *reasons,
        ]
    texts = [
        *(f"{change.name} {change.means} (p {change.p:.2g})" for change in up),
        "held out " + ", ".join(f"{change.name} {change.means} ({_direction(change)})" for change in down),
        f"PSNR to the base {mean_of(now.base_psnr):.1f} dB",
        f"consistency {mean_of(base.consistency):.1f} -> {mean_of(now.consistency):.1f} dB",
        f"high-frequency noise {mean_of(now.high_frequency):.2f}, periodic {mean_of(now.periodic):.2f} of 255",
    ]
    ending = f"ALARM, {summary}" if reasons else "no alarm"
    line = f"Guard, iteration {iteration}: {', '.join(texts)}: {ending}"
    names = ("base_psnr", "consistency", "high_frequency", "periodic", "psnr")
    values = {name: mean_of(getattr(now, name)) for name in names}
    values |= {change.name: change.after for change in (*up, *down)} | {"alarm": float(bool(reasons))}
    known = {f"guard/{name}": value for name, value in values.items() if not math.isnan(value)}
    return Verdict(bool(reasons), sure, reasons, line, known)


def _change(name: str, base: Measures, now: Measures, units: Tensor, direction: int, ways: int) -> _Change:
    """The change of one metric; `direction` is 1 for the p-value of a rise and -1 for that of a fall."""
    before, after = base.scores[name], now.scores[name]
    both = before.isfinite() & after.isfinite()
    before, after = before[both], after[both]
    papers = [float(as_published(name, scores).mean()) for scores in (before, after)]
    means = f"{papers[0]:#.4g} -> {papers[1]:#.4g}"
    if both.any() and not both.all():
        means += f" on {int(both.sum())} of {len(both)} windows"
    gains, units = after - before, units[both]
    by_unit = torch.stack([gains[units == unit].mean() for unit in units.unique()]) if len(gains) else gains
    spread = float(before.std(correction=0)) if len(before) else math.nan
    p = rises(direction * by_unit, ways)
    return _Change(name, means, papers[1], float(gains.mean()), spread, p, len(by_unit))


def _corrected(changes: Sequence[_Change], checks: int) -> list[_Change]:
    """With Holm's correction for being several metrics, and Bonferroni's for the checks."""
    p_values = holm([change.p for change in changes])
    return [replace(change, p=min(1.0, checks * p)) for change, p in zip(changes, p_values, strict=True)]


def _direction(change: _Change) -> str:
    if change.gain < 0:
        return f"worse, p {change.p:.2g}"
    return "better" if change.gain > 0 else "unchanged" if change.gain == 0 else "no score"


def _names(changes: Iterable[_Change]) -> str:
    return " and ".join(change.name for change in changes)


def _problems(options: GuardOptions, now: Measures, changes: Iterable[_Change], fewest: int) -> list[str]:
    """Text for each reason for an alarm that needs no test.

    Results that are no numbers; a metric that the base had enough scores by, and the network has not: nothing could be
    found; a limit that is crossed, as it is by a mean that is no number.
    """
    broken = int((~now.high_frequency.isfinite()).sum())
    found = [f"the results on {broken} of {len(now.pictures)} windows are no numbers"] if broken else []
    found += [
        f"{change.name} has a score left for {change.units} of the {fewest} that its test needs"
        for change in changes
        if change.units < fewest
    ]
    upper = {"max_high_frequency": now.high_frequency, "max_periodic": now.periodic}
    lower = {"min_consistency": now.consistency, "min_base_psnr": now.base_psnr}
    for key, values in (upper | lower).items():
        limit, mean = getattr(options, key), mean_of(values)
        if limit is not None and not (mean <= limit if key in upper else mean >= limit):
            found.append(f"{mean:.2f} crosses train:guard:{key} {limit:g}")
    return found
