"""TOPIQ's coarse-to-fine attention network (CFANet) on a ResNet-50, without and with a reference image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.resnet_arch import ResNet, fold_batch_norms

__all__ = ["CFANet"]

GRID = 32


class CFANet(nn.Module):
    """Five levels of ResNet-50 features, gated, pooled to tokens, and joined by attention from coarse to fine.

    Its state dict has the names of the published files without the decoder layers' self-attention, which those hold
    but never use.

    Args:
        full_reference: Whether it compares with a reference image; else it scores an image alone.
        width: Channels of a token.
        heads: Number of heads of every attention.
        outputs: Numbers per image.
        checkpoint: Keep only the borders between the residual blocks for the backward pass; compute the rest again.

    Reference:
        Chen, Mo, Hou, Wu, Liao, Sun, Yan, Lin: TOPIQ: A Top-Down Approach from Semantics to Distortions for Image
        Quality Assessment, IEEE Transactions on Image Processing, 2024, https://arxiv.org/abs/2308.03060
    """

    def __init__(
        self,
        full_reference: bool = False,
        width: int = 256,
        heads: int = 4,
        outputs: int = 1,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.semantic_model = ResNet(checkpoint=checkpoint)
        channels = self.semantic_model.channels
        parts = 3 if full_reference else 1
        self.h_emb = nn.Parameter(torch.zeros(1, width // 2, GRID, 1))
        self.w_emb = nn.Parameter(torch.zeros(1, width // 2, 1, GRID))
        self.weight_pool = nn.ModuleList([_gate(count) if full_reference else _SplitGate(count) for count in channels])
        self.dim_reduce = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(parts * count, width, 1), nn.GELU()) for count in channels]
        )
        self.sa_attn_blks = nn.ModuleList([_Stack(_EncoderLayer(width, heads)) for _ in channels])
        self.attn_blks = nn.ModuleList([_Stack(_DecoderLayer(width, heads)) for _ in channels[1:]])
        self.attn_pool = _EncoderLayer(width, heads)
        self.score_linear = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, outputs),
        )

    def forward(self, image: Tensor, reference: Tensor | None = None) -> Tensor:
        """`(N, 3, H, W)`, ImageNet-normalized, sides of at least 17 px, to `(N, outputs)`.

        The reference, of the same shape, is given exactly when the network was built for one.
        """
        levels = self.semantic_model.stages(image)
        others = [None] * len(levels) if reference is None else self.semantic_model.stages(reference)
        grid = (levels[-1].shape[2], levels[-1].shape[3])
        table = torch.cat((self.h_emb.expand(-1, -1, -1, GRID), self.w_emb.expand(-1, -1, GRID, -1)), 1)
        resized = F.interpolate(table, size=grid, mode="bicubic", align_corners=False)  # (1, C, h, w)
        position = resized.flatten(2).transpose(1, 2)  # (1, L, C)
        tokens = []
        for level, (features, other) in enumerate(zip(levels, others, strict=True)):
            pooled = _pooled(self.weight_pool[level], features, other, grid)  # (N, channels or 3 channels, h, w)
            reduced = self.dim_reduce[level](pooled).flatten(2).transpose(1, 2)  # (N, L, C)
            tokens.append(self.sa_attn_blks[level](reduced + position))
        query = tokens.pop()
        for block in self.attn_blks:
            query = block(query, tokens.pop())
        return self.score_linear(self.attn_pool(query).mean(1))

    def fold(self) -> None:
        """Join linear maps that follow one another: batch norms and gates. In place, for good; load the weights before.

        The same function for evaluation, 1e-6 apart.
        """
        fold_batch_norms(self.semantic_model)
        for gate in self.weight_pool:
            if isinstance(gate, _SplitGate):
                gate.fold()


def _pooled(gate: nn.Module, features: Tensor, reference: Tensor | None, grid: tuple[int, int]) -> Tensor:
    """A level's gated features, averaged to the tokens' grid; with a reference: image, reference, difference."""
    if reference is None:
        return F.adaptive_avg_pool2d(gate(features), grid)
    difference = ((features - reference).square() + 1e-12).sqrt()
    weight = gate(difference)  # (N, 1, H, W)
    parts = [F.adaptive_avg_pool2d(part * weight, grid) for part in (features, reference, difference)]  # (N, C, *grid)
    return torch.cat(parts, 1)


def _gate(channels: int) -> nn.Sequential:
    """Features `(N, C, h, w)` to one weight in (0, 1) for each position: `(N, 1, h, w)`."""
    return nn.Sequential(
        nn.Conv2d(channels, 64, 1),
        nn.GELU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(64, 1, 3, padding=1),
        nn.Sigmoid(),
    )


class _SplitGate(nn.Module):
    """Features weighted by a gate that sees other projections of them, `(N, C, H, W)` to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.splitconv = nn.Conv2d(channels, 2 * channels, 1)
        self.weight_blk = _gate(channels)

    def forward(self, features: Tensor) -> Tensor:
        values, seen = self.splitconv(features).tensor_split((self.channels,), 1)  # (N, C, H, W), (N, C or 64, H, W)
        return F.gelu(values) * self.weight_blk(seen)

    @torch.no_grad()
    def fold(self) -> None:
        """Multiply the gate's first map into the split: both are 1x1 convolutions with nothing in between."""
        split, first = self.splitconv, self.weight_blk[0]
        if not isinstance(first, nn.Conv2d):
            return
        assert split.bias is not None and first.bias is not None
        values, seen = split.weight.flatten(1).double().split(self.channels)
        values_bias, seen_bias = split.bias.double().split(self.channels)
        onto = first.weight.flatten(1).double()
        joined = nn.Conv2d(self.channels, self.channels + first.out_channels, 1, bias=False).to(split.weight)
        joined.weight.copy_(torch.cat((values, onto @ seen))[..., None, None])
        joined.bias = nn.Parameter(torch.cat((values_bias, onto @ seen_bias + first.bias)).to(split.bias))
        self.splitconv, self.weight_blk[0] = joined, nn.Identity()


class _Attention(nn.Module):
    """Multi-head attention of `(N, L, C)` to `(N, M, C)`; parameters are named as in `nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        count, _, width = query.shape
        weights, biases = self.in_proj_weight.split(width), self.in_proj_bias.split(width)
        query, key, value = (
            F.linear(tokens, weight, bias).view(count, -1, self.heads, width // self.heads).transpose(1, 2)
            for tokens, weight, bias in zip((query, memory, memory), weights, biases, strict=True)
        )  # (N, heads, L or M, C / heads) each
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # (N, L, C)


class _EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, `(N, L, C)` to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = _Attention(width, heads)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm1(tokens)
        tokens = tokens + self.self_attn(normed, normed)
        return tokens + self.linear2(F.gelu(self.linear1(self.norm2(tokens))))


class _DecoderLayer(nn.Module):
    """Pre-norm attention to another level's tokens and feed-forward; `(N, L, C)` twice to the first one's shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = _Attention(width, heads)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        query = query + self.multihead_attn(self.norm1(query), self.norm2(memory))
        return query + self.linear2(F.gelu(self.linear1(self.norm3(query))))


class _Stack(nn.Module):
    """One layer under the name `layers.0`, as the published files have it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList([layer])

    def forward(self, *tokens: Tensor) -> Tensor:
        return self.layers[0](*tokens)
