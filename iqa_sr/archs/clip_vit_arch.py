"""CLIP's vision transformer, with the parameter names of OpenAI's files below `visual.`."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from iqa_sr.archs.clip_transformer_arch import Transformer, resized_positions

__all__ = ["CLIPVision"]


class CLIPVision(nn.Module):
    """CLIP's image tower: normalized images to features; the defaults are those of ViT-B/32.

    The number of tokens follows the image: the positional embedding is resized bicubically along the token axis, the
    class position included, as A-FINE and LIQE do. It is not a resize of the grid of patches. At 224x224 px it is the
    embedding itself.

    Args:
        patch: Side of a patch in pixels.
        grid: Patches along each side of a training image.
        width: Width of a token.
        layers: Number of blocks.
        heads: Attention heads.
        embed_dim: Width of the features shared with the texts.
        checkpoint: Whether the blocks are computed again in the backward pass instead of keeping what is inside them.

    Reference:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def __init__(
        self,
        patch: int = 32,
        grid: int = 7,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        embed_dim: int = 512,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid**2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, layers, heads)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, embed_dim))

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` in CLIP's normalization to `(N, embed_dim)` features, not of unit length.

        Rows and columns beyond a multiple of the patch are not seen.
        """
        return self.ln_post(self.all_layers(image)[-1][:, 0]) @ self.proj

    def all_layers(self, image: Tensor) -> list[Tensor]:
        """The output `(N, 1 + patches, width)` of every block, the class token first; patches row by row."""
        patches = self.conv1(image).flatten(2).transpose(1, 2)  # (N, patches, C)
        tokens = torch.cat([self.class_embedding.expand(len(patches), 1, -1), patches], dim=1)  # (N, 1 + patches, C)
        tokens = self.ln_pre(tokens + resized_positions(self.positional_embedding, tokens.shape[1]))
        outputs = []
        for block in self.transformer.resblocks:
            if self.checkpoint and tokens.requires_grad:
                tokens = recompute(block, tokens, use_reentrant=False, preserve_rng_state=False)
            else:
                tokens = block(tokens)
            outputs.append(tokens)
        return outputs
