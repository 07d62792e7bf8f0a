"""The distance of VGG's features, with BasicSR's options and numbers."""

from collections.abc import Callable, Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.registry import LOSS_REGISTRY
from iqa_sr.basicsr_compat.builtin.vgg_arch import VGGFeatureExtractor

__all__ = ["PerceptualLoss"]

Criterion = Literal["l1", "l2", "fro"]

_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "fro": lambda x, y: torch.linalg.vector_norm(x - y),
}


@LOSS_REGISTRY.register()
class PerceptualLoss(nn.Module):
    """Distances of the features of two images and, for the style, of their correlations.

    Args:
        layer_weights: Weights of the layers by their names, see `VGGFeatureExtractor`; at least one.
        vgg_type: `vgg16` or `vgg19`.
        use_input_norm: Whether images in [0, 1] are normalized by ImageNet's mean and standard deviation.
        range_norm: Whether images are in [-1, 1] and brought to [0, 1] before.
        perceptual_weight: Factor of the distance of the features; 0 leaves it out.
        style_weight: Factor of the distance of their Gram matrices; 0 leaves it out.
        criterion: Distance: `l1`, `l2` (squared, mean) or `fro` (Frobenius norm of the difference).

    Raises:
        ValueError: If there is no such layer, network or criterion.
        FileNotFoundError: If the file of weights is not on the machine and cannot be downloaded.

    Reference:
        Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016,
        https://arxiv.org/abs/1603.08155
    """

    def __init__(
        self,
        layer_weights: Mapping[str, float],
        vgg_type: str = "vgg19",
        use_input_norm: bool = True,
        range_norm: bool = False,
        perceptual_weight: float = 1.0,
        style_weight: float = 0.0,
        criterion: Criterion = "l1",
    ) -> None:
        super().__init__()
        check_choice("criterion", criterion, _DISTANCES)
        if not layer_weights:
            raise ValueError("layer_weights: expected weights of at least one layer, for example conv5_4, got none")
        self.layer_weights = dict(layer_weights)
        self.perceptual_weight = perceptual_weight
        self.style_weight = style_weight
        self.criterion_type = criterion
        self.vgg = VGGFeatureExtractor(list(layer_weights), vgg_type, use_input_norm, range_norm)

    def forward(self, x: Tensor, gt: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The losses of a batch.

        Args:
            x: Results of the network, `(N, 3, H, W)` float RGB in [0, 1], or in [-1, 1] with `range_norm`.
            gt: Ground truths of the same shape; no gradient reaches them.

        Returns:
            The perceptual and the style loss, scalars; None for one whose weight is 0.
        """
        features, wanted = self.vgg(x), self.vgg(gt.detach())
        perceptual = style = None
        if self.perceptual_weight > 0:
            perceptual = self._distance(features, wanted) * self.perceptual_weight
        if self.style_weight > 0:
            grams = ({name: _gram(one) for name, one in found.items()} for found in (features, wanted))
            style = self._distance(*grams) * self.style_weight
        return perceptual, style

    def _distance(self, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
        distance = _DISTANCES[self.criterion_type]
        return cast(Tensor, sum(distance(found[name], wanted[name]) * self.layer_weights[name] for name in found))


def _gram(features: Tensor) -> Tensor:
    """`(N, C, h, w)` to `(N, C, C)`: the correlations of channels, divided by the number of values."""
    flat = features.flatten(2)  # (N, C, h * w)
    return flat.bmm(flat.transpose(1, 2)) / features[0].numel()
