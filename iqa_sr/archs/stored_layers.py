"""Linear layers of large networks: the weights stay in 16 bits, as their files have them, the arithmetic is float32."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["StoredLinear"]


class StoredLinear(nn.Linear):
    """A frozen linear layer whose weight may have another type than its input, in whose type it is computed.

    The weight is converted at each call and again in the backward pass, and never kept: a network of 8 billion
    parameters takes 16 GB instead of 33, and gives the scores of float32. Converting takes as long as reading the
    weight, which is little beside the product.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """`(..., in_features)` to `(..., out_features)` in the type of `tokens`."""
        if self.weight.dtype == tokens.dtype:
            return F.linear(tokens, self.weight, self.bias)
        product: Tensor = _Converted.apply(tokens, self.weight, self.bias)
        return product


class _Converted(torch.autograd.Function):
    """`F.linear`, which keeps the weight as it is stored; with a gradient for the tokens alone."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return F.linear(tokens, weight.to(tokens.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,), gradient = ctx.saved_tensors, gradients[0]
        with torch.autocast(gradient.device.type, enabled=False):
            return gradient @ weight.to(gradient.dtype), None, None
