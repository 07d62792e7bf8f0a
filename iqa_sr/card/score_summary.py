"""The scores of a card: means with confidence intervals, the change since what the model is compared with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iqa_sr.card.sources import CardSource
from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.paired_scores import MEAN_KEY
from iqa_sr.scores.result_folder import split_image
from iqa_sr.stats.bootstrap import Interval, intervals, resampled_counts

__all__ = ["MetricSummary", "ScoreSummary", "summarize_scores"]

_Scores = Mapping[str, float]


@dataclass(frozen=True)
class MetricSummary:
    """Scores by one metric on one data set.

    Attributes:
        name: Name of the metric in the scores.
        higher_is_better: Direction of the metric.
        spec: Variant of the metric, in one line.
        mean: Mean of the model.
        interval: Its 95 % interval; None where it is not known.
        others: Means of what the model is compared with, in the order of `ScoreSummary.others`; None where there is
            none.
        change: Mean difference to the last of those, over the images that both have; None without one.
        change_interval: Its 95 % interval; None where it is not known.
        images: Number of images with a score.
    """

    name: str
    higher_is_better: bool
    spec: str
    mean: float
    interval: Interval | None
    others: tuple[float | None, ...]
    change: float | None
    change_interval: Interval | None
    images: int


@dataclass(frozen=True)
class ScoreSummary:
    """Scores on one data set.

    Attributes:
        title: Origin of the scores.
        dataset: Name of the data set.
        others: Names of what the model is compared with: the last one is what the change counts from.
        metrics: The scores by metric.
        of_means: Whether the folder holds means of the data set alone, of which there are no intervals.
        validation: Whether the training validated on these images.
    """

    title: str
    dataset: str
    others: tuple[str, ...]
    metrics: tuple[MetricSummary, ...]
    of_means: bool
    validation: bool


def summarize_scores(source: CardSource) -> list[ScoreSummary]:
    """The scores of a source by data set, those of the model being known; none where it was not scored.

    Raises:
        ValueError: If an image has no data set, or its name leads out of its folder.
    """
    if source.model is None:
        return []
    found = image_means(row for row in source.scores.rows if math.isfinite(row.score))
    datasets = dict.fromkeys(split_image(image)[0] for image in source.images)
    return [summary for name in datasets if (summary := _on_dataset(source, name, found)).metrics]


def _on_dataset(source: CardSource, dataset: str, found: Mapping[tuple[str, str], _Scores]) -> ScoreSummary:
    def of(label: str, metric: str) -> dict[str, float]:
        scores = found.get((label, metric), {})
        return {image: score for image, score in scores.items() if split_image(image)[0] == dataset}

    assert source.model is not None
    metrics = [name for name in source.scores.facts if of(source.model, name)]
    others = [name for name, label in source.others.items() if any(of(label, metric) for metric in metrics)]
    keys = {split_image(image)[1] for metric in metrics for image in of(source.model, metric)}
    summaries = []
    for name in metrics:
        facts, scores = source.scores.facts[name], of(source.model, name)
        compared = [of(source.others[other], name) for other in others]
        before = compared[-1] if compared else {}
        common = [image for image in scores if image in before]
        changes = [scores[image] - before[image] for image in common]
        summaries.append(
            MetricSummary(
                name=name,
                higher_is_better=facts.higher_is_better,
                spec=facts.spec,
                mean=mean(scores.values()),
                interval=_interval(list(scores.values())),
                others=tuple(mean(one.values()) if one else None for one in compared),
                change=mean(changes) if changes else None,
                change_interval=_interval(changes),
                images=len(scores),
            )
        )
    return ScoreSummary(source.title, dataset, tuple(others), tuple(summaries), keys == {MEAN_KEY}, source.validation)


def _interval(scores: Sequence[float]) -> Interval | None:
    """Bootstrap interval of a mean over images; None for fewer than two."""
    if len(scores) < 2:
        return None
    ((low, high),) = intervals(np.array([scores]), resampled_counts(len(scores)))
    return float(low), float(high)
