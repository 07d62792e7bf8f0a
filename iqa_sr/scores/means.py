"""The one rule for mean scores: over the references of each image first, then over the images; NaN is left out."""

import math
from collections.abc import Iterable

from iqa_sr.scores.score_rows import ScoreRow

__all__ = ["image_means", "mean"]


def mean(scores: Iterable[float]) -> float:
    """Mean of the scores that are not NaN; NaN where there is none."""
    known = [score for score in scores if not math.isnan(score)]
    return sum(known) / len(known) if known else math.nan


def image_means(rows: Iterable[ScoreRow]) -> dict[tuple[str, str], dict[str, float]]:
    """Score of each image: the mean over its references, NaN where the metric is defined against none of them.

    Args:
        rows: Rows of a table that was checked to have one score for each reference.

    Returns:
        By checkpoint and metric: the scores by image, in the order of the rows.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for checkpoint, image, _, metric, score, *_ in rows:
        found.setdefault((checkpoint, metric), {}).setdefault(image, []).append(score)
    return {key: {image: mean(scores) for image, scores in images.items()} for key, images in found.items()}
