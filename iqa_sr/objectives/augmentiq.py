"""AugmentIQ's two heads on frozen encoders learn human ratings of AI-generated images."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from iqa_sr.archs.augmentiq_arch import AugmentIQHeads
from iqa_sr.archs.reiqa_arch import REIQA_FEATURES
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.losses.mos_loss import correlation_loss, squared_error
from iqa_sr.metrics.augmentiq import HEADS
from iqa_sr.metrics.reiqa import ENCODERS
from iqa_sr.objectives.base import Objective, ObjectiveOptions
from iqa_sr.objectives.frozen_features import FrozenFeatures
from iqa_sr.stats.correlation import pearson, spearman

__all__ = ["AugmentIQObjective", "AugmentIQOptions"]


class AugmentIQOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `augmentiq`.

    Attributes:
        text_encoder: Folder with `ImageReward.pt` and `vocab.txt`, see the metric; null trains the quality head alone.
        mse_weight: Weight of the squared error; it alone gives scores a scale.
        plcc_weight: Weight of the linear correlation over a batch; a batch of one has nothing to teach it.
        cache: Whether the features of an image are kept in memory; else they are computed again in every epoch.
    """

    text_encoder: str | None = None
    mse_weight: float = Field(1.0, ge=0)
    plcc_weight: float = Field(1.0, ge=0)
    cache: bool = True

    @model_validator(mode="after")
    def _something(self) -> "AugmentIQOptions":
        if not (self.mse_weight or self.plcc_weight):
            raise ValueError("one of mse_weight and plcc_weight must be above 0")
        return self


class AugmentIQObjective(Objective[AugmentIQOptions]):
    """Teaches `AugmentIQHeads` from opinion scores: one head the quality, the other the alignment with the prompt.

    The scores of the trained heads are those of the data set's declared range mapped to [0, 1]: 0 the worst possible
    opinion, 1 the best, whatever the collection's own scale is.

    Args:
        network: The heads.
        options: Checked options.

    Raises:
        OptionError: If the heads do not fit the encoders.
        FileNotFoundError: If an encoder's file is not on the machine.
        ModuleNotFoundError: If there is a text encoder and transformers is not installed.
        ValueError: If an encoder's file holds something else.
    """

    Options = AugmentIQOptions
    network_types = ("AugmentIQHeads",)
    dataset_types = ("AIGCDataset",)

    def __init__(self, network: nn.Module, options: AugmentIQOptions) -> None:
        super().__init__(network, options)
        _check_fit(self._heads, options)
        self.features = FrozenFeatures(options.text_encoder, options.cache)
        text_head, given = self._heads.text_head, self.features.text_width
        wanted = None if text_head is None else text_head.norm.normalized_shape[0]
        if wanted != given:
            raise OptionError(f"network_g:text: train:objective:text_encoder gives {given} features, got {wanted}")

    @classmethod
    def weight_files(cls, options: ObjectiveOptions, network: Mapping[str, Any]) -> tuple[str, ...]:
        """Re-IQA's encoders; the text encoder is a folder of the user's."""
        return tuple(ENCODERS.values())

    @property
    def _heads(self) -> AugmentIQHeads:
        return cast(AugmentIQHeads, self.network)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of weight above 0 for the quality, and `alignment_*` ones where texts are read.

        Args:
            batch: `path` and `prompt`, N texts; `quality` `(N,)`, and with texts `alignment` `(N,)`.

        Raises:
            ValueError: If the batch lacks what the text head learns.
        """
        options = self.options
        losses = {}
        for name, (prediction, score) in self._predicted(batch).items():
            prefix = "" if name == "quality" else f"{name}_"
            if options.mse_weight:
                losses[f"{prefix}mse"] = options.mse_weight * squared_error(prediction, score)
            if options.plcc_weight:
                losses[f"{prefix}plcc"] = options.plcc_weight * correlation_loss(prediction, score)
        return losses

    def _predicted(self, batch: Mapping[str, Any]) -> dict[str, tuple[Tensor, Tensor]]:
        """Predictions of the heads and human labels, `(N,)` each, by name."""
        text_head = self._heads.text_head
        if text_head is not None and "alignment" not in batch:
            raise ValueError(
                "augmentiq: the data set has no scores of the alignment with the prompt, which the text head learns; "
                "set train:objective:text_encoder and network_g:text to null"
            )
        images, texts = self.features(batch["path"], batch["prompt"])  # (N, 8192), (N, F)
        predicted = {"quality": (self._heads.quality_head(images), batch["quality"])}
        if text_head is not None:
            predicted["alignment"] = (text_head(texts), batch["alignment"])
        return predicted

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Over the whole set: `plcc` and `srcc` of the quality; where texts are read `alignment_plcc`, `_srcc`."""
        pairs: dict[str, list[np.ndarray]] = {}
        for batch in batches:
            for name, predicted in self._predicted(batch).items():
                pairs.setdefault(name, []).append(np.stack([values.float().cpu().numpy() for values in predicted]))
        figures: dict[str, float] = {}
        for name, parts in pairs.items():
            prediction, score = np.concatenate(parts, axis=1).astype(np.float64)
            prefix = "" if name == "quality" else f"{name}_"
            figures |= {f"{prefix}plcc": pearson(prediction, score), f"{prefix}srcc": spearman(prediction, score)}
        return figures

    def publish(self, folder: Path) -> list[Path]:
        """Write `augmentiq.pth`, the file of the metric `augmentiq`."""
        path = folder / HEADS
        state = self.network.state_dict()
        write_tensor_file({key: value.detach().cpu().float().contiguous() for key, value in state.items()}, path)
        return [path]


def _check_fit(heads: AugmentIQHeads, options: AugmentIQOptions) -> None:
    """Check what can be checked before the encoders are read."""
    width = heads.quality_head.norm.normalized_shape[0]
    if width != REIQA_FEATURES:
        raise OptionError(f"network_g:quality: Re-IQA's encoders give {REIQA_FEATURES} features, got {width}")
    if (heads.text_head is None) != (options.text_encoder is None):
        without = "network_g:text" if heads.text_head is None else "train:objective:text_encoder"
        raise OptionError(
            f"{without}: missing; the text head (network_g:text, for ImageReward [768, 256]) and its encoder "
            "(train:objective:text_encoder) are both set, or both null to learn from images alone"
        )
