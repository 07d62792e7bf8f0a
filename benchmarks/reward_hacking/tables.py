"""What adversarial_noise.py finds: runs brought to equal judge gain, means over seeds with intervals, table.md."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from runs import Key, Look
from scipy import stats

MEASURES = ("held-out loss", "high-frequency", "high-frequency share", "periodic", "PSNR loss", "change")
SHARES = (0.25, 0.5, 1.0)
FULL = "full"
TUNED_AT = 0.9


@dataclass(frozen=True)
class Run:
    """One run from the base on.

    Attributes:
        key: Which one.
        gains: Of the judge after each look, 0 first.
        values: By measure, at the same places.
    """

    key: Key
    gains: list[float]
    values: dict[str, list[float]]

    @property
    def best(self) -> float:
        """The largest gain at any look."""
        return max(self.gains)

    def at(self, gain: float) -> dict[str, float]:
        """The measures where the judge's gain is first reached, linear between two looks; NaN where it never is."""
        for number in range(1, len(self.gains)):
            before, after = self.gains[number - 1 : number + 1]
            if before < gain <= after:
                share = (gain - before) / (after - before)
                return {
                    name: values[number - 1] + share * (values[number] - values[number - 1])
                    for name, values in self.values.items()
                }
        return {name: 0.0 if gain <= 0 else math.nan for name in self.values}


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and the ends of its 95 % confidence interval by Student's t; NaN for a single seed."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of a difference: whether the interval leaves 0 out."""
        return "less" if self.high < 0 else "more" if self.low > 0 else "undecided"


def interval(values: Sequence[float]) -> Interval:
    """The mean of independent values and its interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def paired_difference(ones: Sequence[float], others: Sequence[float]) -> Interval:
    """Of values of the same seeds, in their order."""
    return interval([one - other for one, other in zip(ones, others, strict=True)])


def runs_of(looks: Iterable[Look]) -> list[Run]:
    """The runs that looks belong to, each from the base on."""
    by_key: dict[Key, list[Look]] = {}
    for look in looks:
        by_key.setdefault(look.key, []).append(look)
    runs = []
    for key, own in by_key.items():
        own = sorted(own, key=lambda look: look.step)
        names = [name for name in own[0].values if name != "gain"]
        values = {name: [0.0, *(look.values[name] for look in own)] for name in names}
        runs.append(Run(key, [0.0, *(look.values["gain"] for look in own)], values))
    return runs


# --- Learning rates ---------------------------------------------------------------------------------------------------


def choose_rates(
    looks: Iterable[Look], methods: Sequence[str], reference: float | None
) -> tuple[dict[str, float], str]:
    """The learning rate of each method, and a table that says why.

    Args:
        looks: Of the tuning runs.
        methods: Names, in order.
        reference: Judge gain at which the held-out loss is compared; None for `TUNED_AT` of what every method reaches
            with one rate or another. It lies high: where little was gained, all rates have done next to no harm.
    """
    runs = [run for run in runs_of(looks) if run.key.phase == "tuning"]
    by_method: dict[str, dict[float, list[Run]]] = {method: {} for method in methods}
    for run in sorted(runs, key=lambda run: run.key.rate):
        by_method[run.key.method].setdefault(run.key.rate, []).append(run)
    reached = {
        method: {rate: min(run.best for run in own) for rate, own in rates.items()}
        for method, rates in by_method.items()
    }
    if reference is None:
        reference = TUNED_AT * min(max(gains.values()) for gains in reached.values())
    chosen: dict[str, float] = {}
    lines = [
        f"Reference gain {reference:.4g}; of each rate: held-out loss there (largest gain), the loss as a mean over "
        "the seeds, the gain of the seed with the smallest one. The smallest loss wins, or the largest gain where no "
        "rate reaches the reference.",
        "",
        "| method | rates | chosen |",
        "|---|---|---|",
    ]
    for method, own in by_method.items():
        gains = reached[method]
        losses = {
            rate: statistics.fmean(run.at(reference)["held-out loss"] for run in of_rate)
            for rate, of_rate in own.items()
            if gains[rate] >= reference > 0
        }
        best = min(losses, key=losses.__getitem__) if losses else max(gains, key=gains.__getitem__)
        chosen[method] = best
        edge = len(own) > 1 and best in (min(own), max(own))
        tried = ", ".join(f"{rate:g}: {losses.get(rate, math.nan):.3f} ({gains[rate]:.3f})" for rate in own)
        lines.append(f"| {method} | {tried} | {best:g}{' (edge of its grid)' if edge else ''} |")
    return chosen, "\n".join(lines)


# --- At equal gain ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Runs that are compared: one lambda, with or without defences, all methods and seeds.

    Attributes:
        defended: Whether with defences.
        weight: lambda_Q.
        runs: By method, then by seed.
    """

    defended: bool
    weight: float
    runs: dict[str, dict[int, Run]]

    @property
    def title(self) -> str:
        """What it is, for a heading."""
        return f"{'With' if self.defended else 'Without'} defences, lambda_Q {self.weight:g}"

    @property
    def common(self) -> float:
        """The gain that every run reaches."""
        return min(run.best for own in self.runs.values() for run in own.values())

    def values(self, method: str, measure: str, gain: float) -> list[float]:
        """Of each seed, at a gain."""
        return [self.runs[method][seed].at(gain)[measure] for seed in sorted(self.runs[method])]

    def difference(self, method: str, measure: str, gain: float) -> Interval:
        """A method minus full fine-tuning with the same seed."""
        return paired_difference(self.values(method, measure, gain), self.values(FULL, measure, gain))


def groups_of(looks: Iterable[Look]) -> list[Group]:
    """The final runs by lambda and defences; only seeds that every method has."""
    found: dict[tuple[bool, float], dict[str, dict[int, Run]]] = {}
    for run in runs_of(looks):
        if run.key.phase == "final":
            methods = found.setdefault((run.key.defended, run.key.weight), {})
            methods.setdefault(run.key.method, {})[run.key.seed] = run
    groups = []
    for (defended, weight), methods in sorted(found.items()):
        seeds = set.intersection(*(set(own) for own in methods.values()))
        kept = {method: {seed: own[seed] for seed in sorted(seeds)} for method, own in methods.items()}
        if seeds:
            groups.append(Group(defended, weight, kept))
    return groups


def report(groups: Sequence[Group], introduction: Sequence[str]) -> str:
    """table.md."""
    lines = ["# Adversarial noise of quality optimisation: LoRA against full fine-tuning", "", *introduction, ""]
    lines += [
        "Held-out loss: by how many of its spreads over the base's windows a held-out judge falls, mean of the judges. "
        "High-frequency and periodic noise and change: RMS of the difference to the base in levels of 255; the share "
        "is that of high frequencies in the change. PSNR loss: in dB, to the original; below 0 the base still learns, "
        "and a part of the change is no noise. Each mean is over the seeds, with its 95 % confidence interval by "
        "Student's t: of the training's randomness alone, for windows, base and learning rates are the same, and the "
        "gain compared at is the smallest that these runs reach. Differences are paired by seed; they are not "
        "corrected for being many.",
        "",
        *_summary(groups),
    ]
    for group in groups:
        lines += ["", f"## {group.title}", "", *_group(group)]
    return "\n".join([*lines, *_defences(groups)]) + "\n"


def _defences(groups: Sequence[Group]) -> list[str]:
    """What the defences change where a method has gained as much with them as without."""
    plain = {group.weight: group for group in groups if not group.defended}
    pairs = [(plain[group.weight], group) for group in groups if group.defended and group.weight in plain]
    lines = ["", "## With defences minus without, each method at the gain that all its runs of both kinds reach", ""]
    lines += [f"| lambda_Q | method | gain | {' | '.join(MEASURES)} |", "|---|---|---|" + "---|" * len(MEASURES)]
    for without, defended in pairs:
        for method in defended.runs:
            runs = [*without.runs[method].values(), *defended.runs[method].values()]
            gain = min(run.best for run in runs)
            values = ([group.values(method, name, gain) for group in (defended, without)] for name in MEASURES)
            cells = [_judged(paired_difference(*pair)) for pair in values] if gain > 0 else []
            lines.append(
                f"| {without.weight:g} | {method} | {gain:.3f} | {' | '.join(cells or ['-'] * len(MEASURES))} |"
            )
    return lines if pairs else []


def _summary(groups: Sequence[Group]) -> list[str]:
    """How often each verdict comes, at the whole common gain."""
    lines = ["## LoRA against full fine-tuning at the whole common gain: less / more / undecided", ""]
    judged = [group for group in groups if FULL in group.runs and group.common > 0]
    methods = list(dict.fromkeys(method for group in judged for method in group.runs if method != FULL))
    lines += [f"| method | {' | '.join(MEASURES)} |", "|---|" + "---|" * len(MEASURES)]
    for method in methods:
        cells = []
        for measure in MEASURES:
            verdicts = [group.difference(method, measure, group.common).verdict for group in judged]
            cells.append(" / ".join(str(verdicts.count(name)) for name in ("less", "more", "undecided")))
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def _group(group: Group) -> list[str]:
    finals = ", ".join(
        f"{method} {statistics.fmean(run.best for run in own.values()):.4g}" for method, own in group.runs.items()
    )
    common = group.common
    lines = [f"Largest judge gains, mean over {len(next(iter(group.runs.values())))} seeds: {finals}."]
    if common <= 0:
        return [*lines, "", "A run never gains anything by its judge: there is no common gain."]
    some = next(iter(next(iter(group.runs.values())).values()))
    measures = [*MEASURES, *(name for name in some.values if name.startswith("loss "))]
    for share in SHARES:
        gain = share * common
        lines += ["", f"### At a gain of {gain:.4g}, {share:.0%} of what every run reaches", ""]
        lines += _table(group.runs, measures, lambda method, name, gain=gain: _cell(group.values(method, name, gain)))
        others = {method: None for method in group.runs if method != FULL}
        if FULL in group.runs and others:
            lines += ["", "Difference to full fine-tuning:", ""]
            lines += _table(
                others, measures, lambda method, name, gain=gain: _judged(group.difference(method, name, gain))
            )
    return lines


def _table(methods: Mapping[str, object], measures: Sequence[str], cell: Callable[[str, str], str]) -> list[str]:
    head = [f"| method | {' | '.join(measures)} |", "|---|" + "---|" * len(measures)]
    return head + [f"| {method} | {' | '.join(cell(method, name) for name in measures)} |" for method in methods]


def _cell(values: Sequence[float]) -> str:
    found = interval(values)
    return f"{found.mean:.3f}" + ("" if math.isnan(found.high) else f" ± {found.high - found.mean:.3f}")


def _judged(found: Interval) -> str:
    ends = "one seed" if math.isnan(found.high) else f"[{found.low:+.3f}, {found.high:+.3f}]"
    return f"{found.mean:+.3f} {ends} {found.verdict}"
