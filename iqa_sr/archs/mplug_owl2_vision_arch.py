"""The seeing half of mPLUG-Owl2, with the parameter names of its files: a vision transformer and the visual abstractor.

Reference:
    Ye et al.: mPLUG-Owl2: Revolutionizing Multi-modal Large Language Model with Modality Collaboration, CVPR 2024,
    https://arxiv.org/abs/2311.04257
"""

from collections import OrderedDict
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.clip_transformer_arch import QuickGELU
from iqa_sr.archs.mplug_owl2_config import AbstractorSizes, VisionSizes
from iqa_sr.archs.stored_layers import StoredLinear

__all__ = ["OwlAbstractor", "OwlVision", "grid_positions", "row_positions"]


def row_positions(positions: Tensor, width: int) -> Tensor:
    """Encoding of positions as waves: `(L,)` numbers to `(L, width)`, first the sines, then the cosines.

    `sin(p / 10000^(2 i / width))` and `cos` likewise for i from 0 to `width / 2 - 1`.
    """
    frequencies = 10000.0 ** -(torch.arange(width // 2, dtype=torch.float64) * 2 / width)
    angles = positions.double()[:, None] * frequencies  # (L, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def grid_positions(side: int, width: int) -> Tensor:
    """Encoding of a class token and a grid of patches: `(1 + side^2, width)`, zeros, then row by row.

    The first half of a patch's encoding is that of its column, the second half that of its row.
    """
    line = row_positions(torch.arange(side), width // 2)  # (side, width / 2)
    columns, rows = line.repeat(side, 1), line.repeat_interleave(side, dim=0)
    patches = torch.cat([columns, rows], dim=1)  # (side^2, width)
    return torch.cat([torch.zeros(1, patches.shape[1]), patches])


class OwlVision(nn.Module):
    """CLIP's ViT, whose every token is normalized and given: images of one size to tokens."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.embeddings = _Embeddings(sizes)
        self.encoder = _Layers([_VisionLayer(sizes) for _ in range(sizes.layers)])
        self.post_layernorm = nn.LayerNorm(sizes.width, sizes.epsilon)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, S, S)` in CLIP's normalization to `(N, 1 + patches, C)`, the class first."""
        tokens: Tensor = self.post_layernorm(self.encoder(self.embeddings(image)))
        return tokens


class OwlAbstractor(nn.Module):
    """Learned queries that gather what the vision transformer saw into a fixed number of tokens for the language model.

    Args:
        sizes: Sizes of the abstractor.
        seen: Number of tokens of the vision transformer.
        language_width: Width of a token of the language model.
    """

    def __init__(self, sizes: AbstractorSizes, seen: int, language_width: int) -> None:
        super().__init__()
        self.encoder = _Layers([_AbstractorLayer(sizes, seen) for _ in range(sizes.layers)])
        self.visual_fc = StoredLinear(sizes.width, language_width)
        self.query_embeds = nn.Parameter(torch.zeros(1, sizes.queries, sizes.width))
        self.vit_eos = nn.Parameter(torch.zeros(1, 1, language_width))

    def forward(self, seen: Tensor) -> Tensor:
        """`(N, L, C)` to `(N, queries + 1, language width)`, the token that ends an image last."""
        tokens = self.encoder(self.query_embeds.expand(len(seen), -1, -1), seen)  # (N, queries, C)
        return torch.cat([self.visual_fc(tokens), self.vit_eos.expand(len(seen), -1, -1)], dim=1)


class _Layers(nn.Module):
    """One layer after the other; what they are given besides the tokens is the same for all."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens: Tensor, *given: Tensor) -> Tensor:
        """Args: tokens: `(N, L, C)`; given: what the layers take besides."""
        for layer in self.layers:
            tokens = layer(tokens, *given)
        return tokens


class _Embeddings(nn.Module):
    """Patches, class token and positions."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.patch_embed = nn.Conv2d(3, sizes.width, sizes.patch, stride=sizes.patch, bias=False)
        self.position_embedding = nn.Parameter(torch.zeros(1, sizes.tokens, sizes.width))
        self.pre_layernorm = nn.LayerNorm(sizes.width, sizes.epsilon)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, S, S)` to `(N, 1 + patches, C)`."""
        patches = self.patch_embed(image).flatten(2).transpose(1, 2)  # (N, patches, C)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        normalized: Tensor = self.pre_layernorm(tokens + self.position_embedding)
        return normalized


class _VisionLayer(nn.Module):
    """Pre-norm attention and MLP, `(N, L, C)` to `(N, L, C)`."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.self_attn = _SelfAttention(sizes.width, sizes.heads)
        self.input_layernorm = nn.LayerNorm(sizes.width, sizes.epsilon)
        fc1, fc2 = StoredLinear(sizes.width, sizes.hidden), StoredLinear(sizes.hidden, sizes.width)
        self.mlp = nn.Sequential(OrderedDict(fc1=fc1, gelu=QuickGELU(), fc2=fc2))
        self.post_attention_layernorm = nn.LayerNorm(sizes.width, sizes.epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """Args: tokens: `(N, L, C)`."""
        tokens = tokens + self.self_attn(self.input_layernorm(tokens))
        output: Tensor = tokens + self.mlp(self.post_attention_layernorm(tokens))
        return output


class _SelfAttention(nn.Module):
    """Multi-head attention; the projections lie head by head: query, key, value of the first one, then the second."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = StoredLinear(width, 3 * width)
        self.dense = StoredLinear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(N, L, C)` to `(N, L, C)`."""
        projected = self.query_key_value(tokens).unflatten(2, (self.heads, 3, -1))  # (N, L, h, 3, C / h)
        query, key, value = projected.permute(3, 0, 2, 1, 4)  # (N, h, L, C / h)
        mixed = F.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.dense(mixed.transpose(1, 2).flatten(2))
        return output


class _AbstractorLayer(nn.Module):
    """A cross-attention under the name that the files give it."""

    def __init__(self, sizes: AbstractorSizes, seen: int) -> None:
        super().__init__()
        self.crossattention = _CrossAttention(sizes, seen)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Args: tokens: `(N, Q, C)`; seen: `(N, L, C)`."""
        gathered: Tensor = self.crossattention(tokens, seen)
        return gathered


class _CrossAttention(nn.Module):
    """Queries look at themselves and at what was seen; it is the normalized queries that the result is added to."""

    def __init__(self, sizes: AbstractorSizes, seen: int) -> None:
        super().__init__()
        self.attention = _PositionedAttention(sizes.width, sizes.heads, sizes.queries, seen)
        self.output = _Output(sizes)
        self.norm1 = nn.LayerNorm(sizes.width)
        self.normk = nn.LayerNorm(sizes.width)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """`(N, Q, C)` and `(N, L, C)` to `(N, Q, C)`."""
        tokens = self.norm1(tokens)
        gathered: Tensor = self.output(tokens, self.attention(tokens, self.normk(seen)))
        return gathered


class _PositionedAttention(nn.Module):
    """Attention of the queries; queries and keys, but not the values, have their positions added."""

    q_pos_embed: Tensor
    k_pos_embed: Tensor

    def __init__(self, width: int, heads: int, queries: int, seen: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (StoredLinear(width, width) for _ in range(3))
        self.register_buffer("q_pos_embed", torch.zeros(queries, width))
        self.register_buffer("k_pos_embed", torch.zeros(seen, width))

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """`(N, Q, C)` and `(N, L, C)` to `(N, Q, C)`."""
        sources = torch.cat([tokens, seen], dim=1)  # (N, Q + L, C)
        keys = sources + torch.cat([self.q_pos_embed, self.k_pos_embed])
        projected = self.query(tokens + self.q_pos_embed), self.key(keys), self.value(sources)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in projected)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    """Adds what attention gathered to the queries, then what a gated MLP makes of them."""

    def __init__(self, sizes: AbstractorSizes) -> None:
        super().__init__()
        self.out_proj = StoredLinear(sizes.width, sizes.width)
        self.norm2 = nn.LayerNorm(sizes.width)
        self.mlp = _GatedMLP(sizes.width, sizes.hidden, sizes.epsilon)

    def forward(self, tokens: Tensor, gathered: Tensor) -> Tensor:
        """Args: tokens, gathered: `(N, Q, C)`."""
        tokens = tokens + self.out_proj(gathered)
        output: Tensor = tokens + self.mlp(self.norm2(tokens))
        return output


class _GatedMLP(nn.Module):
    """`w2(norm(silu(w1 x) * w3 x))`, `(N, Q, C)` to `(N, Q, C)`."""

    def __init__(self, width: int, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.w1 = StoredLinear(width, hidden)
        self.w2 = StoredLinear(hidden, width)
        self.w3 = StoredLinear(width, hidden)
        self.ffn_ln = nn.LayerNorm(hidden, epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """Args: tokens: `(N, Q, C)`."""
        output: Tensor = self.w2(self.ffn_ln(F.silu(self.w1(tokens)) * self.w3(tokens)))
        return output
