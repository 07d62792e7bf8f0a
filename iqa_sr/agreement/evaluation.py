"""Metrics measured against human ratings: every number of a data set, from labels and qualities that are there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from iqa_sr.data.preferences.records import ALL, HumanLabels, PreferencePair
from iqa_sr.stats.correlation import Correlations, correlations
from iqa_sr.stats.pairwise_accuracy import (
    Accuracy,
    Complement,
    Gap,
    Ties,
    accuracy,
    complementarity,
    correct_pairs,
    decided,
    gap_to_best,
    observer_accuracy,
)

__all__ = ["Agreement", "Group", "measure"]

Qualities = Mapping[str, Mapping[str, float]]
"""By metric, of each image; larger is better."""


@dataclass(frozen=True)
class Group:
    """Result for the pairs of one group.

    Attributes:
        name: Name of the group, as in `PreferencePair.groups`.
        pairs: Number of pairs that are counted.
        ties: Number of those of which observers prefer neither, whether they are counted or not.
        metrics: Accuracy of each metric, by its name.
        observer_accuracy: Share of single votes that agree with the majority, 0 to 1; NaN where the votes are not
            known.
    """

    name: str
    pairs: int
    ties: int
    metrics: Mapping[str, Accuracy]
    observer_accuracy: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of metrics with human labels: accuracies, gaps, complementarity and correlations.

    Attributes:
        groups: Groups of pairs, that of all pairs last; empty where observers compared no pairs.
        behind: Gap of each other metric to the best, over all pairs.
        complements: Complementarity over all pairs.
        correlations: Correlations with the opinion scores by metric, or a text that says why there are none; empty
            where there are no opinion scores.
    """

    groups: tuple[Group, ...]
    behind: Mapping[str, Gap]
    complements: tuple[Complement, ...]
    correlations: Mapping[str, Correlations | str]


def measure(labeled: HumanLabels, qualities: Qualities, ties: Ties = "leave-out", resamples: int = 1000) -> Agreement:
    """Measure how well each metric agrees with the human labels.

    Args:
        labeled: Human labels.
        qualities: Quality of every image by each metric; larger is better.
        ties: Treatment of pairs of which observers prefer neither image, see `Ties`.
        resamples: Number of resamples of the bootstrap.
    """
    by_group: dict[str, list[PreferencePair]] = {name: [] for name in labeled.groups}
    for pair in labeled.pairs:
        for name in pair.groups:
            by_group[name].append(pair)
    steps = len(qualities) * (len(by_group) + bool(labeled.rated))
    with tqdm(total=steps, desc="intervals", unit="number", disable=None) as bar:
        groups = []
        for name, pairs in by_group.items():
            own, accuracies = _Pairs(pairs, ties), {}
            for metric, of_metric in qualities.items():
                accuracies[metric] = accuracy(*own.qualities(of_metric), own.preferred, own.contents, resamples)
                bar.update()
            observers = observer_accuracy([pair.share for pair in own.pairs], own.preferred)
            groups.append(Group(name, len(own.pairs), own.ties, accuracies, observers))
        own = _Pairs(by_group.get(ALL, []), ties)
        right = {
            metric: correct_pairs(*own.qualities(one), own.preferred) for metric, one in qualities.items() if own.pairs
        }
        behind = gap_to_best(right, own.contents, resamples)
        helped = tuple(complementarity(right, own.contents, resamples))
        scores = np.array([one.quality for one in labeled.rated], float)
        contents = _numbered([one.content for one in labeled.rated])
        found: dict[str, Correlations | str] = {}
        for metric, of_metric in qualities.items() if labeled.rated else ():
            quality = np.array([of_metric[one.image] for one in labeled.rated], float)
            try:
                found[metric] = correlations(quality, scores, contents, resamples)
            except ValueError as error:
                found[metric] = str(error)
            bar.update()
    return Agreement(tuple(groups), behind, helped, found)


class _Pairs:
    """The pairs of a group that are counted, as arrays."""

    def __init__(self, pairs: list[PreferencePair], ties: Ties) -> None:
        preferred = np.array([pair.preferred for pair in pairs])
        self.ties = int((preferred == 0.5).sum())
        counted = decided(preferred, ties)
        self.pairs = [pair for pair, one in zip(pairs, counted.tolist(), strict=True) if one]
        self.preferred = preferred[counted]
        self.contents = _numbered([pair.content for pair in self.pairs])

    def qualities(self, metric: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Qualities of the first and of the second images, `(N,)` each."""
        first = np.array([metric[pair.first] for pair in self.pairs], float)
        return first, np.array([metric[pair.second] for pair in self.pairs], float)


def _numbered(contents: list[str]) -> np.ndarray:
    """A number for each name: comparing texts takes longer."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(content, len(numbers)) for content in contents], int)
