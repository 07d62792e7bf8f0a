"""DISTS' network: VGG-16 with L2 pooling, and the distances in texture and structure of two lists of features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint as recompute

from iqa_sr.archs.normalization import IMAGENET, Normalize

__all__ = ["DISTS_CHANNELS", "L2PoolVGG", "texture_and_structure"]

# The image itself is the first stage.
DISTS_CHANNELS = (3, 64, 128, 256, 512, 512)
STABLE = 1e-6


class L2PoolVGG(nn.Module):
    """The features of VGG-16 up to the last ReLU of each of its five stages; L2 pooling in place of max-pooling.

    Parameter names are torchvision's: `features.0.weight` to `features.28.bias`.

    Args:
        checkpoint: Keep only the borders between the stages for the backward pass and compute the rest again.

    Reference:
        Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity, IEEE TPAMI
        2020, https://arxiv.org/abs/2004.07728
    """

    window: Tensor

    def __init__(self, checkpoint: bool = False) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.features = nn.ModuleDict()
        position, width = 0, 3
        self.stages: list[list[str]] = []
        for channels, depth in zip(DISTS_CHANNELS[1:], (2, 2, 3, 3, 3), strict=True):
            self.stages.append([str(position + 2 * i) for i in range(depth)])
            for key in self.stages[-1]:
                self.features[key] = nn.Conv2d(width, channels, 3, padding=1)
                width = channels
            position += 2 * depth + 1  # convolution and ReLU in turn, then a pooling
        self.normalize = Normalize(IMAGENET)
        hann = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("window", torch.outer(hann, hann)[None, None], persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Image and features of the five stages of VGG-16.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1]; any size.

        Returns:
            Six tensors `(N, C, H', W')`, C as in `DISTS_CHANNELS`; the size halves, rounded up, from the third on.
        """
        features, x = [image], self.normalize(image)
        for stage in range(len(self.stages)):
            if self.checkpoint and torch.is_grad_enabled():
                x = recompute(self._stage, x, stage, use_reentrant=False)
            else:
                x = self._stage(x, stage)
            features.append(x)
        return features

    def _stage(self, x: Tensor, stage: int) -> Tensor:
        if stage:
            # Root of the weighted mean square under a 3x3 Hann window, every second position.
            weight = self.window.expand(x.shape[1], 1, 3, 3)  # (C, 1, 3, 3)
            x = (F.conv2d(x.square(), weight, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()  # (N, C, h', w')
        for key in self.stages[stage]:
            x = F.relu(self.features[key](x), inplace=True)  # (N, channels of the stage, h', w')
        return x


def texture_and_structure(images: Sequence[Tensor], references: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Distance to equality of texture (global means) and structure (global covariances).

    With the similarity of means l = (2 m n + c) / (m^2 + n^2 + c), 1 - l = (m - n)^2 / (m^2 + n^2 + c); likewise
    with covariance and variances, where the numerator is the variance of the difference. Written so, nothing cancels:
    equal features have exactly 0.

    Args:
        images: Features of the images, one tensor `(N, C, H, W)` for each stage.
        references: Features of the references, of the same shapes.

    Returns:
        Two tensors `(N, sum of C)`, texture first: 1 - l in [0, 1] where features are not negative, 1 - s in [0, 2].
    """
    texture, structure = [], []
    for x, y in zip(images, references, strict=True):
        x_mean, y_mean = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)  # (N, C, 1, 1) each
        energy = (x_mean.square() + y_mean.square()).flatten(1)  # (N, C)
        texture.append((x_mean - y_mean).square().flatten(1) / (energy + STABLE))
        x, y = x - x_mean, y - y_mean
        variances = (x.square() + y.square()).mean((2, 3))  # (N, C)
        structure.append((x - y).square().mean((2, 3)) / (variances + STABLE))
    return torch.cat(texture, 1), torch.cat(structure, 1)
