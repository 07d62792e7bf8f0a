"""Scores of several checkpoints on the same images, taken from a ScoreTable and checked to be comparable."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iqa_sr.errors import did_you_mean, set_metric_problem
from iqa_sr.scores.means import mean
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["Means", "PairedScores", "metrics_of", "no_scores", "paired_scores"]

# The last part of the key of a row that holds the mean of a data set: of BasicSR's own models, and quality networks.
MEAN_KEY = "(mean)"
SHOWN = 2  # problems in an error

# metric -> checkpoint -> image -> reference -> score
Scores = dict[str, dict[str, dict[str, dict[str, float]]]]


@dataclass(frozen=True)
class Means:
    """Mean scores of checkpoints over images, by metric.

    Attributes:
        metrics: M names.
        higher: `(M,)` bool: whether higher is better.
        scores: `(C, M)`, one row for each checkpoint, on the metrics' own scales.
        checkpoints: C labels.
    """

    metrics: tuple[str, ...]
    higher: np.ndarray
    scores: np.ndarray
    checkpoints: tuple[str, ...]

    def of(self, metric: str) -> np.ndarray:
        """Mean scores of the checkpoints by one metric, `(C,)`."""
        return self.scores[:, self.metrics.index(metric)]

    def quality(self, metrics: Sequence[str]) -> np.ndarray:
        """Qualities by the named metrics, `(C, K)`: means turned so that larger is better, rounded to 12 digits.

        Checkpoints that are equal stay equal, in whatever order their scores were added up.
        """
        columns = [self.metrics.index(metric) for metric in metrics]
        return settled(np.where(self.higher[columns], self.scores[:, columns], -self.scores[:, columns]))

    def rows(self, kept: np.ndarray) -> "Means":
        """Means of some of the checkpoints, chosen by `(C,)` bool."""
        labels = tuple(label for label, keep in zip(self.checkpoints, kept, strict=True) if keep)
        return Means(self.metrics, self.higher, self.scores[kept], labels)


@dataclass(frozen=True)
class PairedScores:
    """Scores of every checkpoint on the same images, against the same references.

    Attributes:
        checkpoints: C labels.
        images: P keys.
        metrics: M names.
        higher: `(M,)` bool: whether higher is better.
        scores: `(C, P, M)`, means over the references; NaN where a metric is not defined on an image, which it then is
            for no checkpoint.
    """

    checkpoints: tuple[str, ...]
    images: tuple[str, ...]
    metrics: tuple[str, ...]
    higher: np.ndarray
    scores: np.ndarray

    def means(self, times: np.ndarray | None = None) -> Means:
        """Mean scores of each checkpoint over the images.

        Args:
            times: `(P,)`, how often each image counts; None: once.

        Returns:
            Means, NaN where no image that counts has a score.
        """
        times = np.ones(len(self.images)) if times is None else times
        known = np.isfinite(self.scores[0])
        sums = np.tensordot(times, np.where(known, self.scores, 0.0), axes=(0, 1))
        with np.errstate(invalid="ignore"):
            return Means(self.metrics, self.higher, sums / (times @ known), self.checkpoints)

    @property
    def of_data_sets(self) -> bool:
        """Check whether there are means of data sets among what counts as images."""
        return any(key.rpartition("/")[2] == MEAN_KEY for key in self.images)


def settled(values: np.ndarray) -> np.ndarray:
    """`(C, K)` rounded to 12 digits of each column's largest value; NaN and infinity stay."""
    finite = np.where(np.isfinite(values), np.abs(values), 0.0).max(axis=0, initial=0.0)
    digits = [min(12 - math.ceil(math.log10(largest)), 250) if largest > 0 else 0 for largest in finite]
    columns = [np.round(column, positions) for column, positions in zip(values.T, digits, strict=True)]
    return np.stack(columns, axis=1) if columns else values


def metrics_of(table: ScoreTable, checkpoints: Sequence[str]) -> list[str]:
    """The metrics by which at least one of the checkpoints was scored, in the table's order."""
    wanted = set(checkpoints)
    found = {row.metric for row in table.rows if row.checkpoint in wanted}
    return [name for name in table.facts if name in found]


def no_scores(metric: str, known: Iterable[str]) -> str:
    """Text for a metric that is not among those with scores of images, whose names are known."""
    return set_metric_problem(metric) or f"there are no scores of {metric!r}; {did_you_mean(metric, known)}"


def paired_scores(
    table: ScoreTable, checkpoints: Sequence[str], metrics: Sequence[str], common: bool = False
) -> PairedScores:
    """The scores as arrays. Several references of an image are averaged first.

    Args:
        table: The scores.
        checkpoints: Labels, at least one.
        metrics: Names, at least one.
        common: Leave out, for all checkpoints and metrics, the images that some checkpoint lacks.

    Raises:
        ValueError: If the table does not have a metric, no image is left, or without `common` a checkpoint lacks a
            score, or has one that is not finite, where another has one; with the counts.
    """
    for metric in metrics:
        if metric not in table.facts:
            raise ValueError(no_scores(metric, table.facts))
    found = _finite_scores(table, checkpoints, metrics)
    lacking = {
        (checkpoint, metric): images
        for metric in metrics
        for checkpoint, images in _lacking(found[metric]).items()
        if images
    }
    if lacking and not common:
        raise ValueError(_text(lacking, found))
    left_out = {image for images in lacking.values() for image in images}
    images = [image for image in _images(found) if image not in left_out]
    for metric in metrics:
        if not any(image in found[metric][checkpoints[0]] for image in images):
            raise ValueError(f"there is no image that all {len(checkpoints)} checkpoints have a score of {metric} for")
    higher = np.array([table.facts[metric].higher_is_better for metric in metrics])
    scores = [
        [[mean(found[metric][checkpoint].get(image, {}).values()) for metric in metrics] for image in images]
        for checkpoint in checkpoints
    ]
    return PairedScores(tuple(checkpoints), tuple(images), tuple(metrics), higher, np.array(scores))


def _finite_scores(table: ScoreTable, checkpoints: Sequence[str], metrics: Sequence[str]) -> Scores:
    found: Scores = {metric: {checkpoint: {} for checkpoint in checkpoints} for metric in metrics}
    for row in table.rows:
        if row.metric in found and row.checkpoint in found[row.metric] and math.isfinite(row.score):
            found[row.metric][row.checkpoint].setdefault(row.image, {})[row.reference] = row.score
    return found


def _images(found: Scores) -> list[str]:
    """All images in the order of the table."""
    return list(dict.fromkeys(key for one in found.values() for scored in one.values() for key in scored))


def _lacking(scored: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, list[str]]:
    """Images that each checkpoint lacks scores of one metric for, or has not got against all the references."""
    references: dict[str, set[str]] = {}
    for images in scored.values():
        for image, scores in images.items():
            references.setdefault(image, set()).update(scores)
    return {
        checkpoint: [image for image, wanted in references.items() if images.get(image, {}).keys() != wanted]
        for checkpoint, images in scored.items()
    }


def _text(lacking: Mapping[tuple[str, str], list[str]], found: Scores) -> str:
    lines = ["the checkpoints were not scored on the same images:"]
    for (checkpoint, metric), images in list(lacking.items())[:SHOWN]:
        total = len(_images({metric: found[metric]}))
        lines.append(
            f"  {checkpoint} lacks scores of {metric} on {len(images)} of {total} images ({images[0]}"
            + (", ...)" if len(images) > 1 else ")")
        )
    if len(lacking) > SHOWN:
        lines[-1] += f"; and {len(lacking) - SHOWN} more of checkpoints and metrics"
    lines.append("`common` takes the images that all have; `metrics` and `exclude` leave metrics or checkpoints out.")
    return "\n".join(lines)
