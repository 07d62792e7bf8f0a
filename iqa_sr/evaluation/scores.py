"""Which scores an evaluation has of a picture, and how they are computed."""

import math
import threading
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from iqa_sr.data.multi_gt.records import Record
from iqa_sr.evaluation.datasets import EvaluationPicture
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.metrics import metric_info, shared_metric
from iqa_sr.metrics.pyiqa_adapter import PREFIX
from iqa_sr.scores.image_scores import LR_CONSISTENCY, lr_consistency, metric_scores, score_spec
from iqa_sr.scores.protocols import Against
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL
from iqa_sr.scores.score_table import MetricFacts

__all__ = ["Measures", "Wanted"]

Wanted = tuple[str, str]
"""One score of a picture: the metric and the reference's key, empty where there is none."""

_FOREIGN = threading.Lock()


@dataclass(frozen=True)
class Measures:
    """What is measured.

    Attributes:
        metrics: Names; `lr-consistency` comes on top by itself.
        border: Pixels cut from each side of a result before its metrics.
        against: What full-reference metrics compare with.
    """

    metrics: tuple[str, ...]
    border: int = 0
    against: Against = "original"

    def facts(self) -> list[MetricFacts]:
        """Of every metric: its direction, and a line that pins down what its numbers are."""
        found = []
        for name in self.metrics:
            info = metric_info(name)
            found.append(MetricFacts(name, info.higher_is_better, score_spec(name, self.against, self.border)))
        spec = "PSNR in dB of RGB between the LQ and the 8-bit result downscaled to its size by MATLAB's bicubic"
        return [*found, MetricFacts(LR_CONSISTENCY, True, f"{spec}; crop 0, at most 100 dB")]

    def build(self, device: torch.device) -> None:
        """Build all metrics on the device, each once for all pictures and threads."""
        for name in ("psnr", *self.metrics):
            shared_metric(name, device)

    def references(self, record: Record) -> tuple[int, ...]:
        """Positions of the ground truths that full-reference metrics compare with."""
        return record.positives if self.against == "positives" else tuple(range(len(record.ground_truths)))[:1]

    def wanted(self, label: str, record: Record) -> Iterator[Wanted]:
        """The scores that a picture has under a label.

        Results have all; the original has those that need no reference; the gold standard has them where there are
        several ground truths.
        """
        if label == GOLD_STANDARD and len(record.ground_truths) < 2:
            return
        result = label not in (ORIGINAL, GOLD_STANDARD)
        for name in self.metrics:
            if metric_info(name).reference == "none":
                yield name, ""
            elif result:
                yield from ((name, record.ground_truths[place].path) for place in self.references(record))
        if result:
            yield LR_CONSISTENCY, ""

    def needs(self, label: str, record: Record, wanted: Collection[Wanted]) -> tuple[int, ...]:
        """Positions of the ground truths that scores under a label are computed from."""
        if label == GOLD_STANDARD:
            return tuple(range(len(record.ground_truths)))
        keys = {key for _, key in wanted}
        return tuple(place for place, gt in enumerate(record.ground_truths) if gt.path in keys)

    def fits(self, name: str, size: tuple[int, int]) -> bool:
        """Whether a metric is defined on results of this height and width."""
        info, cut = metric_info(name), [side - 2 * self.border for side in size]
        return all(side >= max(1, info.min_size) and side % info.multiple_of == 0 for side in cut)

    def scores(
        self, result: Tensor, picture: EvaluationPicture, record: Record, wanted: Collection[Wanted]
    ) -> dict[Wanted, float]:
        """Score a result.

        Args:
            result: `(1, 3, H, W)` in [0, 1] as its 8-bit file holds it, on the device where the metrics are.
            picture: What the scores need: the LQ picture, the references.
            record: Names of the latter.
            wanted: Which scores. Each reference is compared with alone: memory does not grow with their number.

        Returns:
            They; NaN for those that are not defined on a picture of this size.
        """
        found = dict.fromkeys(wanted, math.nan)
        references = {record.ground_truths[place].path: gt.to(result.device) for place, gt in picture.gts.items()}
        for name, key in wanted:
            if name == LR_CONSISTENCY:
                assert picture.lq is not None
                found[name, key] = float(lr_consistency(result, picture.lq.to(result.device)))
            elif self.fits(name, _size(result)):
                found[name, key] = float(self._scored(name, result, references[key] if key else None))
        return found

    def _scored(self, name: str, result: Tensor, reference: Tensor | None) -> Tensor:
        """One score, `(1,)`; ours keep nothing of a picture and serve several threads, of others nobody knows."""
        with _FOREIGN if name.startswith(PREFIX) else nullcontext():
            return metric_scores(name, result, reference, self.border)

    def gold_standard(
        self, picture: EvaluationPicture, wanted: Collection[Wanted], device: torch.device
    ) -> dict[Wanted, float]:
        """The best score of each no-reference metric among the ground truths; NaN where it is not defined."""
        found = dict.fromkeys(wanted, math.nan)
        versions = [as_8_bit(gt).to(device) for gt in picture.gts.values()]
        for name, _ in [one for one in wanted if self.fits(one[0], _size(versions[0]))]:
            scores = torch.cat([self._scored(name, version, None) for version in versions])
            found[name, ""] = float(scores[metric_info(name).oriented(scores).argmax()])
        return found


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]
