"""Several metrics under the same attacks, and each under the attacks that were made on the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from iqa_sr.attacks.measurement import AttackedImages, AttackOptions, Outcome, attack_count, attack_metric, scores_of
from iqa_sr.attacks.summary import AttackSummary, Scale, Transfer, summarize
from iqa_sr.attacks.visibility import Jod
from iqa_sr.metrics.base import QualityMetric
from iqa_sr.metrics.registry import create_metric, metric_info
from iqa_sr.weights.store import find_all

__all__ = ["Comparison", "transfers_to"]


class Comparison:
    """Attacks on metrics; whatever has been measured so far can be summed up at any time.

    Args:
        metrics: Names of the metrics.
        images: Images to attack and their ground truths, on the device where the metrics are to be.
        jod: Visibility of a change in JOD, see `Jod`.
        options: Attacks and their strengths.

    Raises:
        ValueError: If there is no such metric, or none of the attacks can be made on one.
        FileNotFoundError: If weights of a metric are missing and cannot be downloaded.
    """

    def __init__(self, metrics: Sequence[str], images: AttackedImages, jod: Jod, options: AttackOptions) -> None:
        self.metrics, self.images, self.jod, self.options = metrics, images, jod, options
        for name in metrics:
            if not self._count(name):
                raise ValueError(
                    f"`attacks`: {', '.join(options.attacks)} cannot be made on {name}; without a gradient there is "
                    "`square` alone, and a tile takes two images"
                )
        find_all(file for name in metrics for file in metric_info(name).weights)
        self._scales: dict[str, Scale] = {}
        self._outcomes: dict[str, list[Outcome]] = {}
        self._transfers: dict[str, list[Transfer]] = {}

    def __len__(self) -> int:
        """Number of outcomes that `run` yields."""
        return sum(map(self._count, self.metrics))

    def _count(self, name: str) -> int:
        return attack_count(metric_info(name), self.options, len(self.images.starts))

    def run(self) -> Iterator[Outcome]:
        """Attack one metric after the other; last, what APGD made of the images is shown to the other metrics.

        Yields:
            Each outcome as soon as it is there.
        """
        for name in self.metrics:
            metric = create_metric(name, self.images.starts.device)
            self._scales[name] = Scale.of(metric, self.images)
            for outcome in attack_metric(metric, self.images, self.jod, self.options):
                # Images of other attacks are not needed again, and there are many.
                kept = outcome if outcome.attack == "apgd" else replace(outcome, images=torch.empty(0))
                self._outcomes.setdefault(name, []).append(kept)
                yield outcome
        for name in self.metrics if len(self.metrics) > 1 else ():
            others = {other: outcomes for other, outcomes in self._outcomes.items() if other != name}
            metric = create_metric(name, self.images.starts.device)
            self._transfers[name] = transfers_to(metric, self._scales[name], self.images, others)

    def summaries(self, complete: bool = False) -> list[AttackSummary]:
        """Summaries of the metrics that have been measured so far.

        Args:
            complete: Leave out a metric of which attacks are missing, not only those that were made on other metrics.
        """
        return [
            summarize(outcomes, self._scales[name], self._transfers.get(name, []))
            for name, outcomes in self._outcomes.items()
            if not complete or len(outcomes) == self._count(name)
        ]


def transfers_to(
    metric: QualityMetric, scale: Scale, images: AttackedImages, others: Mapping[str, Sequence[Outcome]]
) -> list[Transfer]:
    """Gain of a metric by what APGD made of the images for other metrics.

    Args:
        metric: Metric whose gain is measured.
        scale: Scores that the metric gives the images before the attacks.
        images: Images that were attacked, and their ground truths.
        others: The outcomes of the other metrics by name.
    """
    return [
        Transfer(
            name, outcome.bound, float((scores_of(metric, outcome.images, images.originals) - scale.starts).mean())
        )
        for name, outcomes in others.items()
        for outcome in outcomes
        if outcome.attack == "apgd"
    ]
