"""The Inception v3 of 2015 whose features FID and KID are defined on: torchvision's has other poolings and weights."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FEATURES", "SIDE", "InceptionFID"]

SIDE = 299
"""Height and width in px of the images that the network was trained on."""
FEATURES = 2048


class ConvStep(NamedTuple):
    """A convolution of a branch: its name in the published file, its output channels, its kernel, its stride."""

    name: str
    planes: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


Branch = tuple[ConvStep | tuple[ConvStep, ConvStep], ...]
"""Convolutions one after the other; a pair, always the last, shares its input, and both outputs count."""
Pool = Literal["average", "max", "halving"]

ROW, COLUMN, SQUARE = (1, 7), (7, 1), (3, 3)


class InceptionFID(nn.Module):
    """Inception v3 up to its last pooling, as in Google's graph of 2015-12-05.

    Its state dict has the names of the published conversion without the classifier `fc`.

    Reference:
        Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
        https://arxiv.org/abs/1512.00567; the deviations of the graph of 2015 (an average that does not count the
        padding, a maximum in the last block) from Heusel et al.: GANs Trained by a Two Time-Scale Update Rule Converge
        to a Local Nash Equilibrium, NeurIPS 2017, https://arxiv.org/abs/1706.08500
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = NormedConv(3, ConvStep("", 32, SQUARE, 2))
        self.Conv2d_2a_3x3 = NormedConv(32, ConvStep("", 32, SQUARE), padded=False)
        self.Conv2d_2b_3x3 = NormedConv(32, ConvStep("", 64, SQUARE))
        self.Conv2d_3b_1x1 = NormedConv(64, ConvStep("", 80))
        self.Conv2d_4a_3x3 = NormedConv(80, ConvStep("", 192, SQUARE), padded=False)
        width = 192
        for name, branches, pool in _blocks():
            block = Mixed(width, branches, pool)
            self.add_module(name, block)
            width = block.width

    def forward(self, levels: Tensor) -> Tensor:
        """`(N, 3, 299, 299)` RGB levels, 0 to 255, floating, to `(N, 2048)`."""
        features = self.Conv2d_1a_3x3((levels - 128) / 128)
        features = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(features))  # (N, 64, 147, 147)
        features = F.max_pool2d(features, 3, stride=2)
        features = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(features))  # (N, 192, 71, 71)
        features = F.max_pool2d(features, 3, stride=2)
        for name, _, _ in _blocks():
            features = self.get_submodule(name)(features)
        return features.mean((2, 3))  # of (N, 2048, 8, 8)


class NormedConv(nn.Module):
    """A convolution without bias, batch normalization and ReLU; those of stride 2 have no padding."""

    def __init__(self, width: int, step: ConvStep, padded: bool = True) -> None:
        super().__init__()
        height, breadth = step.kernel
        padding = (height // 2, breadth // 2) if padded and step.stride == 1 else 0
        self.conv = nn.Conv2d(width, step.planes, step.kernel, step.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(step.planes, eps=0.001)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, planes, h, w)`."""
        return F.relu(self.bn(self.conv(features)))


class Mixed(nn.Module):
    """Branches side by side, the pooled one last; their channels are joined.

    Args:
        width: Number of input channels.
        branches: Branches of convolutions; where the block does not halve, the last one follows the pooling.
        pool: Pooling; `halving` is a maximum of stride 2 with no convolution behind it.
    """

    def __init__(self, width: int, branches: Sequence[Branch], pool: Pool) -> None:
        super().__init__()
        self.branches, self.pool = branches, pool
        self.width = width if pool == "halving" else 0
        for branch in branches:
            planes = width
            for step in branch:
                parts = [step] if isinstance(step, ConvStep) else list(step)
                for part in parts:
                    self.add_module(part.name, NormedConv(planes, part))
                planes = sum(part.planes for part in parts)
            self.width += planes

    def forward(self, features: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, width, h, w)`."""
        pooled = self._pooled(features)
        inputs = [features] * len(self.branches)
        if self.pool != "halving":
            inputs[-1] = pooled
        outputs = [self._follow(branch, start) for branch, start in zip(self.branches, inputs, strict=True)]
        return torch.cat([*outputs, pooled] if self.pool == "halving" else outputs, dim=1)

    def _pooled(self, features: Tensor) -> Tensor:
        if self.pool == "average":
            return F.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
        return F.max_pool2d(features, 3, stride=2) if self.pool == "halving" else F.max_pool2d(features, 3, 1, 1)

    def _follow(self, branch: Branch, features: Tensor) -> Tensor:
        for step in branch:
            parts = [step] if isinstance(step, ConvStep) else step
            features = torch.cat([self.get_submodule(part.name)(features) for part in parts], dim=1)
        return features


def _blocks() -> list[tuple[str, tuple[Branch, ...], Pool]]:
    """Name, branches and pooling of each block."""
    return [
        ("Mixed_5b", _fine(32), "average"),
        ("Mixed_5c", _fine(64), "average"),
        ("Mixed_5d", _fine(64), "average"),
        ("Mixed_6a", _TO_17, "halving"),
        ("Mixed_6b", _separable(128), "average"),
        ("Mixed_6c", _separable(160), "average"),
        ("Mixed_6d", _separable(160), "average"),
        ("Mixed_6e", _separable(192), "average"),
        ("Mixed_7a", _TO_8, "halving"),
        ("Mixed_7b", _COARSE, "average"),
        ("Mixed_7c", _COARSE, "max"),
    ]


def _fine(pooled: int) -> tuple[Branch, ...]:
    """Branches at 35x35 px."""
    return (
        (ConvStep("branch1x1", 64),),
        (ConvStep("branch5x5_1", 48), ConvStep("branch5x5_2", 64, (5, 5))),
        (
            ConvStep("branch3x3dbl_1", 64),
            ConvStep("branch3x3dbl_2", 96, SQUARE),
            ConvStep("branch3x3dbl_3", 96, SQUARE),
        ),
        (ConvStep("branch_pool", pooled),),
    )


def _separable(inner: int) -> tuple[Branch, ...]:
    """Branches at 17x17 px: 7x7 as a row and a column."""
    return (
        (ConvStep("branch1x1", 192),),
        (ConvStep("branch7x7_1", inner), ConvStep("branch7x7_2", inner, ROW), ConvStep("branch7x7_3", 192, COLUMN)),
        (
            ConvStep("branch7x7dbl_1", inner),
            ConvStep("branch7x7dbl_2", inner, COLUMN),
            ConvStep("branch7x7dbl_3", inner, ROW),
            ConvStep("branch7x7dbl_4", inner, COLUMN),
            ConvStep("branch7x7dbl_5", 192, ROW),
        ),
        (ConvStep("branch_pool", 192),),
    )


_TO_17: tuple[Branch, ...] = (
    (ConvStep("branch3x3", 384, SQUARE, 2),),
    (ConvStep("branch3x3dbl_1", 64), ConvStep("branch3x3dbl_2", 96, SQUARE), ConvStep("branch3x3dbl_3", 96, SQUARE, 2)),
)
_TO_8: tuple[Branch, ...] = (
    (ConvStep("branch3x3_1", 192), ConvStep("branch3x3_2", 320, SQUARE, 2)),
    (
        ConvStep("branch7x7x3_1", 192),
        ConvStep("branch7x7x3_2", 192, ROW),
        ConvStep("branch7x7x3_3", 192, COLUMN),
        ConvStep("branch7x7x3_4", 192, SQUARE, 2),
    ),
)
_COARSE: tuple[Branch, ...] = (
    (ConvStep("branch1x1", 320),),
    (ConvStep("branch3x3_1", 384), (ConvStep("branch3x3_2a", 384, (1, 3)), ConvStep("branch3x3_2b", 384, (3, 1)))),
    (
        ConvStep("branch3x3dbl_1", 448),
        ConvStep("branch3x3dbl_2", 384, SQUARE),
        (ConvStep("branch3x3dbl_3a", 384, (1, 3)), ConvStep("branch3x3dbl_3b", 384, (3, 1))),
    ),
    (ConvStep("branch_pool", 192),),
)
