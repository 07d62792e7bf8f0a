"""PatchTransformer: a small vision transformer that maps an image to its quality, patch by patch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.rankiqa_arch import UNTOUCHED
from iqa_sr.archs.vit_arch import Block

__all__ = ["PATCH", "PatchTransformer"]

PATCH = 16
"""Side of a patch in px."""
GAIN = 20.0


class PatchTransformer(nn.Module):
    """The quality of each patch of 16 px, and its mean.

    Own architecture, of the plainest kind: patches that do not overlap, attention between all of them, the mean. It is
    here because most published metrics are such transformers, and gradients through patches leave lattices. A patch is
    its pixels and what a 3x3 mean takes away from them, amplified and compressed by an inverse hyperbolic sine: most
    degradations are a few levels of 255, which a linear layer over pixels does not see. There is no position
    embedding, so that images of any size are scored alike; a rest of a patch is filled up with the last pixels.

    Args:
        width: Length of a token, a multiple of 32. 96 gives 0.6 million parameters with four blocks.
        depth: Number of blocks.

    Reference:
        Dosovitskiy et al.: An Image is Worth 16x16 Words, ICLR 2021, https://arxiv.org/abs/2010.11929
    """

    def __init__(self, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(6, width, PATCH, stride=PATCH)
        self.embedding = nn.Linear(width, width)
        self.blocks = nn.ModuleList([Block(width, heads=width // 32) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, UNTOUCHED)

    def forward(self, image: Tensor) -> Tensor:
        """The quality of each image.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1], sides of at least 16 px.

        Returns:
            `(N,)`, higher is better.
        """
        return self.quality_map(image).mean((1, 2))

    def quality_map(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, ceil(H / 16), ceil(W / 16))`."""
        height, width = image.shape[-2:]
        image = F.pad(image, (0, -width % PATCH, 0, -height % PATCH), mode="replicate")
        detail = image - F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
        grid = self.patches(torch.cat([image - 0.5, torch.asinh(GAIN * detail)], dim=1))  # (N, C, H / 16, W / 16)
        tokens = self.embedding(F.gelu(grid.flatten(2).transpose(1, 2)))  # (N, T, C)
        for block in self.blocks:
            tokens = block(tokens)
        quality: Tensor = self.head(self.norm(tokens))  # (N, T, 1)
        return quality.view(len(image), *grid.shape[-2:])
