"""Ranking without labels: worse levels score lower, and so does what an attack made of an image."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from iqa_sr.archs.rankiqa_arch import UNTOUCHED
from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.config.sections import Section
from iqa_sr.losses.ranking_loss import agreement_loss, anchor_loss, cross_ranking_loss, ranking_loss
from iqa_sr.metrics.rankiqa import OWN
from iqa_sr.objectives.base import Objective, ObjectiveOptions, write_network
from iqa_sr.runtime import distributed
from iqa_sr.stats.ordering import network_ordering

__all__ = ["Attack", "RankingObjective", "RankingOptions"]


class Attack(Section):
    """Adversarial rounds: images that were changed so that an earlier version of the network likes them better.

    Attributes:
        start: Iteration of the first round.
        every: Iterations of a round; at its start the network is copied, and the copy is attacked.
        keep: Number of copies; each attack takes one of them at random.
        share: Share of a batch's crops that are attacked.
        steps: Largest number of steps of sign-gradient ascent.
        shortest_step: Steps are shortened at random, at most to this share. Long ones alone leave noise of a few
            values, which is easily told, and teach nothing about the many short ones that optimization takes.
        bound: Largest change of a pixel, of 255.
        margin: Margin by which an attacked image with the full bound must score below the image that it was made of.
        weight: Weight of this loss.
    """

    start: int = Field(1, ge=1)
    every: int = Field(100, ge=1)
    keep: int = Field(4, ge=1, le=1000)
    share: float = Field(0.125, gt=0, le=1)
    steps: int = Field(8, ge=1, le=1000)
    shortest_step: float = Field(0.25, gt=0, le=1)
    bound: float = Field(8.0, gt=0)
    margin: float = Field(1.5, ge=0)
    weight: float = Field(1.0, gt=0)


class RankingOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `ranking`.

    Attributes:
        rank_weight: Weight of the order of one content's levels.
        cross_weight: Weight of the order between contents.
        cross_tolerance: Levels by which contents may differ.
        agreement_weight: Weight of the agreement between equally distorted crops of one image.
        agreement_tolerance: Difference, in levels, that the scores of such crops may have.
        anchor_weight: Weight of the quality that untouched images are to have.
        smoothest: Untouched crops with a smaller RMS gradient, in levels of 255 per px, are compared with themselves
            only, neither with other contents nor with the anchor: a clear sky looks like a strongly blurred wood.
        attack: Adversarial rounds; null for none.
    """

    rank_weight: float = Field(1.0, ge=0)
    cross_weight: float = Field(0.3, ge=0)
    cross_tolerance: float = Field(2.0, ge=0)
    agreement_weight: float = Field(0.3, ge=0)
    agreement_tolerance: float = Field(0.5, ge=0)
    anchor_weight: float = Field(0.3, ge=0)
    smoothest: float = Field(6.0, ge=0)
    attack: Attack | None = None


class RankingObjective(Objective[RankingOptions]):
    """Teaches `RankIQALite`, or `PatchTransformer`, from images without labels.

    Reference:
        Liu, van de Weijer, Bagdanov: RankIQA, ICCV 2017, https://arxiv.org/abs/1707.08347 (synthetic levels);
        Agnolucci, Galteri, Bertini: QualiCLIP, 2024, https://arxiv.org/abs/2403.11176 (margins, agreement of crops);
        Madry et al.: Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018,
        https://arxiv.org/abs/1706.06083 (attacks as training data).
    """

    Options = RankingOptions
    network_types = ("RankIQALite", "PatchTransformer")
    dataset_types = ("RankingDataset",)

    def __init__(self, network: nn.Module, options: RankingOptions) -> None:
        super().__init__(network, options)
        # Outside the modules: copies are neither trained, nor saved as weights, nor averaged.
        self._copies: list[nn.Module] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "RankingObjective":
        return RankingObjective(copy.deepcopy(self.network, memo), self.options)

    def before_step(self, iteration: int) -> None:
        """Begin a round where one is due: the network as the first process has it now will be attacked."""
        attack = self.options.attack
        if attack is None or iteration < attack.start or (iteration - attack.start) % attack.every:
            return
        self._copies = self._copies[-(attack.keep - 1) :] if attack.keep > 1 else []
        victim = _frozen(self.network)
        # Each process has batch statistics of its own, and a training state keeps those of the first one only.
        distributed.share_buffers(victim)
        self._copies.append(victim)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of order, agreement and anchor, and with rounds of the attacked crops.

        Args:
            batch: `image` `(B, 2, L, 3, S, S)`, `level` `(B, L)`.
        """
        options = self.options
        image, level = batch["image"], batch["level"]
        crops = image.flatten(0, 2)  # (2 B L, 3, S, S)
        attacked, chosen, size = self._attacked(crops)
        everything = self.network(torch.cat([crops, attacked]) if len(attacked) else crops)  # (2 B L + attacked,)
        quality = everything[: len(crops)].view(len(level), 2, -1)  # (B, 2, L)
        levels = level[:, None].expand(-1, 2, -1)  # (B, 2, L)
        telling = _gradient(image[:, :, 0]) >= options.smoothest  # (B, 2)
        losses = {
            "rank": options.rank_weight * ranking_loss(quality.flatten(0, 1), levels.flatten(0, 1)),
            "cross": options.cross_weight
            * cross_ranking_loss(quality[telling].flatten(), levels[telling].flatten(), options.cross_tolerance),
            "agreement": options.agreement_weight
            * agreement_loss(quality[:, 0].flatten(), quality[:, 1].flatten(), options.agreement_tolerance),
            "anchor": options.anchor_weight * anchor_loss(quality[:, :, 0][telling], UNTOUCHED),
        }
        if options.attack is not None:
            losses["attack"] = self._attack_loss(quality.flatten()[chosen], everything[len(crops) :], size)
        return losses

    def _attack_loss(self, quality: Tensor, attacked: Tensor, size: Tensor) -> Tensor:
        attack = self.options.attack
        assert attack is not None
        if not len(attacked):
            return quality.sum() * 0
        return attack.weight * torch.relu(attack.margin * size - (quality - attacked)).mean()

    def _attacked(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Some crops attacked, their positions, and the size of the attack as a share of the bound."""
        attack = self.options.attack
        if attack is None or not self._copies:
            nothing = torch.empty(0, device=crops.device)
            return nothing, nothing.long(), nothing
        count = max(1, round(attack.share * len(crops)))
        chosen = torch.randperm(len(crops))[:count].to(crops.device)
        victim = self._copies[int(torch.randint(len(self._copies), ()))]
        size = (0.25 + 0.75 * torch.rand(count)).to(crops.device)
        steps = 1 + int(torch.randint(attack.steps, ()))
        bound = (size * attack.bound / 255).view(-1, 1, 1, 1)  # (count, 1, 1, 1)
        start = torch.rand(crops[chosen].shape).to(crops.device) * 2 - 1 if torch.rand(()) < 0.5 else None
        length = attack.shortest_step + (1 - attack.shortest_step) * float(torch.rand(()))
        attacked = sign_ascent(victim, crops[chosen], bound, steps, start, length)
        return attacked, chosen, size

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Shares of pairs of levels in the right order, see `network_ordering`."""
        return network_ordering(self.network, batches)

    def state(self) -> dict[str, Any]:
        """State that a resume needs: the copies of the adversarial rounds."""
        return {"copies": [copy.state_dict() for copy in self._copies]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the copies that `state()` gave."""
        self._copies = []
        for content in state["copies"]:
            self._copies.append(_frozen(self.network))
            self._copies[-1].load_state_dict(content)

    def publish(self, folder: Path) -> list[Path]:
        """Write `rankiqa_own.safetensors`, the file of the metric `rankiqa-own`."""
        return [write_network(self.network, folder / OWN)]


def _gradient(image: Tensor) -> Tensor:
    """RMS gradient of `(..., 3, H, W)` images in levels of 255 per px: `(...)`."""
    gray = image.mean(-3)  # (..., H, W)
    down, right = gray[..., 1:, :-1] - gray[..., :-1, :-1], gray[..., :-1, 1:] - gray[..., :-1, :-1]
    return 255 * (down.square() + right.square()).mean((-2, -1)).sqrt()


def _frozen(network: nn.Module) -> nn.Module:
    return cast(nn.Module, copy.deepcopy(network).eval().requires_grad_(False))
