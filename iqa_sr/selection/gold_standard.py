"""Distance of a chosen checkpoint from the gold standard: the best score in each image's group of ground truths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iqa_sr.scores.paired_scores import PairedScores
from iqa_sr.scores.result_folder import GOLD_STANDARD

__all__ = ["GoldMean", "compare_with_gold_standard", "gold_means", "gold_row"]


@dataclass(frozen=True)
class GoldMean:
    """The gold standard by one metric, on the images that have one.

    Attributes:
        metric: The metric's name.
        gold: Mean score of the gold standard.
        scores: `(C,)`, mean score of each checkpoint on the same images.
        higher: Whether higher is better.
        images: Number of these images.
        of: Number of all the images on which the checkpoints have a score.
    """

    metric: str
    gold: float
    scores: np.ndarray
    higher: bool
    images: int
    of: int

    @property
    def complete(self) -> bool:
        """Check whether its mean can stand beside those of the checkpoints."""
        return self.images == self.of

    def worse(self, index: int) -> float:
        """Distance of a checkpoint below the gold standard, in the metric's unit; below 0 where it is better."""
        difference = self.gold - float(self.scores[index])
        return difference if self.higher else -difference


def gold_means(scores: PairedScores, gold: Mapping[str, Mapping[str, float]]) -> list[GoldMean]:
    """The gold standard by each metric that has one.

    Args:
        scores: Scores of the checkpoints.
        gold: Finite scores of the gold standard, by metric and image.
    """
    found = []
    for column, (metric, higher) in enumerate(zip(scores.metrics, scores.higher.tolist(), strict=True)):
        own = gold.get(metric, {})
        known = np.isfinite(scores.scores[0, :, column])
        shared = known & np.array([image in own for image in scores.images])
        if shared.any():
            mean = np.mean([own[scores.images[index]] for index in np.flatnonzero(shared)])
            means = scores.scores[:, shared, column].mean(axis=1)
            found.append(GoldMean(metric, float(mean), means, higher, int(shared.sum()), int(known.sum())))
    return found


def gold_row(found: Sequence[GoldMean], metrics: Sequence[str], columns: int) -> tuple[str, ...] | None:
    """A line below the checkpoints: the means that are over the same images as theirs; None where there are none.

    Args:
        found: The gold standard.
        metrics: Names of the metrics of the table, whose columns follow the first one.
        columns: Number of all the columns.
    """
    cells = {one.metric: f"{one.gold:.4f} " for one in found if one.complete}
    row = [GOLD_STANDARD, *(cells.get(metric, "- ") for metric in metrics)]
    return (*row, *["-"] * (columns - len(row))) if cells else None


def compare_with_gold_standard(found: Sequence[GoldMean], index: int) -> str:
    """Distance of a checkpoint from the gold standard, in a sentence; empty where there is none."""
    if not found:
        return ""
    texts = []
    for one in found:
        worse = one.worse(index)
        distance = f"{abs(worse):.4g} {'worse' if worse > 0 else 'better'}" if worse else "equal"
        texts.append(f"{one.metric} {distance}")
    counts = sorted({one.images for one in found})
    least = f"{counts[0]} to " if len(counts) > 1 else ""
    where = f" (on {least}{counts[-1]} of {max(one.of for one in found)} images)"
    return f"Compared with the gold standard: {', '.join(texts)}{'' if all(one.complete for one in found) else where}."
