"""NIMA: a classification network without its classifier, and one linear layer that predicts a rating."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

__all__ = ["InceptionResNetV2", "NIMANet", "VGG16Features"]


class NIMANet(nn.Module):
    """Mean features of a backbone and a linear layer.

    Its state dict has the names of the published files (backbones as timm's feature extractors name them).

    Args:
        backbone: Backbone network that gives the features.
        outputs: Number of outputs per image: one for each step of a rating scale (logits), or 1 for a score.
        checkpoint: Keep only the borders between the backbone's blocks for the backward pass; compute the rest again.

    Reference:
        Talebi, Milanfar: NIMA: Neural Image Assessment, IEEE Transactions on Image Processing, 2018,
        https://arxiv.org/abs/1709.05424
    """

    def __init__(
        self,
        backbone: Literal["inception_resnet_v2", "vgg16"] = "inception_resnet_v2",
        outputs: int = 10,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.base_model = InceptionResNetV2() if backbone == "inception_resnet_v2" else VGG16Features()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.75), nn.Linear(self.base_model.channels, outputs))

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)`, normalized, of the backbone's size or near it, to `(N, outputs)`."""
        features = image
        for block in self.base_model.blocks():
            if self.checkpoint and torch.is_grad_enabled():
                features = recompute(block, features, use_reentrant=False)
            else:
                features = block(features)  # (N, channels, h, w) in the end
        return self.classifier(features.mean((2, 3)))


class VGG16Features(nn.Sequential):
    """The convolutions of VGG-16 with all five max-pools, `(N, 3, H, W)` to `(N, 512, H // 32, W // 32)`.

    Reference:
        Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015.
    """

    channels = 512

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        width = 3
        for planes, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(width, planes, 3, padding=1), nn.ReLU(inplace=True)]
                width = planes
            layers.append(nn.MaxPool2d(2))
        super().__init__(OrderedDict((f"features_{number}", layer) for number, layer in enumerate(layers)))

    def blocks(self) -> Iterator[nn.Module]:
        """The five stages, each with its max-pool; ReLUs write in place, so that a stage is the least to recompute."""
        stage: list[nn.Module] = []
        for layer in self:
            stage.append(layer)
            if isinstance(layer, nn.MaxPool2d):
                yield nn.Sequential(*stage)
                stage = []


class InceptionResNetV2(nn.Sequential):
    """The convolutions of Inception-ResNet-v2, `(N, 3, 299, 299)` to `(N, 1536, 8, 8)`; other sizes from 75 px on.

    Reference:
        Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on
        Learning, AAAI 2017, https://arxiv.org/abs/1602.07261
    """

    channels = 1536

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                conv2d_1a=_Unit(3, 32, 3, stride=2),
                conv2d_2a=_Unit(32, 32, 3),
                conv2d_2b=_Unit(32, 64, 3, padding=1),
                maxpool_3a=nn.MaxPool2d(3, 2),
                conv2d_3b=_Unit(64, 80, 1),
                conv2d_4a=_Unit(80, 192, 3),
                maxpool_5a=nn.MaxPool2d(3, 2),
                mixed_5b=_Mixed(
                    _Unit(192, 96, 1),
                    nn.Sequential(_Unit(192, 48, 1), _Unit(48, 64, 5, padding=2)),
                    nn.Sequential(_Unit(192, 64, 1), _Unit(64, 96, 3, padding=1), _Unit(96, 96, 3, padding=1)),
                    nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), _Unit(192, 64, 1)),
                ),
                repeat=nn.Sequential(*[_block35() for _ in range(10)]),
                mixed_6a=_Mixed(
                    _Unit(320, 384, 3, stride=2),
                    nn.Sequential(_Unit(320, 256, 1), _Unit(256, 256, 3, padding=1), _Unit(256, 384, 3, stride=2)),
                    nn.MaxPool2d(3, 2),
                ),
                repeat_1=nn.Sequential(*[_block17() for _ in range(20)]),
                mixed_7a=_Mixed(
                    nn.Sequential(_Unit(1088, 256, 1), _Unit(256, 384, 3, stride=2)),
                    nn.Sequential(_Unit(1088, 256, 1), _Unit(256, 288, 3, stride=2)),
                    nn.Sequential(_Unit(1088, 256, 1), _Unit(256, 288, 3, padding=1), _Unit(288, 320, 3, stride=2)),
                    nn.MaxPool2d(3, 2),
                ),
                repeat_2=nn.Sequential(*[_block8(0.2) for _ in range(9)]),
                block8=_block8(1.0, relu=False),
                conv2d_7b=_Unit(2080, 1536, 1),
            )
        )

    def blocks(self) -> Iterator[nn.Module]:
        """Layers in their order, those of a chain one by one."""
        for child in self:
            yield from child if isinstance(child, nn.Sequential) else (child,)


class _Unit(nn.Module):
    """Convolution, batch norm, ReLU: `(N, width, h, w)` to `(N, planes, h', w')`."""

    def __init__(
        self,
        width: int,
        planes: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, planes, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(planes, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu_()


class _Mixed(nn.Module):
    """Branches side by side, their outputs `(N, C_i, h, w)` concatenated to `(N, sum of C_i, h, w)`."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(f"branch{number}")(x) for number in range(self.count)], 1)


class _InceptionResidual(_Mixed):
    """`x` `(N, width, h, w)` and a scaled projection of the branches' outputs, of `joined` channels; the same shape."""

    def __init__(self, branches: list[nn.Module], joined: int, width: int, scale: float, relu: bool = True) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(joined, width, 1)
        self.scale = scale
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = torch.add(x, self.conv2d(super().forward(x)), alpha=self.scale)
        return y.relu_() if self.relu else y


def _block35() -> _InceptionResidual:
    branches = [
        _Unit(320, 32, 1),
        nn.Sequential(_Unit(320, 32, 1), _Unit(32, 32, 3, padding=1)),
        nn.Sequential(_Unit(320, 32, 1), _Unit(32, 48, 3, padding=1), _Unit(48, 64, 3, padding=1)),
    ]
    return _InceptionResidual(branches, 128, 320, scale=0.17)


def _block17() -> _InceptionResidual:
    long = nn.Sequential(
        _Unit(1088, 128, 1), _Unit(128, 160, (1, 7), padding=(0, 3)), _Unit(160, 192, (7, 1), padding=(3, 0))
    )
    return _InceptionResidual([_Unit(1088, 192, 1), long], 384, 1088, scale=0.1)


def _block8(scale: float, relu: bool = True) -> _InceptionResidual:
    long = nn.Sequential(
        _Unit(2080, 192, 1), _Unit(192, 224, (1, 3), padding=(0, 1)), _Unit(224, 256, (3, 1), padding=(1, 0))
    )
    return _InceptionResidual([_Unit(2080, 192, 1), long], 448, 2080, scale, relu)
