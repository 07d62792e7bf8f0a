"""The three stages of A-FINE's training: naturalness with CLIP, fidelity, and how the two are joined."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from iqa_sr.archs.afine_arch import AFINENetwork
from iqa_sr.losses.fidelity_loss import fidelity_loss, preference_probability
from iqa_sr.objectives.afine_network import OPENAI, write_afine
from iqa_sr.objectives.base import Objective, ObjectiveOptions

__all__ = ["AFINEObjective", "AFINEOptions"]

_PAIRS = ("x1_x2", "x1_ref", "x2_ref")


class AFINEOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `afine`.

    Attributes:
        stage: 1 trains CLIP and the naturalness, 2 the fidelity, 3 both maps and the adapter; each after the one
            before, whose checkpoint `path:pretrain_network_g` names.
    """

    stage: Literal[1, 2, 3]


class AFINEObjective(Objective[AFINEOptions]):
    """Teaches A-FINE's network from triplets: which of two images of one reference observers prefer.

    The score u that is compared is lower for better images: the raw naturalness in stage 1, where both images are
    also compared with the reference; the raw fidelity to the reference in stage 2; the joined D in stage 3.

    Differs from the original:
        * A batch is computed at once; the authors' code takes one triplet after the other.
        * Under torchrun CLIP's gradients are averaged over the processes as all others are. The authors' first stage
          leaves CLIP out of that, so that each process would train a CLIP of its own.
        * CLIP's last norm and projection, which no loss sees, are frozen.

    Reference:
        Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
        Assumption, CVPR 2025, https://arxiv.org/abs/2503.11221.
    """

    Options = AFINEOptions
    network_types = ("TrainableAFINE",)
    dataset_types = ("TripletDataset",)

    def __init__(self, network: nn.Module, options: AFINEOptions) -> None:
        super().__init__(network, options)
        self.network.requires_grad_(False)
        for part in _trained(cast(AFINENetwork, network), options.stage):
            part.requires_grad_(True)

    @classmethod
    def weight_files(cls, options: ObjectiveOptions, network: Mapping[str, Any]) -> tuple[str, ...]:
        """OpenAI's CLIP, unless `network_g:clip` is `none`."""
        return (OPENAI,) if network.get("clip", "openai") == "openai" else ()

    @classmethod
    def needed_start(cls, options: ObjectiveOptions) -> str | None:
        """Checkpoint of the stage before; None for the first stage."""
        stage = cast(AFINEOptions, options).stage
        return f"the net_g_latest.pth of stage {stage - 1}" if stage > 1 else None

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The fidelity loss of each kind of pair: `x1_x2`, and in stage 1 `x1_ref` and `x2_ref`.

        Args:
            batch: `image` `(B, 3, 3, H, W)` of the first and second image and the reference, sides multiples of 32;
                `target` `(B, 3)`.
        """
        return {
            name: fidelity_loss(preference_probability(*pair), target)
            for name, pair, target in zip(_PAIRS, self._compared(batch), batch["target"].unbind(1), strict=False)
        }

    def _compared(self, batch: Mapping[str, Any]) -> list[tuple[Tensor, Tensor]]:
        """The scores `(B,)` of the pairs that the stage compares, in the order of the targets."""
        network = cast(AFINENetwork, self.network)
        image = batch["image"].transpose(0, 1).flatten(0, 1)  # (3 B, 3, H, W)
        statistics = network.statistics(image)
        # Differences of scores would be lost in 16 bits; CLIP's own sums are float32 also inside autocast.
        with torch.autocast(image.device.type, enabled=False):
            first, second, reference = statistics.split(3)
            if self.options.stage == 1:
                n1, n2, nr = network.natural(statistics).chunk(3)  # (B,) each
                return [(n1, n2), (n1, nr), (n2, nr)]
            f1, f2 = network.fidelity(first, reference), network.fidelity(second, reference)  # (B,) each
            if self.options.stage == 2:
                return [(f1, f2)]
            n1, n2, nr = network.natural_scale(network.natural(statistics)).chunk(3)  # (B,) each
            d1, d2 = (
                network.adapter(natural, nr, network.fidelity_scale(fidelity))
                for natural, fidelity in ((n1, f1), (n2, f2))
            )
            return [(d1, d2)]

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """The share of pairs (x1, x2) in the order that observers see (2AFC); ties need equal scores.

        Returns:
            `accuracy` of all; `accuracy_better` of DiffIQA's pairs with an image that is better than its reference,
            `accuracy_worse` of those with one that is worse and none that is better; `accuracy_KIND` of each kind of
            triplet (see `Triplet.kind`); `accuracy_SOURCE` of each list, where there are several.
        """
        right: dict[str, list[float]] = defaultdict(list)
        sources: dict[str, list[float]] = defaultdict(list)
        for batch in batches:
            first, second = self._compared(batch)[0]
            correct = torch.sign(second - first) == torch.sign(batch["target"][:, 0] - 0.5)
            for value, kind, source in zip(correct.float().tolist(), batch["kind"], batch["source"], strict=True):
                right[kind].append(value)
                sources[source].append(value)
        everything = [value for values in right.values() for value in values]
        figures = {"accuracy": _mean(everything)}
        for name, kinds in _GROUPS.items():
            found = [value for kind in kinds for value in right.get(kind, ())]
            if found:
                figures[f"accuracy_{name}"] = _mean(found)
        parts = {**dict(sorted(right.items())), **(dict(sorted(sources.items())) if len(sources) > 1 else {})}
        return figures | {f"accuracy_{name}": _mean(values) for name, values in parts.items()}

    def publish(self, folder: Path) -> list[Path]:
        """Write `afine.pth` after stage 3; the earlier stages end in `net_g_latest.pth`, where the next one starts."""
        return [write_afine(cast(AFINENetwork, self.network), folder)] if self.options.stage == 3 else []


_GROUPS = {"better": ("PSY", "PNY", "PYY"), "worse": ("SNY", "NYY")}
"""DiffIQA's test: images better than their reference, and worse."""


def _trained(network: AFINENetwork, stage: int) -> list[nn.Module | nn.Parameter]:
    """Trained parts of a stage."""
    if stage == 2:
        return [network.fidelity]
    if stage == 3:
        return [network.natural_scale, network.fidelity_scale, network.adapter]
    clip = network.finetuned_clip
    return [clip.conv1, clip.class_embedding, clip.positional_embedding, clip.ln_pre, clip.transformer, network.natural]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
