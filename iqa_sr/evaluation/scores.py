"""Scores of an evaluation: resolve the metrics, compute them for each image, average them."""

import math
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from iqa_sr.data.multi_gt.records import Record
from iqa_sr.errors import same_name
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.metrics.pyiqa_adapter import PREFIX
from iqa_sr.metrics.registry import metric_info, own_names
from iqa_sr.runtime.memory import within_memory
from iqa_sr.scores.image_scores import LR_CONSISTENCY, lr_consistency, metric_fits, metric_scores, score_spec
from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.protocols import Against, Protocol
from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL, split_image
from iqa_sr.scores.score_table import MetricFacts, ScoreTable
from iqa_sr.stats.score_formula import Formula

if TYPE_CHECKING:
    from iqa_sr.evaluation.datasets import EvaluationImage, EvaluationSet

__all__ = [
    "BASE",
    "DEFAULT_METRICS",
    "ImageScorer",
    "Wanted",
    "choose_scorer",
    "mean_scores",
    "not_defined",
    "read_metrics",
    "summary_rows",
]

DEFAULT_METRICS = ("psnr", "ssim", "cvvdp", "niqe", "jod-lite")
"""Metrics that need no download. Those that compare with a reference are left out where there is none."""

Wanted = tuple[str, str]
"""One score of an image: the metric and the reference's key, empty where there is none."""

BASE = "base"
"""Key of the base's result as a reference."""

_FOREIGN = threading.Lock()


@dataclass(frozen=True)
class ImageScorer:
    """Scores of an image by the metrics of an evaluation.

    Attributes:
        metrics: Names of the metrics; `lr-consistency` comes on top by itself, see `consistency`.
        border: Pixels cut from each side of a result before its metrics.
        against: References of full-reference metrics, see `Against`.
        consistency: Whether results are compared with their LQ; not at scale 1, where a result that differs from it
            is what is wanted.
    """

    metrics: tuple[str, ...]
    border: int = 0
    against: Against = "original"
    consistency: bool = True

    def facts(self) -> list[MetricFacts]:
        """Facts of every metric: its direction, and a line that pins down what its numbers are."""
        found = []
        for name in self.metrics:
            info = metric_info(name)
            found.append(MetricFacts(name, info.higher_is_better, score_spec(name, self.against, self.border)))
        if not self.consistency:
            return found
        spec = "PSNR in dB of RGB between the LQ and the 8-bit result downscaled to its size by MATLAB's bicubic"
        return [*found, MetricFacts(LR_CONSISTENCY, True, f"{spec}; crop 0, at most 100 dB")]

    def references(self, record: Record) -> tuple[str, ...]:
        """Keys of what full-reference metrics compare with: ground truths, or the base's result."""
        if self.against == "base":
            return (BASE,)
        indices = record.positives if self.against == "positives" else range(len(record.ground_truths))[:1]
        return tuple(record.ground_truths[index].path for index in indices)

    def wanted(self, label: str, record: Record) -> Iterator[Wanted]:
        """The scores that an image has under a label.

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
                yield from ((name, key) for key in self.references(record))
        if result and self.consistency:
            yield LR_CONSISTENCY, ""

    def fits(self, name: str, size: Sequence[int]) -> bool:
        """Check whether a metric is defined on results of this height and width."""
        return metric_fits(name, size, self.border)

    def scores(
        self, result: Tensor, image: "EvaluationImage", record: Record, wanted: Collection[Wanted]
    ) -> dict[Wanted, float]:
        """Compute the wanted scores of one result.

        Args:
            result: `(1, 3, H, W)` in [0, 1] as its 8-bit file holds it, on the device where the metrics are.
            image: Tensors that the scores need: the LQ image, the references. Where a score needs the base's result and
                it is not there, the result is that.
            record: Record of the image, which names the references.
            wanted: Scores to compute, as metric and key of the reference. Each reference is compared with alone: memory
                does not grow with their number.

        Returns:
            Scores; NaN where the metric is not defined on an image of this size. Without those that memory does not
            suffice for.
        """
        found: dict[Wanted, float | None] = dict.fromkeys(wanted, math.nan)
        references = {record.ground_truths[index].path: gt.to(result.device) for index, gt in image.gts.items()}
        references[BASE] = result if image.base is None else image.base.to(result.device)
        for name, key in wanted:
            if name == LR_CONSISTENCY:
                assert image.lq is not None
                found[name, key] = float(lr_consistency(result, image.lq.to(result.device)))
            elif self.fits(name, result.shape[-2:]):
                work = partial(self._scored, name, result, references[key] if key else None)
                score = within_memory(work, f"{record.name}, {name}")
                found[name, key] = None if score is None else float(score)
        return _known(found)

    def _scored(self, name: str, result: Tensor, reference: Tensor | None) -> Tensor:
        """One score, `(1,)`; ours keep nothing of an image and serve several threads, of others nobody knows."""
        with _FOREIGN if name.startswith(PREFIX) else nullcontext():
            return metric_scores(name, result, reference, self.border)

    def gold_standard(
        self, image: "EvaluationImage", wanted: Collection[Wanted], device: torch.device
    ) -> dict[Wanted, float]:
        """The best score of each no-reference metric among the ground truths; otherwise as `scores`."""
        found: dict[Wanted, float | None] = dict.fromkeys(wanted, math.nan)
        versions = [as_8_bit(gt).to(device) for gt in image.gts.values()]

        def best(name: str) -> float:
            scores = torch.cat([self._scored(name, version, None) for version in versions])
            return float(scores[metric_info(name).oriented(scores).argmax()])

        for name, _ in [one for one in wanted if self.fits(one[0], versions[0].shape[-2:])]:
            found[name, ""] = within_memory(partial(best, name), f"{GOLD_STANDARD}, {name}")
        return _known(found)


def _known(scores: Mapping[Wanted, float | None]) -> dict[Wanted, float]:
    return {wanted: score for wanted, score in scores.items() if score is not None}


# --- Choosing ---------------------------------------------------------------------------------------------------------


def read_metrics(names: Sequence[str] | None, protocol: Protocol | None) -> tuple[str, ...] | None:
    """The metrics of a protocol and those asked for, each once; None where neither says anything.

    Args:
        names: Names of the metrics asked for.
        protocol: Protocol of the evaluation, if there is one.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names.
    """
    if names is None and protocol is None:
        return None
    # The consistency with the LQ comes by itself.
    asked = own_names([name for name in names or () if same_name(name, [LR_CONSISTENCY]) != LR_CONSISTENCY])
    return tuple(dict.fromkeys([*(protocol.metrics if protocol else ()), *asked]))


def choose_scorer(
    asked: tuple[str, ...] | None,
    protocol: Protocol | None,
    border: int | None,
    against: Against | None,
    sets: "Sequence[EvaluationSet]",
) -> ImageScorer:
    """Choose the metrics that these data sets are scored by, and how.

    Args:
        asked: Names of metrics from `read_metrics`; None for those of `DEFAULT_METRICS` that are defined on some image.
        protocol: Protocol that fixes border and references; None for none.
        border: Pixels cut from each side before scoring; None: not asked for.
        against: References of full-reference metrics; None: not asked for.
        sets: Data sets to score, at least one.

    Raises:
        ValueError: If the protocol says otherwise, or something asked for is defined on no image.
    """
    for name, value in (("border", border), ("against", against)):
        if protocol is not None and value is not None:
            raise ValueError(f"`{name}` {value}: `protocol` {protocol.name} fixes it; leave one of them out")
    if protocol is not None:
        border = sets[0].scale if protocol.border is None else protocol.border
        against = protocol.against
    if border is not None and border < 0:
        raise ValueError(f"`border`: expected at least 0 px, got {border}")
    sizes = [dataset.result_size(record) for dataset in sets for record in dataset.records]
    if border and all(2 * border >= min(size) for size in sizes):
        height, width = max(sizes, key=min)
        raise ValueError(
            f"`border`: {border} px cut from each side leave nothing; the largest result is {height}x{width} (HxW)"
        )
    names = DEFAULT_METRICS if asked is None else asked
    scorer = ImageScorer(names, border or 0, against or "original", consistency=all(one.scale > 1 for one in sets))
    if asked is None:
        usable = tuple(name for name in DEFAULT_METRICS if _problem(scorer, name, sets) is None)
        return replace(scorer, metrics=usable)
    for name in asked:
        problem = _problem(scorer, name, sets)
        if problem is not None:
            raise ValueError(problem)
    return scorer


def _problem(scorer: ImageScorer, name: str, sets: "Sequence[EvaluationSet]") -> str | None:
    """Reason why a metric has not a single score."""
    pairs = [(dataset, record) for dataset in sets for record in dataset.records]
    if metric_info(name).reference == "full":
        pairs = [(dataset, record) for dataset, record in pairs if scorer.references(record)]
        names = ", ".join(dataset.name for dataset in sets)
        if not pairs and scorer.against == "positives" and any(dataset.spec.data for dataset in sets):
            return (
                f"{name} is to be compared with positive ground truths, and no image of {names} has one.\n"
                "HGGT's label files belong into labels/ beside images/; `against` original needs none."
            )
        if not pairs:
            return (
                f"{name} compares with a reference image, and there are none in {names}.\n"
                "Name the folder of the ground truths, `data` NAME=DIR, or ask for no-reference metrics: `metrics` niqe"
            )
    sizes = [dataset.result_size(record) for dataset, record in pairs]
    if any(scorer.fits(name, size) for size in sizes):
        return None
    height, width = max(sizes, key=min)
    cut = f" after {scorer.border} px are cut from each side" * bool(scorer.border)
    needed = metric_info(name).min_size
    return (
        f"{name} needs at least {needed}x{needed} px{cut}, and no result is that large; the largest is "
        f"{height}x{width} (HxW)"
    )


# --- Means ------------------------------------------------------------------------------------------------------------


def mean_scores(table: ScoreTable) -> dict[tuple[str, str, str], float]:
    """The means of a table by label, data set and metric; images on which a metric is not defined are left out.

    NaN where it is defined on none.
    """
    scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (checkpoint, metric), images in image_means(table.rows).items():
        for image, score in images.items():
            scores[checkpoint, split_image(image)[0], metric].append(score)
    return {key: mean(found) for key, found in scores.items()}


def not_defined(table: ScoreTable) -> dict[tuple[str, str], int]:
    """Number of images on which a metric is not defined, by data set and metric."""
    found = {(split_image(row.image)[0], row.metric, row.image) for row in table.rows if math.isnan(row.score)}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for dataset, metric, _ in sorted(found):
        counts[dataset, metric] += 1
    return dict(counts)


def summary_rows(
    table: ScoreTable, dataset: str, labels: Sequence[str], formula: tuple[str, str] | None = None
) -> list[tuple[str, ...]]:
    """The cells of a table of one data set: the heading, then a line for each label that has scores.

    Args:
        table: Table of the scores.
        dataset: Name of the data set.
        labels: Labels of the lines, in the order wanted.
        formula: Name and text of a score to be computed from the means, where there are all that it needs.
    """
    means = mean_scores(table)
    metrics = [name for name in table.facts if any((label, dataset, name) in means for label in labels)]
    heading = [f"{name} {'up' if table.facts[name].higher_is_better else 'down'}" for name in metrics]
    rows = [(dataset, *heading, *([f"{formula[0]} up"] if formula else []))]
    for label in labels:
        found = {name: means[label, dataset, name] for name in metrics if (label, dataset, name) in means}
        if found:
            shown = [found.get(name) for name in metrics] + ([_by_formula(formula[1], found)] if formula else [])
            rows.append((label, *("-" if one is None or math.isnan(one) else f"{one:.4f}" for one in shown)))
    return rows


def _by_formula(text: str, means: dict[str, float]) -> float | None:
    formula = Formula(text)
    if not set(formula.names) <= means.keys():
        return None
    return float(formula({name: np.array([means[name]]) for name in formula.names})[0])
