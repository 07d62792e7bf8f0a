"""A metric of one's own taste: a JOD-lite network goes on learning, from what people preferred."""

import copy
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from iqa_sr.archs.jod_lite_arch import JODLite
from iqa_sr.config.values import Iterations
from iqa_sr.losses.bradley_terry_loss import bradley_terry_loss
from iqa_sr.losses.fidelity_loss import fidelity_loss, preference_probability
from iqa_sr.metrics.jod_lite import PREFERENCE_OWN, SHIPPED
from iqa_sr.objectives.base import Objective, ObjectiveOptions, write_network
from iqa_sr.objectives.held_out_record import HeldOutRecord
from iqa_sr.stats.pairwise_accuracy import correct_pairs, decided

__all__ = ["PreferenceObjective", "PreferenceOptions"]

logger = logging.getLogger(__name__)


class PreferenceOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `preferences`.

    Attributes:
        loss: `bradley-terry`, the likelihood of the answers, ties by half; or `fidelity`, that of A-FINE, which a few
            wrong answers pull less.
        scale: Difference of scores at which 73 % are expected to prefer the better image (`fidelity`: 76 %).
        all_from: First iteration in which the layers before the head are trained, too; null for the head alone.
        rest_rate: Learning rate of those layers, as a multiple of `train:optim_g:lr`.
        decay: Weight of half the squared distance from the weights of the start: what keeps few answers from being
            learned by heart.
        level: Largest p-value with which the network counts as better than the start; else the start is published.
    """

    loss: Literal["bradley-terry", "fidelity"] = "bradley-terry"
    scale: float = Field(1.0, gt=0)
    all_from: Iterations | None = Field(None, ge=1)
    rest_rate: float = Field(0.1, gt=0, le=1)
    decay: float = Field(0.01, ge=0)
    level: float = Field(0.05, gt=0, lt=1)


class PreferenceObjective(Objective[PreferenceOptions]):
    """Teaches `JODLite` which of two images of one content the raters prefer.

    It begins with the weights of `jod-lite`, unless `path:pretrain_network_g` names others, and stays near them. The
    network that is published is the one with most held-out pairs right (of several the one with the smallest loss), if
    it has beaten the start and a coin on them; else the start itself. That is decided by a permutation test: the signs
    of the contents' leads are flipped, see `HeldOutRecord.p_value`.

    Reference:
        Bradley, Terry: Rank analysis of incomplete block designs, Biometrika 39(3/4), 1952;
        Chen, Wu, Ma, Zhang: A-FINE, CVPR 2025, https://arxiv.org/abs/2503.11221 (the fidelity loss);
        Li, Grandvalet, Davoine: Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018,
        https://arxiv.org/abs/1802.01483 (decay toward the start, L2-SP).
    """

    Options = PreferenceOptions
    network_types = ("JODLite",)
    dataset_types = ("PreferenceDataset",)

    def __init__(self, network: nn.Module, options: PreferenceOptions) -> None:
        super().__init__(network, options)
        self.network.requires_grad_(options.all_from is not None)
        cast(JODLite, network).head.requires_grad_(True)
        self._record = HeldOutRecord({name: value.detach().clone() for name, value in network.state_dict().items()})

    @classmethod
    def default_start(cls, options: ObjectiveOptions) -> Path | None:
        """The weights of `jod-lite`."""
        return SHIPPED

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """The head, and with a rate of their own the layers before it."""
        head = list(cast(JODLite, self.network).head.parameters())
        known = {id(parameter) for parameter in head}
        rest = [one for one in self.network.parameters() if one.requires_grad and id(one) not in known]
        return [{"params": head}, *([{"params": rest, "lr": rate * self.options.rest_rate}] if rest else [])]

    def before_step(self, iteration: int) -> None:
        """Take down the iteration, by which the layers before the head begin."""
        self._record.iteration = iteration

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """`preference`, and `decay`, half the squared distance from the start.

        Before `all_from` the layers before the head have the gradient of `decay` alone, which is 0 as long as they are
        at the start: they stay there, and several processes still wait for the same parameters.

        Args:
            batch: `first` and `second` `(B, 3, S, S)`, `preference` `(B,)`, `weight` `(B,)`.
        """
        network, options = cast(JODLite, self.network), self.options
        features = network.features(torch.cat([batch["first"], batch["second"]]))  # (2 B, width, S / 8, S / 8)
        if options.all_from is None or self._record.iteration < options.all_from:
            features = features.detach()
        first, second = network.head(features).float().mean((1, 2, 3)).chunk(2)  # (B,) each
        start = self._record.on_device(first.device)
        distances = [
            (parameter - start[name]).square().sum()
            for name, parameter in network.named_parameters()
            if parameter.requires_grad
        ]
        return {
            "preference": self._preference_loss(first, second, batch["preference"], batch["weight"]),
            "decay": options.decay / 2 * torch.stack(distances).sum(),
        }

    def _preference_loss(self, first: Tensor, second: Tensor, share: Tensor, weight: Tensor | None = None) -> Tensor:
        scale = self.options.scale
        if self.options.loss == "bradley-terry":
            return bradley_terry_loss(first, second, share, weight, scale)
        return fidelity_loss(preference_probability(-first / scale, -second / scale), share, weight)

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Measure how many held-out pairs are in the order that their raters prefer, those without one left out.

        Returns:
            `accuracy`; `accuracy_start`, that of the start on the same pairs; `neg_loss` over all pairs.
        """
        scores, starts, shares, pairs, contents = [], [], [], list[str](), list[str]()
        for batch in batches:
            images = torch.cat([batch["first"], batch["second"]])
            start = self._record.on_device(images.device)
            scores.append(self.network(images).float().view(2, -1))
            starts.append(torch.func.functional_call(self.network, start, (images,)).float().view(2, -1))
            shares.append(batch["preference"])
            contents += batch["content"]
            pairs += [f"{path} {share:g}" for path, share in zip(batch["path"], batch["preference"], strict=True)]
        score, share = torch.cat(scores, dim=1), torch.cat(shares)  # (2, N), (N,)
        loss = float(self._preference_loss(score[0], score[1], share))
        preferred = np.sign(share.cpu().numpy() - 0.5) / 2 + 0.5
        counted = decided(preferred, "leave-out")
        right, start_right = (
            correct_pairs(found[0].cpu().numpy(), found[1].cpu().numpy(), preferred)[counted]
            for found in (score, torch.cat(starts, dim=1))
        )
        names, groups = (np.array(values, dtype=object)[counted].tolist() for values in (pairs, contents))
        if not len(right):
            return {"accuracy": float("nan"), "accuracy_start": float("nan"), "neg_loss": -loss}
        self._record.take(self.network, loss, right, start_right, names, groups)
        return {"accuracy": float(right.mean()), "accuracy_start": float(start_right.mean()), "neg_loss": -loss}

    def state(self) -> dict[str, Any]:
        """State that a resume needs: the start, and what validations have found."""
        return self._record.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `state()` gave."""
        self._record.load_state(state)

    def publish(self, folder: Path) -> list[Path]:
        """Write `preference_own.safetensors`, the file of the metric `preference-own`, and say what it is worth."""
        state, better, text = self._record.decision(self.options.level)
        logger.log(logging.INFO if better else logging.WARNING, "%s", text)
        network = copy.deepcopy(self.network)
        network.load_state_dict(state)
        return [write_network(network, folder / PREFERENCE_OWN)]
