"""ResNet as a network of features: five stages, no classifier, parameter names of torchvision."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval
from torch.utils.checkpoint import checkpoint as recompute

__all__ = ["ResNet", "fold_batch_norms", "residual_stage"]


class ResNet(nn.Module):
    """The features of a residual network; 7x7 stem with stride 2, max-pool, four stages of residual blocks.

    Its state dict has torchvision's names (`conv1`, `layer1.0.conv1`, `layer2.0.downsample.0`, ...) without `fc`.
    With bottlenecks the stride is in the 3x3 convolution, as in torchvision ("version 1.5").

    Args:
        layers: Number of blocks in each of the four stages: (3, 4, 6, 3) for ResNet-34 and -50, (2, 2, 2, 2) for -18.
        bottleneck: Blocks of 1x1, 3x3, 1x1 convolutions (ResNet-50 and deeper), else of two 3x3 ones.
        checkpoint: Keep only the borders between the blocks for the backward pass and compute the rest again.

    Reference:
        He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, layers: Sequence[int] = (3, 4, 6, 3), bottleneck: bool = True, checkpoint: bool = False) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.channels = (64, *(width * (4 if bottleneck else 1) for width in (64, 128, 256, 512)))
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        for stage, count in enumerate(layers):
            blocks = residual_stage(self.channels[stage], 64 * 2**stage, count, 2 if stage else 1, bottleneck)
            self.add_module(f"layer{stage + 1}", blocks)

    @classmethod
    def shaped_as(cls, state: Mapping[str, Tensor], checkpoint: bool = False) -> "ResNet":
        """A network with the blocks that a state dict has; ResNet-50 where it does not tell."""
        blocks = {tuple(key.split(".")[:2]) for key in state if key.startswith("layer")}
        counts = [sum(stage == f"layer{number}" for stage, _ in blocks) for number in range(1, 5)]
        if not all(counts):
            return cls(checkpoint=checkpoint)
        return cls(counts, any(key.endswith("conv3.weight") for key in state), checkpoint)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Features of an image after each of the five stages.

        Args:
            image: `(N, 3, H, W)`, normalized as the weights want it; any size from 1 px on.

        Returns:
            Five tensors: the stem after its ReLU and before the max-pool `(N, 64, ceil(H/2), ceil(W/2))`, then `layer1`
            to `layer4` at 1/4, 1/8, 1/16 and 1/32 of the size, rounded up at each halving; `channels` has the widths.
        """
        features = [self.bn1(self.conv1(image)).relu_()]
        x = nn.functional.max_pool2d(features[0], 3, 2, 1)  # (N, 64, ceil(H/4), ceil(W/4))
        for stage in range(1, 5):
            for block in self.get_submodule(f"layer{stage}").children():
                if self.checkpoint and torch.is_grad_enabled():
                    x = recompute(block, x, use_reentrant=False)
                else:
                    x = block(x)
            features.append(x)
        return features

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to the output of `layer4`, `(N, 512 or 2048, ceil(H/32), ceil(W/32))`."""
        return self.stages(image)[-1]


def residual_stage(width: int, planes: int, count: int, stride: int, bottleneck: bool = True) -> nn.Sequential:
    """Residual blocks one after the other, of which the first has the stride.

    Args:
        width: Channels that come in.
        planes: Channels of the 3x3 convolutions; bottlenecks give four times as many.
        count: Number of blocks, at least 1.
        stride: 1 or 2.
        bottleneck: Blocks of 1x1, 3x3, 1x1 convolutions, else of two 3x3 ones.
    """
    block = _Bottleneck if bottleneck else _BasicBlock
    wide = planes * (4 if bottleneck else 1)
    return nn.Sequential(block(width, planes, stride), *(block(wide, planes, 1) for _ in range(count - 1)))


def fold_batch_norms(network: nn.Module) -> None:
    """Put every batch norm into the convolution before it, in place: the same function for evaluation, in fewer passes.

    A pair is a convolution and a batch norm that were registered one after the other in one module; there the norm
    becomes an identity and the convolution gets a bias. Load the weights before. Scores move by about 1e-6.

    Args:
        network: Network in evaluation mode, on any device; changed in place.
    """
    for module in network.modules():
        for (name, first), (following, second) in pairwise(list(module.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, following, nn.Identity().train(second.training))


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: `(N, width, h, w)` to `(N, planes, ceil(h / stride), ceil(w / stride))`."""

    def __init__(self, width: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(width, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()  # (N, planes, ceil(h / stride), ceil(w / stride))
        y = self.bn2(self.conv2(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the last one widens by four.

    `(N, width, h, w)` to `(N, 4 planes, ceil(h / stride), ceil(w / stride))`.
    """

    def __init__(self, width: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = _shortcut(width, planes * 4, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()  # (N, planes, h, w)
        y = self.bn2(self.conv2(y)).relu_()  # (N, planes, ceil(h / stride), ceil(w / stride))
        y = self.bn3(self.conv3(y))  # (N, 4 planes, ceil(h / stride), ceil(w / stride))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


def _shortcut(width: int, planes: int, stride: int) -> nn.Sequential | None:
    """A 1x1 projection where the block changes width or size; None is the identity."""
    if stride == 1 and width == planes:
        return None
    return nn.Sequential(nn.Conv2d(width, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
