"""Shift-tolerant LPIPS: AlexNet or VGG-16 with blur pooling, and linear heads, in one state dict."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.lpips_arch import LinearHead, ScalingLayer, layer_distances

__all__ = ["ShiftTolerantLPIPS"]


class BlurPool(nn.Module):
    """Every second position of features `(N, C, h, w)` under a [1, 2, 1] x [1, 2, 1] / 16 window; borders are mirrored.

    Reference:
        Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019, https://arxiv.org/abs/1904.11486
    """

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("filt", torch.outer(taps, taps).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)`, sides of at least 3, to `(N, C, (H + 3) // 2, (W + 3) // 2)`."""
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class ShiftTolerantLPIPS(nn.Module):
    """The distance of two images in each of five layers; names of the published file.

    Args:
        net: `alex`, or `vgg` for VGG-16.

    Reference:
        Ghildyal, Liu: Shift-tolerant Perceptual Similarity Metric, ECCV 2022, https://arxiv.org/abs/2207.13686
    """

    def __init__(self, net: Literal["alex", "vgg"]) -> None:
        super().__init__()
        slices = _alexnet() if net == "alex" else _vgg16()
        self.scaling_layer = ScalingLayer()
        self.net = nn.Module()
        position = 0
        for number, layers in enumerate(slices, 1):
            # Layers are numbered through all slices, as in torchvision's `features`.
            named = {str(position + i): layer for i, layer in enumerate(layers)}
            position += len(layers)
            self.net.add_module(f"slice{number}", nn.Sequential())
            for name, layer in named.items():
                self.net.get_submodule(f"slice{number}").add_module(name, layer)
            channels = next(layer.out_channels for layer in reversed(layers) if isinstance(layer, nn.Conv2d))
            self.add_module(f"lin{number - 1}", LinearHead(channels))

    def features(self, image: Tensor) -> list[Tensor]:
        """`(N, 3, H, W)` RGB in [0, 1] to the output of each slice, five tensors `(N, C, H', W')`."""
        x, features = self.scaling_layer(image), []
        for layers in self.net.children():
            x = layers(x)
            features.append(x)
        return features

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """The distance in each layer, which add up to the score.

        Args:
            image: Images, `(N, 3, H, W)` RGB in [0, 1].
            reference: Reference images, `(N, 3, H, W)` RGB in [0, 1].

        Returns:
            `(N, 5)`, lower is closer.
        """
        heads = [self.get_submodule(f"lin{i}") for i in range(5)]
        return layer_distances(self.features(image), self.features(reference), heads)


def _alexnet() -> list[list[nn.Module]]:
    """Stride 1 and a blur pool in place of the first convolution's stride 4; pools without stride, then blurred."""
    return [
        [nn.Conv2d(3, 64, 11, padding=2), BlurPool(64), nn.ReLU(inplace=True)],
        [nn.MaxPool2d(3, 1), BlurPool(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True)],
        [nn.MaxPool2d(3, 1), BlurPool(192), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)],
        [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)],
        [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True)],
    ]


def _vgg16() -> list[list[nn.Module]]:
    """Each max-pool without stride, then blurred."""
    slices: list[list[nn.Module]] = []
    width = 3
    for stage, (channels, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        layers: list[nn.Module] = [nn.MaxPool2d(2, 1), BlurPool(width)] if stage else []
        for _ in range(depth):
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU(inplace=True)]
            width = channels
        slices.append(layers)
    return slices
