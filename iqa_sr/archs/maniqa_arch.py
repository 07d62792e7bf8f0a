"""MANIQA: attention between channels and within windows, on the features of a vision transformer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.vit_arch import ViTFeatures

__all__ = ["MANIQANet"]

SIDE = 28  # patches along a side of a crop


class MANIQANet(nn.Module):
    """Crops of 224x224 px to a score and a weight for each of their 784 positions.

    Args:
        scale: Factor of a window stage's output before it is added to its input: 0.8, or 0.13 in the PIPAL model.
        checkpointed: Whether the transformer's blocks are computed again in the backward pass.

    Reference:
        Yang, Wu, Shi, Lao, Gong, Cao, Wang, Yang: MANIQA: Multi-dimension Attention Network for No-Reference Image
        Quality Assessment, CVPRW 2022.
    """

    def __init__(self, scale: float = 0.8, checkpointed: bool = False) -> None:
        super().__init__()
        self.vit = ViTFeatures((6, 7, 8, 9), checkpointed)
        self.tablock1 = nn.Sequential(TransposedAttention(), TransposedAttention())
        self.conv1 = nn.Conv2d(3072, 768, 1)
        self.swintransformer1 = WindowStages(768, scale)
        self.tablock2 = nn.Sequential(TransposedAttention(), TransposedAttention())
        self.conv2 = nn.Conv2d(768, 384, 1)
        self.swintransformer2 = WindowStages(384, scale)
        self.fc_score = nn.Sequential(nn.Linear(384, 384), nn.ReLU(), nn.Identity(), nn.Linear(384, 1), nn.ReLU())
        self.fc_weight = nn.Sequential(nn.Linear(384, 384), nn.ReLU(), nn.Identity(), nn.Linear(384, 1), nn.Sigmoid())

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized `(N, 3, 224, 224)` to scores `(N, 784)` and weights `(N, 784)`."""
        features = self.tablock1(self.vit(crops).transpose(1, 2))  # (N, 3072, 784)
        features = self.swintransformer1(self.conv1(features.unflatten(2, (SIDE, SIDE))))  # (N, 768, 28, 28)
        features = self.tablock2(features.flatten(2))  # (N, 768, 784)
        features = self.swintransformer2(self.conv2(features.unflatten(2, (SIDE, SIDE))))  # (N, 384, 28, 28)
        positions = features.flatten(2).transpose(1, 2)  # (N, 784, 384)
        return self.fc_score(positions)[..., 0], self.fc_weight(positions)[..., 0]


class TransposedAttention(nn.Module):
    """Attention between channels; the `(C, N)` result is read as `(N, C)` without being turned back, as published."""

    def __init__(self, positions: int = SIDE * SIDE) -> None:
        super().__init__()
        self.c_q = nn.Linear(positions, positions)
        self.c_k = nn.Linear(positions, positions)
        self.c_v = nn.Linear(positions, positions)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, C, N)` to `(B, C, N)`."""
        mixed = F.scaled_dot_product_attention(self.c_q(features), self.c_k(features), self.c_v(features))
        return features + mixed.transpose(1, 2).reshape(features.shape)


class WindowStages(nn.Module):
    """Two stages of two window-attention blocks and a convolution each, added to what came in."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.ModuleList([WindowStage(width), WindowStage(width)])

    def forward(self, features: Tensor) -> Tensor:
        """`(B, C, 28, 28)` to the same shape."""
        for layer in self.layers:
            features = self.scale * layer(features) + features
        return features


class WindowStage(nn.Module):
    """A block with plain windows, one with shifted windows, a 3x3 convolution and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([WindowBlock(width, shift=0), WindowBlock(width, shift=WINDOW // 2)])
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, C, 28, 28)` to the same shape."""
        tokens = features.permute(0, 2, 3, 1)  # (B, 28, 28, C)
        for block in self.blocks:
            tokens = block(tokens)
        return F.relu(self.conv(tokens.permute(0, 3, 1, 2)))


WINDOW = 4


class WindowBlock(nn.Module):
    """Swin's block: attention in windows of 4x4 positions with a bias for each relative position, and a perceptron."""

    attn_mask: Tensor | None

    def __init__(self, width: int, shift: int, heads: int = 4, hidden: int = 768) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.register_buffer("attn_mask", _shift_mask(shift) if shift else None)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, 28, 28, C)` to the same shape."""
        windows = _windows(torch.roll(self.norm1(tokens), (-self.shift, -self.shift), (1, 2)))  # (B, 49, 16, C)
        mixed = _whole(self.attn(windows, self.attn_mask), len(tokens))  # (B, 28, 28, C)
        tokens = tokens + torch.roll(mixed, (self.shift, self.shift), (1, 2))
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))


class WindowAttention(nn.Module):
    """Attention in windows, with a bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _relative_positions())
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Args: windows: `(B, 49, 16, C)`; mask: `(49, 16, 16)`, added to the logits. Returns the windows' shape."""
        # (B, 49, heads, 16, C / heads) each
        query, key, value = self.qkv(windows).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        index = self.relative_position_index
        # (1, heads, 16, 16)
        bias = self.relative_position_bias_table[index.flatten()].view(*index.shape, -1).permute(2, 0, 1)[None]
        if mask is not None:
            bias = bias + mask[:, None]  # (49, heads, 16, 16)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(mixed.transpose(2, 3).flatten(3))


def _windows(tokens: Tensor) -> Tensor:
    """`(B, 28, 28, C)` to `(B, 49, 16, C)`."""
    batch, _, _, width = tokens.shape
    # (B, 7, 7, 4, 4, C)
    cut = tokens.view(batch, SIDE // WINDOW, WINDOW, SIDE // WINDOW, WINDOW, width).transpose(2, 3)
    return cut.reshape(batch, -1, WINDOW * WINDOW, width)


def _whole(windows: Tensor, batch: int) -> Tensor:
    """`(B, 49, 16, C)` to `(B, 28, 28, C)`."""
    count = SIDE // WINDOW
    return windows.view(batch, count, count, WINDOW, WINDOW, -1).transpose(2, 3).reshape(batch, SIDE, SIDE, -1)


def _relative_positions() -> Tensor:
    """`(16, 16)` int64: for each pair of positions in a window the row of the bias table."""
    position = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
    down, right = position[:, :, None] - position[:, None, :] + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


def _shift_mask(shift: int) -> Tensor:
    """`(49, 16, 16)`: -100 between positions that only the shift brought into one window, else 0."""
    edges = torch.zeros(SIDE, dtype=torch.long)
    edges[-WINDOW:-shift], edges[-shift:] = 1, 2
    regions = (3 * edges[:, None] + edges)[None, :, :, None]
    numbers = _windows(regions)[0, :, :, 0]
    return torch.where(numbers[:, :, None] == numbers[:, None, :], 0.0, -100.0)
