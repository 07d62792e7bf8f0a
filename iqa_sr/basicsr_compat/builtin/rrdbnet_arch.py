"""RRDBNet, the generator of ESRGAN and Real-ESRGAN, with BasicSR's options, parameter names and initial weights."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.basicsr_compat.builtin.choices import check_choice
from iqa_sr.basicsr_compat.builtin.initialization import draw_small_weights
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY

__all__ = ["RRDB", "RRDBNet", "ResidualDenseBlock"]

_SHRINK = 0.2
"""Factor of every residual, by which deep trunks stay stable."""
_UNSHUFFLED = {1: 4, 2: 2, 4: 1}
"""Sides of the squares of pixels that become channels, by the scale: the network itself always gives 4 times."""


class ResidualDenseBlock(nn.Module):
    """Five 3x3 convolutions, each of which sees the block's input and the results of all before it.

    Args:
        num_feat: Channels that come in and go out.
        num_grow_ch: Channels that each of the first four convolutions adds.
    """

    def __init__(self, num_feat: int = 64, num_grow_ch: int = 32) -> None:
        super().__init__()
        layers = []
        for number in range(5):
            width = num_feat if number == 4 else num_grow_ch
            layers.append(nn.Conv2d(num_feat + number * num_grow_ch, width, 3, 1, 1))
            self.add_module(f"conv{number + 1}", layers[-1])
        draw_small_weights(layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, num_feat, h, w)` to the same shape."""
        first, *growing, last = self.children()
        features = [x, _leaky(first(x))]
        for layer in growing:
            features.append(_leaky(layer(torch.cat(features, 1))))
        residual: Tensor = last(torch.cat(features, 1))
        return residual * _SHRINK + x


class RRDB(nn.Sequential):
    """Three dense blocks within a residual.

    Args:
        num_feat: Channels that come in and go out.
        num_grow_ch: Growth of the dense blocks in channels.
    """

    def __init__(self, num_feat: int, num_grow_ch: int = 32) -> None:
        blocks = [ResidualDenseBlock(num_feat, num_grow_ch) for _ in range(3)]
        super().__init__(OrderedDict((f"rdb{number}", block) for number, block in enumerate(blocks, start=1)))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, num_feat, h, w)` to the same shape."""
        residual = x
        for block in self:
            residual = block(residual)
        return residual * _SHRINK + x


@ARCH_REGISTRY.register()
class RRDBNet(nn.Module):
    """Super-resolution by dense blocks within residuals; for scales 1 and 2 the pixels of squares become channels.

    Args:
        num_in_ch: Channels of the input.
        num_out_ch: Channels of the output.
        scale: Factor of super-resolution: 1, 2 or 4.
        num_feat: Channels of the features.
        num_block: Number of blocks in the trunk.
        num_grow_ch: Growth of the dense blocks in channels.

    Raises:
        ValueError: If the scale is another one.

    Differs from the original:
        BasicSR takes any scale, and enlarges 4 times for all but 1 and 2.

    Reference:
        Wang, Yu, Wu, Gu, Liu, Dong, Qiao, Loy: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, ECCV
        workshops 2018, https://arxiv.org/abs/1809.00219
    """

    def __init__(
        self,
        num_in_ch: int,
        num_out_ch: int,
        scale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
    ) -> None:
        super().__init__()
        check_choice("scale", scale, _UNSHUFFLED)
        self.scale = scale
        self.conv_first = nn.Conv2d(num_in_ch * _UNSHUFFLED[scale] ** 2, num_feat, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged images.

        Args:
            x: Images `(N, num_in_ch, h, w)`, float; for scale 2 the sides are multiples of 2, for scale 1 of 4.

        Returns:
            `(N, num_out_ch, scale h, scale w)`, not clamped.

        Raises:
            ValueError: If the sides are no such multiples.
        """
        square = _UNSHUFFLED[self.scale]
        if x.shape[-2] % square or x.shape[-1] % square:
            raise ValueError(
                f"RRDBNet: with scale {self.scale} expected sides that are multiples of {square} px, got "
                f"{tuple(x.shape)}"
            )
        features = self.conv_first(F.pixel_unshuffle(x, square) if square > 1 else x)  # (N, num_feat, ...)
        features = features + self.conv_body(self.body(features))
        for enlarging in (self.conv_up1, self.conv_up2):
            features = _leaky(enlarging(F.interpolate(features, scale_factor=2, mode="nearest")))
        image: Tensor = self.conv_last(_leaky(self.conv_hr(features)))
        return image


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.2, inplace=True)
