"""Results of one validation: handed from the model to the training loop, which keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iqa_sr.scores.paired_scores import MEAN_KEY
from iqa_sr.scores.result_folder import image_name
from iqa_sr.scores.score_table import MetricFacts, ScoreRow

__all__ = ["ValidationResults"]


@dataclass(frozen=True)
class ValidationResults:
    """Scores of a model on one validation set.

    Attributes:
        dataset: Name of the set.
        means: Mean over the images by metric; NaN where the metric is defined on none.
        rows: One row per image and metric, the baseline's included the first time.
        facts: Facts of each metric: name, direction and variant.
        best: Metrics by which this checkpoint is the best so far and is to be kept; filled in by the model.
        missing: Number of images that memory did not suffice for, by metric; the means are over the others.
    """

    dataset: str
    means: Mapping[str, float]
    rows: Sequence[ScoreRow]
    facts: Sequence[MetricFacts]
    best: Sequence[str] = ()
    missing: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_means(
        cls, dataset: str, iteration: int, means: Mapping[str, float], facts: Sequence[MetricFacts]
    ) -> "ValidationResults":
        """Results of a model that gives means only: each stands in a row for the whole set."""
        name = image_name(dataset, MEAN_KEY)
        rows = [ScoreRow(str(iteration), name, "", metric, float(mean)) for metric, mean in means.items()]
        return cls(dataset, means, rows, facts)
