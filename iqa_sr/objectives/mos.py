"""Learning from opinion scores: squared error, linear correlation and the order of pairs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from iqa_sr.archs.rankiqa_arch import UNTOUCHED
from iqa_sr.losses.mos_loss import correlation_loss, pair_loss, squared_error
from iqa_sr.metrics.rankiqa import OWN
from iqa_sr.objectives.base import Objective, ObjectiveOptions, write_network
from iqa_sr.stats.correlation import kendall, pearson, spearman

__all__ = ["MOSObjective", "MOSOptions"]


class MOSOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `mos`.

    The last two compare the images of a batch: a batch of one has nothing to teach them.

    Attributes:
        mse_weight: Weight of the squared error; it alone gives scores a scale.
        plcc_weight: Weight of the linear correlation over a batch.
        rank_weight: Weight of the order of pairs.
        rank_tolerance: Pairs whose qualities differ by no more are not compared, of a range of 1.
        rank_margin: Difference of predictions that is asked for one of qualities.
    """

    mse_weight: float = Field(1.0, ge=0)
    plcc_weight: float = Field(1.0, ge=0)
    rank_weight: float = Field(1.0, ge=0)
    rank_tolerance: float = Field(0.02, ge=0, lt=1)
    rank_margin: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> "MOSOptions":
        if not (self.mse_weight or self.plcc_weight or self.rank_weight):
            raise ValueError("one of mse_weight, plcc_weight and rank_weight must be above 0")
        return self


class MOSObjective(Objective[MOSOptions]):
    """Trains RankIQA-lite on mean opinion scores (MOS).

    The network keeps its own scale, so that one that has learned to rank is a good start: 0 for the worst possible
    score, `UNTOUCHED` (5) for the best. Losses and figures are those of a fifth of that.
    """

    Options = MOSOptions
    network_types = ("RankIQALite",)
    dataset_types = ("OpinionDataset",)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of weight above 0: `mse`, `plcc` and `rank`.

        Args:
            batch: `image` `(B, 3, S, S)`, `quality` `(B,)`.
        """
        options, quality = self.options, batch["quality"]
        prediction = self._quality(batch)  # (B,)
        losses = {}
        if options.mse_weight:
            losses["mse"] = options.mse_weight * squared_error(prediction, quality)
        if options.plcc_weight:
            losses["plcc"] = options.plcc_weight * correlation_loss(prediction, quality)
        if options.rank_weight:
            losses["rank"] = options.rank_weight * pair_loss(
                prediction, quality, options.rank_tolerance, options.rank_margin
            )
        return losses

    def _quality(self, batch: Mapping[str, Any]) -> Tensor:
        """Output of the network, in [0, 1] where it says something possible."""
        scores: Tensor = self.network(batch["image"])
        return scores.float() / UNTOUCHED

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Over the whole set: `plcc`, `srcc`, `krcc`, and the negative of the root mean squared error, `neg_rmse`."""
        predictions, qualities = [], []
        for batch in batches:
            predictions.append(self._quality(batch).cpu().numpy())
            qualities.append(batch["quality"].cpu().numpy())
        prediction, quality = (np.concatenate(parts).astype(np.float64) for parts in (predictions, qualities))
        return {
            "plcc": pearson(prediction, quality),
            "srcc": spearman(prediction, quality),
            "krcc": kendall(prediction, quality),
            "neg_rmse": -float(np.sqrt(np.mean((prediction - quality) ** 2))),
        }

    def publish(self, folder: Path) -> list[Path]:
        """Write `rankiqa_own.safetensors`, the file of `rankiqa-own`; its scores are five times the qualities."""
        return [write_network(self.network, folder / OWN)]
