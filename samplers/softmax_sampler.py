"""Samplers that draw with probability softmax(quality / temperature), from scores that were made beforehand."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, field_validator

from iqa_sr.config.sections import Section
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.errors import OptionError
from iqa_sr.samplers.base import GroundTruthSampler, Shortlist
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["SoftmaxOptions", "SoftmaxSampler", "build_softmax"]


class SoftmaxOptions(Section):
    """The section of a softmax sampler.

    Attributes:
        type: `softmax-all` draws from the whole pool, `softmax-positives` from what people preferred to the original.
        scores: The ScoreTable that `iqa-sr score` made of the data set's root.
        metric: Which of its metrics.
        temperature: In units of the metric, or with `normalize` in its standard deviations. The paper's value is not
            published, 1.0 is our choice: with MUSIQ (0 to 100) it nearly always takes the best, with TOPIQ (0 to 1)
            it is nearly uniform.
        normalize: Divide the qualities by their standard deviation over the table's pictures, which makes a
            temperature comparable between metrics. The published formula does not; that is the default.
    """

    type: Literal["softmax-all", "softmax-positives"]
    scores: Path
    metric: str
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    normalize: bool = False

    @field_validator("scores")
    @classmethod
    def _expand(cls, path: Path) -> Path:
        return path.expanduser()


class SoftmaxSampler(GroundTruthSampler):
    """Draws a ground truth with probability softmax(quality / temperature): the paper's SMA and SMP.

    A ground truth whose quality is NaN or infinite is never drawn, unless all are so; then each is as likely.

    Args:
        options: What the option file says.
        qualities: The quality of each picture by its key; larger is better.

    Reference:
        Zhang, Rangrej, Aumentado-Armstrong, Fazly, Levinshtein: Augmenting Perceptual Super-Resolution via Image
        Quality Predictors, CVPR 2025.
    """

    def __init__(self, options: SoftmaxOptions, qualities: Mapping[str, float]) -> None:
        self.name = options.type
        self.options = options
        self.qualities = dict(qualities)
        known = [quality for quality in self.qualities.values() if math.isfinite(quality)] if options.normalize else []
        self.unit = (statistics.pstdev(known) if known else 0.0) or 1.0

    def usable(self, record: Record) -> bool:
        """Whether there is something to draw from."""
        return bool(self._pool(record))

    def check(self, records: Sequence[Record]) -> None:
        """Stop if a ground truth that may be drawn has no score.

        Raises:
            ValueError: With their number and the command that makes the scores.
        """
        wanted = [record.ground_truths[i].path for record in records for i in self._pool(record)]
        missing = [path for path in wanted if path not in self.qualities]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(wanted)} ground truths have no {self.options.metric} score in "
                f"{self.options.scores}, the first is {missing[0]}.\n{_command(self.options)}"
            )

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """One position, drawn by quality; with the qualities of the record's whole pool."""
        pool = self._pool(record)
        logits = torch.tensor([self.qualities[record.ground_truths[i].path] for i in pool], dtype=torch.float64)
        logits = logits / (self.options.temperature * self.unit)
        known = logits.isfinite()
        logits = torch.where(known, logits, -torch.inf) if known.any() else torch.zeros_like(logits)
        position = int(torch.multinomial(logits.softmax(0), 1, generator=generator))
        qualities = tuple(self.qualities.get(gt.path, math.nan) for gt in record.ground_truths)
        return Shortlist((pool[position],), qualities)

    def _pool(self, record: Record) -> tuple[int, ...]:
        return record.positives if self.name == "softmax-positives" else tuple(range(len(record.ground_truths)))


def build_softmax(options: SoftmaxOptions, path: str) -> SoftmaxSampler:
    """The sampler with its scores read.

    Args:
        options: Its section.
        path: Where that is in the option file.

    Raises:
        OptionError: If the table is missing, damaged or without the metric; the text has the command that makes it.
    """
    try:
        table = ScoreTable.read(options.scores)
    except FileNotFoundError as error:
        raise OptionError(f"{path}:scores: {error}.\n{_command(options)}") from None
    except (ValueError, OSError) as error:
        raise OptionError(f"{path}:scores: {error}") from None
    try:
        qualities = table.oriented(options.metric)
    except ValueError as error:
        raise OptionError(f"{path}:metric: {options.scores}: {error}.\n{_command(options)}") from None
    return SoftmaxSampler(options, qualities)


def _command(options: SoftmaxOptions) -> str:
    return (
        f"Make them: iqa-sr score ROOT --metric {options.metric} --output {options.scores}\n"
        "where ROOT is the folder given as dataroot_gt."
    )
