"""Tables of the results of main.py: curves over the strength, runs at equal gain, effects with intervals, table.md."""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from records import ARMS, Key, Row, key_of
from scipy import stats

from iqa_sr.stats.bootstrap import RESAMPLES, Interval, mean_interval
from iqa_sr.stats.permutation_test import holm_correction, sign_flip_p_value

FULL = "full"
SIGNIFICANT = 0.05
WAYS = 20_000
"""Of the permutation test: its smallest p-value, two-sided, times the comparisons of a table stays below 0.05."""
NO_ENDPOINTS = ("phase", "arm", "mode", "rate", "seed", "strength", "image")


@dataclass(frozen=True)
class SweepRun:
    """Changes that one run makes to the images, at each of its strengths.

    Attributes:
        key: Key of the run.
        strengths: Strengths in rising order, 0 (the base) first.
        changes: Change since the base by endpoint, `(strengths, images)`; of the reward in gaps between base and ground
            truth.
    """

    key: Key
    strengths: list[float]
    changes: dict[str, np.ndarray]

    @property
    def gains(self) -> np.ndarray:
        """Mean change of the reward at each strength."""
        return self.changes["reward"].mean(axis=1)

    def at(self, gain: float) -> dict[str, np.ndarray] | None:
        """The changes of each image where the gain is first reached, linear between strengths; None if it never is."""
        for number, (before, after) in enumerate(itertools.pairwise(self.gains)):
            if before < gain <= after:
                share = (gain - before) / (after - before)
                return {
                    name: values[number] + share * (values[number + 1] - values[number])
                    for name, values in self.changes.items()
                }
        return None


def runs_of(rows: Iterable[Row], base: Sequence[Row], unit: float) -> list[SweepRun]:
    """The runs that rows belong to, as changes since the base.

    Args:
        rows: Rows of runs, all on the same images.
        base: Rows of the base, one for each image.
        unit: Gap of the reward between base and ground truth, the unit of its changes.
    """
    by_key: dict[Key, dict[float, list[Row]]] = {}
    for row in rows:
        by_key.setdefault(key_of(row), {}).setdefault(row["strength"], []).append(row)
    runs = []
    for key, by_strength in by_key.items():
        strengths = sorted(by_strength)
        changes = {}
        for name in [name for name in base[0] if name not in NO_ENDPOINTS and name in by_strength[strengths[0]][0]]:
            start = np.array([row[name] for row in base])
            curve = np.array([[row[name] for row in by_strength[strength]] for strength in strengths]) - start
            curve = curve / (unit if name == "reward" else 1.0)
            # A share of the change has no value where nothing changes: that of the smallest strength is taken.
            none = curve[:1] if name == "lattice" else np.zeros((1, len(start)))
            changes[name] = np.concatenate([none, curve])
        runs.append(SweepRun(key, [0.0, *strengths], changes))
    return runs


def choose_rates(runs: Sequence[SweepRun], gain: float) -> tuple[dict[tuple[str, str], float], list[str]]:
    """The learning rate of each mode and arm, and a table that says why.

    Of the rates with which all tuning seeds reach the gain, the one with the highest JOD to GT there; where none does,
    the one that gains most.
    """
    cases: dict[tuple[str, str], dict[float, list[SweepRun]]] = {}
    for run in runs:
        cases.setdefault((run.key.mode, run.key.arm), {}).setdefault(run.key.rate, []).append(run)
    chosen = {}
    lines = ["| reward | arm | JOD to GT at that gain (largest gain) by rate | chosen |", "|---|---|---|---|"]
    for case, by_rate in cases.items():
        jod, most = {}, {rate: min(float(run.gains.max()) for run in own) for rate, own in sorted(by_rate.items())}
        for rate in most:
            found = [run.at(gain) for run in by_rate[rate]]
            if all(found):
                jod[rate] = statistics.fmean(float(changes["JOD to GT"].mean()) for changes in found if changes)
        chosen[case] = max(jod, key=jod.__getitem__) if jod else max(most, key=most.__getitem__)
        edge = " (edge of its grid)" if len(most) > 1 and chosen[case] in (min(most), max(most)) else ""
        tried = ", ".join(f"{rate:g}: {jod.get(rate, math.nan):+.4f} ({most[rate]:.2f})" for rate in most)
        lines.append(f"| {case[0]} | {case[1]} | {tried} | {chosen[case]:g}{edge} |")
    return chosen, lines


# --- Effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """Mean change, with its intervals and p-value.

    Attributes:
        mean: Mean over images and seeds.
        images: 95 % interval if other images had been drawn, by the bootstrap.
        seeds: 95 % interval if the runs had had other seeds, by Student's t; NaN for a single seed.
        p: P-value of a mean of zero: two-sided permutation test over the images.
    """

    mean: float
    images: Interval
    seeds: Interval
    p: float

    def cell(self, corrected: float) -> str:
        """Text for a cell of a table, bold where both intervals and the corrected p-value leave zero out."""
        sure = corrected <= SIGNIFICANT and all(low > 0 or high < 0 for low, high in (self.images, self.seeds))
        seeds = "" if math.isnan(self.seeds[0]) else f", seeds [{self.seeds[0]:+.4f}, {self.seeds[1]:+.4f}]"
        mark = "**" if sure else ""
        return f"{mark}{self.mean:+.4f}{mark} [{self.images[0]:+.4f}, {self.images[1]:+.4f}]{seeds}"


def effect(values: np.ndarray) -> Effect:
    """Mean and intervals of `(seeds, images)` values: changes, or differences of runs with the same seed."""
    seeds, images = values.shape
    by_image, by_seed = values.mean(axis=0), values.mean(axis=1)
    half = stats.t.ppf(0.975, seeds - 1) * by_seed.std(ddof=1) / math.sqrt(seeds) if seeds > 1 else math.nan
    mean = float(values.mean())
    over_images = mean_interval(by_image, np.arange(images), RESAMPLES)
    p = 2 * min(sign_flip_p_value(by_image.tolist(), WAYS), sign_flip_p_value((-by_image).tolist(), WAYS))
    return Effect(mean, over_images, (mean - half, mean + half), min(1.0, p))


Cells = Mapping[tuple[str, ...], Mapping[str, np.ndarray]]
"""By the first cells of a line: by endpoint `(seeds, images)`."""


def effects_table(head: Sequence[str], lines: Cells) -> list[str]:
    """A table of effects whose p-values are corrected for all of its cells."""
    if not lines:
        return ["None."]
    endpoints = list(next(iter(lines.values())))
    found = {(line, name): effect(values[name]) for line, values in lines.items() for name in endpoints}
    corrected = dict(zip(found, holm_correction([one.p for one in found.values()]), strict=True))
    table = [f"| {' | '.join([*head, *endpoints])} |", "|---|" + "---|" * (len(head) + len(endpoints) - 1)]
    for line in lines:
        cells = [found[line, name].cell(corrected[line, name]) for name in endpoints]
        table.append(f"| {' | '.join([*line, *cells])} |")
    return table


# --- Tables -----------------------------------------------------------------------------------------------------------


def report(runs: Sequence[SweepRun], gains: Sequence[float], introduction: Sequence[str]) -> str:
    """Text of `table.md`: effects after all steps and at equal gain, and means by strength."""
    lines = ["# Reward hacking: which layers, which rank, which reward", "", *introduction, ""]
    lines += [
        "All values are changes since the base on the metrics' own scales; the reward in gaps (mean score of the "
        "ground truths minus that of the base's results). Lattice: the share of the change's power at the period of "
        "the network's window. JOD to base: below 10. The first interval (95 %, bootstrap) is over images, the second "
        "(Student's t) over seeds. **Bold**: both leave zero out, and so does a permutation test over the images, "
        f"corrected by Holm for all cells of the table (p at most {SIGNIFICANT}).",
        "",
        "## After all steps",
        "",
        *effects_table(["reward", "arm", "seeds"], _stacked(runs)),
        "",
        "## At equal gain",
        "",
        *effects_table(["reward", "gain", "arm", "seeds"], _at_gains(runs, gains)),
        "",
        "## At equal gain, minus full fine-tuning with the same seeds",
        "",
        *effects_table(["reward", "gain", "arm", "seeds"], _differences(runs, gains)),
        "",
        "## By strength, means",
        "",
        *_curves(runs),
    ]
    return "\n".join(lines) + "\n"


def groups_of(runs: Iterable[SweepRun]) -> dict[tuple[str, str], list[SweepRun]]:
    """Runs by mode and arm, in the order of the arms."""
    found: dict[tuple[str, str], list[SweepRun]] = {}
    for run in runs:
        found.setdefault((run.key.mode, run.key.arm), []).append(run)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], list(ARMS).index(item[0][1]))))


def _stacked(runs: Sequence[SweepRun]) -> Cells:
    return {
        (mode, arm, str(len(own))): {name: np.stack([run.changes[name][-1] for run in own]) for name in own[0].changes}
        for (mode, arm), own in groups_of(runs).items()
    }


def _at_gains(runs: Sequence[SweepRun], gains: Sequence[float]) -> Cells:
    """Of the seeds that reach the gain."""
    lines = {}
    for gain, ((mode, arm), own) in itertools.product(gains, groups_of(runs).items()):
        found = [changes for run in own if (changes := run.at(gain))]
        if found:
            seeds = f"{len(found)} of {len(own)}"
            lines[mode, f"{gain:g}", arm, seeds] = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return lines


def _differences(runs: Sequence[SweepRun], gains: Sequence[float]) -> Cells:
    """Of the seeds with which both reach the gain."""
    lines, groups = {}, groups_of(runs)
    for gain, ((mode, arm), own) in itertools.product(gains, groups.items()):
        full = {run.key.seed: run.at(gain) for run in groups.get((mode, FULL), [])}
        pairs = [(run.at(gain), full.get(run.key.seed)) for run in own if arm != FULL]
        found = [(one, other) for one, other in pairs if one and other]
        if found:
            names = [name for name in found[0][0] if name != "reward"]
            lines[mode, f"{gain:g}", arm, f"{len(found)} of {len(own)}"] = {
                name: np.stack([one[name] - other[name] for one, other in found]) for name in names
            }
    return lines


def _curves(runs: Sequence[SweepRun]) -> list[str]:
    names = list(runs[0].changes)
    lines = [f"| reward | arm | strength | {' | '.join(names)} |", "|---|---|---|" + "---|" * len(names)]
    for (mode, arm), own in groups_of(runs).items():
        for number, strength in enumerate(own[0].strengths[1:], start=1):
            means = [statistics.fmean(float(run.changes[name][number].mean()) for run in own) for name in names]
            lines.append(f"| {mode} | {arm} | {strength:g} | {' | '.join(f'{mean:+.4f}' for mean in means)} |")
    return lines
