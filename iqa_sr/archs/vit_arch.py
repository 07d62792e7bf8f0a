"""The first blocks of a vision transformer of patch size 8 on 224x224 px, with timm's parameter names."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["ViTFeatures", "unused_key"]


class ViTFeatures(nn.Module):
    """ViT-B/8 up to the last block that is asked for.

    Args:
        taps: Numbers of the blocks, rising, whose outputs are wanted.
        checkpointed: Whether the blocks are computed again in the backward pass instead of being kept.

    Reference:
        Dosovitskiy et al.: An Image is Worth 16x16 Words, ICLR 2021; names as in timm's `vit_base_patch8_224`.
    """

    def __init__(self, taps: Sequence[int], checkpointed: bool = False, width: int = 768) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.checkpointed = checkpointed
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 785, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, 8, stride=8)})
        self.blocks = nn.ModuleList([Block(width) for _ in range(max(taps) + 1)])

    def forward(self, image: Tensor) -> Tensor:
        """Normalized `(N, 3, 224, 224)` to `(N, 784, 768 * len(taps))`, without the class token."""
        tokens = self.patch_embed["proj"](image).flatten(2).transpose(1, 2)  # (N, 784, C)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.pos_embed  # (N, 785, C)
        found = []
        for number, block in enumerate(self.blocks):
            if self.checkpointed and torch.is_grad_enabled():
                tokens = cast(Tensor, checkpoint(block, tokens, use_reentrant=False))
            else:
                tokens = block(tokens)
            if number in self.taps:
                found.append(tokens[:, 1:])  # (N, 784, C)
        return torch.cat(found, dim=2)


def unused_key(key: str, blocks: int) -> bool:
    """Check whether a tensor of the whole network, named without prefix, is not needed for its first blocks."""
    kind, _, rest = key.partition(".")
    return kind in ("norm", "head") or (kind == "blocks" and int(rest.split(".")[0]) >= blocks)


class Block(nn.Module):
    """Pre-norm attention and multilayer perceptron."""

    def __init__(self, width: int, heads: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        """`(N, T, C)` to `(N, T, C)`."""
        projected = self.attn["qkv"](self.norm1(tokens)).unflatten(-1, (3, self.heads, -1))  # (N, T, 3, h, C / h)
        mixed = F.scaled_dot_product_attention(*projected.permute(2, 0, 3, 1, 4))  # (N, h, T, C / h)
        tokens = tokens + self.attn["proj"](mixed.transpose(1, 2).flatten(2))
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))
