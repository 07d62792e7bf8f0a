"""Samplers that draw with probability softmax(quality / temperature), from scores that were made beforehand."""

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from iqa_sr.config.sections import Section
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.errors import OptionError
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.samplers.base import GroundTruthSampler, Shortlist
from iqa_sr.scores.image_batches import digest_of
from iqa_sr.scores.score_table import ScoreTable

__all__ = ["SoftmaxOptions", "SoftmaxSampler", "build_softmax"]

logger = logging.getLogger(__name__)

LOOKED_AT = 32
"""Ground truths whose files are compared with what was scored, spread over the data set."""


class SoftmaxOptions(Section):
    """The section of a softmax sampler.

    Attributes:
        type: `softmax-all` draws from the whole pool, `softmax-positives` from what observers preferred to the
            original.
        scores: Path of the ScoreTable that `iqa-sr score` made of the data set's root.
        metric: Name of one of the metrics in that table.
        temperature: Temperature of the softmax in units of the metric, or with `normalize` in standard deviations
            within a group. The paper's value is not published, 1.0 is our choice: without `normalize` it nearly always
            takes the best with MUSIQ (0 to 100) and is nearly uniform with TOPIQ (0 to 1).
        normalize: Whether to divide the qualities by their standard deviation within a group of ground truths, the root
            of the mean variance over the groups, which makes a temperature comparable between metrics. How images
            differ from each other has no part in it: the softmax of a group does not see it. The published formula does
            not divide; that is the default.
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
        options: Options of the sampler in the option file.
        qualities: Quality of each image by its key; larger is better.
        digests: Digest of each image's file by its key, where that is known.

    Attributes:
        unit: Divisor of the qualities besides the temperature: with `normalize` their standard deviation within a
            group, else 1. Which images are a group is known after `check`; until then all are one.

    Reference:
        Zhang, Rangrej, Aumentado-Armstrong, Fazly, Levinshtein: Augmenting Perceptual Super-Resolution via Image
        Quality Predictors, CVPR 2025.
    """

    def __init__(
        self, options: SoftmaxOptions, qualities: Mapping[str, float], digests: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.digests = options.type, dict(digests or {})
        self.options = options
        self.qualities = dict(qualities)
        self.unit = _spread_within([list(self.qualities.values())]) if options.normalize else 1.0

    def usable(self, record: Record) -> bool:
        """Check whether there is something to draw from."""
        return bool(self._pool(record))

    def check(self, records: Sequence[Record]) -> None:
        """Stop if a ground truth that may be drawn has no score; take the spread within groups from the records.

        How sharply the groups' best are preferred goes into the log: a temperature that does not fit the metric makes
        the sampler an argmax or a uniform one without any other sign.

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
        unknown = sum(not math.isfinite(self.qualities[path]) for path in wanted)
        if unknown:
            logger.warning(
                "%s: %d of %d ground truths have no finite %s score in %s; they are drawn among themselves alone",
                *(self.name, unknown, len(wanted), self.options.metric, self.options.scores),
            )
        groups = [[self.qualities[record.ground_truths[i].path] for i in self._pool(record)] for record in records]
        groups = [group for group in groups if len(group) > 1]
        if self.options.normalize:
            self.unit = _spread_within(groups)
        if groups:
            logger.info(
                "%s: at temperature %g, in units of %.4g %s, a group's best ground truth is drawn in %.0f %% of the "
                "draws; uniformly it would be %.0f %%",
                self.name,
                self.options.temperature,
                self.unit,
                self.options.metric,
                100 * statistics.fmean(self._probabilities(group).max().item() for group in groups),
                100 * statistics.fmean(1 / len(group) for group in groups),
            )

    def check_files(self, store: ImageStore, records: Sequence[Record]) -> None:
        """Look at a few files: scores of another folder, or of ground truths that were made anew, would be drawn by."""
        wanted = [record.ground_truths[i].path for record in records for i in self._pool(record)]
        known = [path for path in wanted if path in self.digests]
        for path in known[:: max(1, len(known) // LOOKED_AT)]:
            if digest_of(store.read(path)) != self.digests[path]:
                raise ValueError(
                    f"{self.options.scores} holds a score of another file than {store.location(path)}: that has "
                    f"changed since, or another folder was scored.\n{_command(self.options)}"
                )

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """One position, drawn by quality; with the qualities of the record's whole pool."""
        pool = self._pool(record)
        probabilities = self._probabilities([self.qualities[record.ground_truths[i].path] for i in pool])
        position = int(torch.multinomial(probabilities, 1, generator=generator))
        qualities = tuple(self.qualities.get(gt.path, math.nan) for gt in record.ground_truths)
        return Shortlist((pool[position],), qualities)

    def _probabilities(self, qualities: Sequence[float]) -> Tensor:
        """`(K,)` float64: how likely each of a group is to be drawn."""
        logits = torch.tensor(qualities, dtype=torch.float64) / (self.options.temperature * self.unit)
        known = logits.isfinite()
        logits = torch.where(known, logits, -torch.inf) if known.any() else torch.zeros_like(logits)
        return logits.softmax(0)

    def _pool(self, record: Record) -> tuple[int, ...]:
        return record.positives if self.name == "softmax-positives" else tuple(range(len(record.ground_truths)))


def _spread_within(groups: Sequence[Sequence[float]]) -> float:
    """The root of the mean variance within groups, of finite values; 1 where there is none."""
    known = [[value for value in group if math.isfinite(value)] for group in groups]
    variances = [statistics.pvariance(group) for group in known if len(group) > 1]
    return math.sqrt(statistics.fmean(variances)) if any(variances) else 1.0


def build_softmax(options: SoftmaxOptions, path: str) -> SoftmaxSampler:
    """Build a softmax sampler and read its table of scores.

    Args:
        options: Section of the sampler.
        path: Place of the section in the option file.

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
        qualities, digests = table.oriented(options.metric), table.digests(options.metric)
    except ValueError as error:
        raise OptionError(f"{path}:metric: {options.scores}: {error}.\n{_command(options)}") from None
    return SoftmaxSampler(options, qualities, digests)


def _command(options: SoftmaxOptions) -> str:
    return (
        f"Make them: iqa-sr score ROOT --metric {options.metric} --output {options.scores}\n"
        "where ROOT is the folder given as dataroot_gt."
    )
