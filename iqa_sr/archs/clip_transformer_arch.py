"""CLIP's transformer and text tower, with the parameter names of OpenAI's files."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CLIPText", "QuickGELU", "Transformer", "resized_positions"]


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU: `x * sigmoid(1.702 x)`."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Activations of tokens of any shape: `x sigmoid(1.702 x)`."""
        return tokens * torch.sigmoid(1.702 * tokens)


class SelfAttention(nn.Module):
    """Multi-head self-attention, `(N, L, C)` to `(N, L, C)`; parameters are named as in `nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, tokens: Tensor, causal: bool = False) -> Tensor:
        """Args: tokens: `(N, L, C)`; causal: whether a token sees earlier ones only."""
        count, length, width = tokens.shape
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)  # (N, L, 3 C)
        query, key, value = projected.view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (N, h, L, C / h)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(count, length, width))


class ResidualAttentionBlock(nn.Module):
    """Pre-norm attention and MLP, `(N, L, C)` to `(N, L, C)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = SelfAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=QuickGELU(), c_proj=nn.Linear(4 * width, width))
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, causal: bool = False) -> Tensor:
        """Args: tokens: `(N, L, C)`; causal: whether a token sees earlier ones only."""
        tokens = tokens + self.attn(self.ln_1(tokens), causal)
        return tokens + self.mlp(self.ln_2(tokens))


def resized_positions(embedding: Tensor, count: int) -> Tensor:
    """The positions of another number of tokens: `(L, C)` to `(count, C)`, bicubic along the tokens."""
    known, width = embedding.shape
    if count == known:
        return embedding
    return F.interpolate(embedding[None, None], (count, width), mode="bicubic", align_corners=False)[0, 0]


class Transformer(nn.Module):
    """A stack of residual attention blocks under `resblocks`."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([ResidualAttentionBlock(width, heads) for _ in range(layers)])

    def forward(self, tokens: Tensor, causal: bool = False) -> Tensor:
        """`(N, L, C)` to `(N, L, C)`."""
        return self.all_layers(tokens, causal)[-1]

    def all_layers(self, tokens: Tensor, causal: bool = False) -> list[Tensor]:
        """The output `(N, L, C)` of every block."""
        outputs = []
        for block in self.resblocks:
            tokens = block(tokens, causal)
            outputs.append(tokens)
        return outputs


class CLIPText(nn.Module):
    """CLIP's text tower: token numbers or embeddings to text features.

    Its state dict is the part of OpenAI's file without `visual.` and `logit_scale`.

    Args:
        embed_dim: Width of the features shared with the images: 512 for ViT-B/32, 1024 for RN50.

    Reference:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def __init__(
        self,
        embed_dim: int,
        context_length: int = 77,
        vocabulary: int = 49408,
        width: int = 512,
        layers: int = 12,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context_length, width))
        self.transformer = Transformer(width, layers, heads)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, embed_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """`(P, 77)` int64 token numbers, padded with zeros, to `(P, embed_dim)` features, not normalized."""
        return self.encode(self.token_embedding(tokens), tokens.argmax(dim=-1))

    def encode(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Features of token embeddings, for learned prompts.

        Args:
            embeddings: `(P, 77, width)` without the positional embedding.
            end: `(P,)` int64 position whose output is the feature: that of the end token.
        """
        hidden = self.transformer(embeddings + self.positional_embedding, causal=True)
        hidden = self.ln_final(hidden)
        return hidden[torch.arange(len(hidden), device=hidden.device), end] @ self.text_projection  # (P, embed_dim)
