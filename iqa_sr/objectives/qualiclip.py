"""QualiCLIP's training: the more an image is distorted, the less it is like the good prompts, the more like the bad."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field
from torch import Tensor, nn

from iqa_sr.losses.ranking_loss import agreement_loss, order_loss
from iqa_sr.objectives.base import Objective, ObjectiveOptions
from iqa_sr.objectives.qualiclip_network import OPENAI, TrainableQualiCLIP, write_qualiclip
from iqa_sr.stats.ordering import network_ordering

__all__ = ["QualiCLIPObjective", "QualiCLIPOptions"]


class QualiCLIPOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `qualiclip`; likenesses are cosines.

    Attributes:
        rank_margin: Margin by which the likeness to good prompts falls, and that to bad ones rises, from each level to
            every later one.
        agreement_margin: Difference that the likenesses of equally distorted crops of one image may have.
        rank_weight: Weight of the order, for the good and for the bad prompts.
        agreement_weight: Weight of the agreement.
        freeze_norms: Whether the batch norms keep CLIP's statistics: those of a batch that is mostly distorted images
            would move all features.
    """

    rank_margin: float = Field(0.0675, ge=0)
    agreement_margin: float = Field(0.0025, ge=0)
    rank_weight: float = Field(1.0, ge=0)
    agreement_weight: float = Field(1.0, ge=0)
    freeze_norms: bool = True


class QualiCLIPObjective(Objective[QualiCLIPOptions]):
    """Teaches CLIP's image tower from images without labels; the text tower stays as it is.

    Differs from the original:
        The authors published no training code. Ours: the degradations of `iqa_sr.distortions` at any levels, the mean
        likeness over the seven pairs of prompts of the published score, all pairs of levels, frozen batch norms.

    Reference:
        Agnolucci, Galteri, Bertini: Quality-Aware Image-Text Alignment for Opinion-Unaware Image Quality Assessment,
        2024, https://arxiv.org/abs/2403.11176
    """

    Options = QualiCLIPOptions
    network_types = ("TrainableQualiCLIP",)
    dataset_types = ("RankingDataset",)

    @classmethod
    def weight_files(cls, options: ObjectiveOptions, network: Mapping[str, Any]) -> tuple[str, ...]:
        """OpenAI's CLIP, unless `network_g:clip` is `none`."""
        return (OPENAI,) if network.get("clip", "openai") == "openai" else ()

    def train(self, mode: bool = True) -> "QualiCLIPObjective":
        """Set the training mode of all modules; batch norms that are frozen stay in evaluation mode."""
        super().train(mode)
        if self.options.freeze_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses `rank_good` and `rank_bad` of the order of levels, and `agreement`.

        Args:
            batch: `image` `(B, 2, L, 3, S, S)`, two places of an image at `L` rising levels.
        """
        options, image = self.options, batch["image"]
        network = cast(TrainableQualiCLIP, self.network)
        good, bad = network.likeness(image.flatten(0, 2)).mean(1).unflatten(0, image.shape[:3]).unbind(3)  # (B, 2, L)
        return {
            "rank_good": options.rank_weight * order_loss(good.flatten(0, 1), options.rank_margin),
            "rank_bad": options.rank_weight * order_loss(-bad.flatten(0, 1), options.rank_margin),
            "agreement": options.agreement_weight
            * sum(agreement_loss(side[:, 0], side[:, 1], options.agreement_margin) for side in (good, bad)),
        }

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Shares of pairs of levels in the right order, see `network_ordering`."""
        return network_ordering(self.network, batches)

    def publish(self, folder: Path) -> list[Path]:
        """Write `qualiclip.pth`, the file of the metric."""
        return [write_qualiclip(cast(TrainableQualiCLIP, self.network), folder)]
