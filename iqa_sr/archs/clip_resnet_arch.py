"""CLIP's modified ResNet-50, with the parameter names of OpenAI's files below `visual.`."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from iqa_sr.archs.clip_transformer_arch import resized_positions

__all__ = ["CLIPResNet"]

HEAD = 64  # width of a head of the attention pool


class CLIPResNet(nn.Module):
    """CLIP's convolutional image tower: normalized images to features; the defaults are those of RN50.

    A ResNet with three convolutions in its stem, average pools where it halves the size, and an attention pool at its
    end. The number of tokens in that pool follows the image. Sides that are not multiples of 32 lose their remainder
    in the pools, except that an odd side is rounded up once, by the stem; 31 px give the first token.

    Args:
        layers: Number of blocks in each of the four stages.
        embed_dim: Width of the features shared with the texts.
        width: Channels after the stem; the stages have 4, 8, 16 and 32 times as many.
        grid: Tokens along each side of a training image.
        positions: Whether the attention pool adds its positional embedding, resized bicubically along the token axis,
            the mean token included. Quality metrics leave it out, which suits images of any size.
        checkpoint: Whether the blocks are computed again in the backward pass instead of keeping what is inside them.

    Reference:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        embed_dim: int = 1024,
        width: int = 64,
        grid: int = 7,
        positions: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        channels = width
        for stage, count in enumerate(layers):
            planes = width * 2**stage
            blocks = [_CLIPBottleneck(channels, planes, 2 if stage else 1)]
            channels = 4 * planes
            blocks += [_CLIPBottleneck(channels, planes, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(channels, channels // HEAD, embed_dim, grid, positions)

    @classmethod
    def shaped_as(cls, state: Mapping[str, Tensor], positions: bool = True, checkpoint: bool = False) -> "CLIPResNet":
        """A network of the sizes that a state dict has; RN50's where it does not tell."""
        blocks = {tuple(key.split(".")[:2]) for key in state if key.startswith("layer")}
        counts = [sum(stage == f"layer{number}" for stage, _ in blocks) for number in range(1, 5)]
        sizes: dict[str, Any] = {"layers": counts} if all(counts) else {}
        for name, key in (("width", "conv3.weight"), ("embed_dim", "attnpool.c_proj.weight")):
            if key in state and state[key].ndim:
                sizes[name] = state[key].shape[0]
        return cls(**sizes, positions=positions, checkpoint=checkpoint)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` in CLIP's normalization, 31 px or more, to `(N, embed_dim)` features, not of unit length."""
        return self.attnpool(self.grid(image))

    def grid(self, image: Tensor) -> Tensor:
        """The last feature map `(N, 2048, ceil(H / 2) // 16, ceil(W / 2) // 16)`."""
        x = self.bn1(self.conv1(image)).relu_()  # (N, width / 2, ceil(H / 2), ceil(W / 2))
        x = self.bn2(self.conv2(x)).relu_()
        x = self.bn3(self.conv3(x)).relu_()  # (N, width, ceil(H / 2), ceil(W / 2))
        x = F.avg_pool2d(x, 2)  # (N, width, ceil(H / 2) // 2, ceil(W / 2) // 2)
        save_memory = self.checkpoint and torch.is_grad_enabled()
        for stage in range(1, 5):
            for block in self.get_submodule(f"layer{stage}").children():
                x = recompute(block, x, use_reentrant=False) if save_memory else block(x)
        return x


class _CLIPBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; an average pool instead of a stride."""

    def __init__(self, width: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.stride = stride
        self.downsample = None
        if stride > 1 or width != 4 * planes:
            projection = nn.Conv2d(width, 4 * planes, 1, bias=False)
            self.downsample = nn.Sequential(OrderedDict([("0", projection), ("1", nn.BatchNorm2d(4 * planes))]))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, width, h, w)` to `(N, 4 planes, h // stride, w // stride)`."""
        y = self.bn1(self.conv1(x)).relu_()  # (N, planes, h, w)
        y = self.bn2(self.conv2(y)).relu_()
        if self.stride > 1:
            x, y = F.avg_pool2d(x, self.stride), F.avg_pool2d(y, self.stride)  # (..., h // stride, w // stride) each
        y = self.bn3(self.conv3(y))  # (N, 4 planes, h // stride, w // stride)
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


class AttentionPool(nn.Module):
    """Multi-head attention of the mean token over all tokens: `(N, C, h, w)` to `(N, embed_dim)`.

    Only the mean token's output is used, so only it is computed, and no token is projected: with one query q a head's
    logits are `(K^T q) . token` up to a constant, and its output is `V (weighted mean of the tokens)`. That costs a
    thirtieth of the projections at 8 x 8 tokens and gives the same numbers up to float32 rounding.
    """

    def __init__(self, width: int, heads: int, embed_dim: int, grid: int, positions: bool) -> None:
        super().__init__()
        self.heads = heads
        self.positions = positions
        self.positional_embedding = nn.Parameter(torch.randn(grid**2 + 1, width) / width**0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Any `h` and `w` from 1 on."""
        tokens = x.flatten(2).transpose(1, 2)  # (N, h w, C)
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)  # (N, 1 + h w, C)
        if self.positions:
            tokens = tokens + resized_positions(self.positional_embedding, tokens.shape[1])
        query = self.q_proj(tokens[:, 0]).unflatten(1, (self.heads, -1))  # (N, heads, C / heads)
        # The bias of the keys adds the same to all logits of a head: it cancels in the softmax.
        lookup = torch.einsum("nhd,hdc->nhc", query, self._by_head(self.k_proj))  # (N, heads, C)
        mixed = F.scaled_dot_product_attention(lookup, tokens, tokens, scale=query.shape[-1] ** -0.5)
        values = torch.einsum("nhc,hdc->nhd", mixed, self._by_head(self.v_proj)).flatten(1) + self.v_proj.bias  # (N, C)
        return self.c_proj(values)

    def _by_head(self, projection: nn.Linear) -> Tensor:
        """`(heads, width of a head, C)`."""
        return projection.weight.unflatten(0, (self.heads, -1))
