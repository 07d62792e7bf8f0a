"""The parts that perceptual distances share: scaling of the image, and weighted distances of unit features."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["LinearHead", "ScalingLayer", "layer_distances"]


class ScalingLayer(nn.Module):
    """Images as the trunks want them: `(2 x - 1 - shift) / scale`, nearly ImageNet's mean and deviation."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` in [0, 1] to the same shape."""
        return (image * 2 - 1 - self.shift) / self.scale


class LinearHead(nn.Module):
    """One weight per channel, under the published name `model.1.weight` (`model.0` is a dropout of the training)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, energies: Tensor) -> Tensor:
        """Weighted sum over the channels: `(N, C)` to `(N,)`."""
        return energies @ self.get_parameter("model.1.weight").flatten()


def layer_distances(images: Sequence[Tensor], references: Sequence[Tensor], heads: Iterable[nn.Module]) -> Tensor:
    """The weighted squared distance of the features of each layer, averaged over the positions (Eq. 1).

    Args:
        images: Features of the images, one tensor `(N, C, H, W)` for each layer, not normalized.
        references: Features of the references, of the same shapes.
        heads: A `LinearHead` for each layer.

    Returns:
        `(N, L)`, lower is closer.
    """
    pairs = zip(images, references, heads, strict=True)
    # Averaging comes before weighting: both are linear, and the head then has a few numbers instead of a map.
    return torch.stack([head((_unit(a) - _unit(b)).square().mean((2, 3))) for a, b, head in pairs], dim=1)


def _unit(features: Tensor) -> Tensor:
    """Features of length one at each position; none stay none.

    The gradient of the norm is 0 where all features are 0 (a root of a sum of squares would give NaN there).
    """
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)
