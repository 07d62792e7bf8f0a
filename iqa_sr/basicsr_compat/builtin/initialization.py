"""Weights that a residual network begins with: He's, made smaller."""

from collections.abc import Iterable

import torch
from torch import nn

__all__ = ["draw_small_weights"]


@torch.no_grad()
def draw_small_weights(layers: Iterable[nn.Conv2d], scale: float = 0.1) -> None:
    """Draw the weights of convolutions anew by He's rule (normal, for ReLU), times `scale`; biases become 0.

    The layers draw one after the other: their order decides what a seed gives.

    Reference:
        He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015; the factor is ESRGAN's (ECCVW 2018, section 3.1).
    """
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight).mul_(scale)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
