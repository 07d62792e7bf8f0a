"""MUSIQ: a transformer over the patches of an image at several scales."""

from collections.abc import Callable, Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["MUSIQNet", "fold_standardization"]


class MUSIQNet(nn.Module):
    """Patches of 32x32 px with their positions and scales to the output of the head.

    Args:
        outputs: 1 for a score, 10 for the logits of the ratings 1 to 10.
        checkpointed: Whether the blocks are computed again in the backward pass instead of being kept.

    Reference:
        Ke, Wang, Wang, Milanfar, Yang: MUSIQ: Multi-Scale Image Quality Transformer, ICCV 2021.
    """

    def __init__(self, outputs: int = 1, checkpointed: bool = False) -> None:
        super().__init__()
        self.checkpointed = checkpointed
        self.conv_root = RootConv2d()
        self.gn_root = nn.GroupNorm(32, 64, eps=1e-6)
        self.block1 = Bottleneck(64, 64, 256)
        self.embedding = nn.Linear(256 * 8 * 8, 384)
        self.transformer_encoder = TransformerEncoder()
        head = nn.Linear(384, outputs)
        self.head = head if outputs == 1 else nn.Sequential(head, nn.Softmax(dim=-1))

    def forward(self, patches: Tensor, positions: Tensor, scales: Tensor) -> Tensor:
        """Score of each image, or probabilities of its ratings, from its patches.

        Args:
            patches: `(N, T, 3, 32, 32)` in [-1, 1].
            positions: `(T,)` int64, position on the 10x10 grid, row-major.
            scales: `(T,)` int64, number of the scale.

        Returns:
            `(N, 1)` scores, or `(N, 10)` probabilities of the ratings.
        """
        return self.head(self.class_token(self.embed(patches), positions, scales))

    def embed(self, patches: Tensor) -> Tensor:
        """`(N, T, 3, 32, 32)` to tokens `(N, T, 384)`."""
        count, length = patches.shape[:2]
        # Equal parts that fit into a CPU's cache.
        patches = patches.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (N T, 3, 32, 32)
        parts = patches.tensor_split(max(1, round(len(patches) / PART)))
        return torch.cat([self._call(self._embed_part, part) for part in parts]).view(count, length, -1)

    def _embed_part(self, patches: Tensor) -> Tensor:
        # On a CPU group normalization of few channels is quick with channels first, convolution and pooling with
        # channels last; changing the order costs less than either in the wrong one.
        features = self.gn_root(self.conv_root(patches))  # (M, 64, 16, 16)
        features = features.contiguous(memory_format=torch.channels_last)
        # As ReLU and then a pooling padded with zeros at the bottom and the right: no value of it is below zero.
        features = F.max_pool2d(features, 3, 2, ceil_mode=True).relu_()  # (M, 64, 8, 8)
        return self.embedding(self.block1(features).permute(0, 2, 3, 1).flatten(1))  # (M, 384)

    def class_token(self, tokens: Tensor, positions: Tensor, scales: Tensor) -> Tensor:
        """Tokens `(N, T, 384)` with positions and scales `(T,)` to the class token `(N, 384)`."""
        encoder = self.transformer_encoder
        tokens = (
            tokens
            + encoder.posembed_input["position_emb"][0, positions]
            + encoder.scaleembed_input["scale_emb"][scales]
        )
        tokens = torch.cat([encoder.cls.expand(len(tokens), -1, -1), tokens], dim=1)  # (N, 1 + T, 384)
        *blocks, last = cast(Iterable[EncoderBlock], encoder.transformer.values())
        for block in blocks:
            tokens = self._call(block, tokens)
        # Of the last block nothing but the class token is used.
        return encoder.encoder_norm(self._call(last.first_token, tokens))

    def _call(self, function: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
        if self.checkpointed and torch.is_grad_enabled():
            return cast(Tensor, checkpoint(function, tensor, use_reentrant=False))
        return function(tensor)


PART = 128


class StandardizedConv2d(nn.Conv2d):
    """A convolution whose filters are brought to mean 0 and deviation 1 first."""

    folded: Tensor | None

    def __init__(self, inputs: int, outputs: int, side: int, padding: int = 0) -> None:
        super().__init__(inputs, outputs, side, padding=padding, bias=False)
        self.register_buffer("folded", None, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Convolution of `(N, C, H, W)` with the standardized filters."""
        return F.conv2d(image, self.filters() if self.folded is None else self.folded, padding=self.padding)

    def filters(self) -> Tensor:
        """Standardized filters, in the shape of the weight: mean 0 and deviation 1 each."""
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True)  # the unbiased deviation
        return (self.weight - mean) / (deviation + 1e-5)


class RootConv2d(StandardizedConv2d):
    """7x7 filters at every other position, with 2 zeros before and 3 after the image.

    Squares of 2x2 px are laid into 12 channels, on which the filters are 4x4 ones at every position. The gradient of
    such a convolution takes a third of the time on a CPU.
    """

    def __init__(self) -> None:
        super().__init__(3, 64, 7)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` with even sides to `(N, 64, H/2, W/2)`."""
        return super().forward(F.pad(F.pixel_unshuffle(image, 2), (1, 2, 1, 2)))

    def filters(self) -> Tensor:
        """Standardized filters for squares of 2x2 px laid into channels, `(64, 12, 4, 4)`."""
        return F.pixel_unshuffle(F.pad(super().filters(), (0, 1, 0, 1)), 2)


def fold_standardization(network: nn.Module) -> None:
    """Standardize the filters of all convolutions for good; load the weights before."""
    for module in network.modules():
        if isinstance(module, StandardizedConv2d):
            module.folded = module.filters().detach()


class Bottleneck(nn.Module):
    """A residual block of three convolutions with group normalization, and a projection beside them."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = StandardizedConv2d(inputs, middle, 1)
        self.gn1 = nn.GroupNorm(32, middle, eps=1e-4)
        self.conv2 = StandardizedConv2d(middle, middle, 3, padding=1)
        self.gn2 = nn.GroupNorm(32, middle, eps=1e-4)
        self.conv3 = StandardizedConv2d(middle, outputs, 1)
        self.gn3 = nn.GroupNorm(32, outputs, eps=1e-4)
        self.conv_proj = StandardizedConv2d(inputs, outputs, 1)
        self.gn_proj = nn.GroupNorm(32, outputs, eps=1e-4)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H, W)`."""
        beside = self.gn_proj(self.conv_proj(features))  # (N, outputs, H, W)
        features = self.gn1(self.conv1(features).contiguous()).relu_()  # (N, middle, H, W)
        features = self.gn2(self.conv2(features)).relu_()
        features = self.gn3(self.conv3(features.contiguous(memory_format=torch.channels_last)))  # (N, outputs, H, W)
        return (beside + features).relu_()


class TransformerEncoder(nn.Module):
    """14 blocks, the embeddings of position and scale, and the class token; parameters only, used by `MUSIQNet`."""

    def __init__(self, width: int = 384, depth: int = 14) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.posembed_input = nn.ParameterDict({"position_emb": nn.Parameter(torch.zeros(1, 100, width))})
        self.scaleembed_input = nn.ParameterDict({"scale_emb": nn.Parameter(torch.zeros(3, width))})
        self.transformer = nn.ModuleDict({f"encoderblock_{i}": EncoderBlock(width) for i in range(depth)})
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)


class EncoderBlock(nn.Module):
    """Pre-norm attention of 6 heads and a multilayer perceptron."""

    def __init__(self, width: int, heads: int = 6, hidden: int = 1152) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value", "out")})
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        """`(N, T, C)` to `(N, T, C)`."""
        seen = self.norm1(tokens)
        return self._rest(tokens, self._attend(seen, seen))

    def first_token(self, tokens: Tensor) -> Tensor:
        """`(N, T, C)` to the first token alone, `(N, C)`."""
        seen = self.norm1(tokens)
        return self._rest(tokens[:, :1], self._attend(seen[:, :1], seen))[:, 0]

    def _attend(self, asking: Tensor, answering: Tensor) -> Tensor:
        query, key, value = (
            self.attention[name](source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name, source in (("query", asking), ("key", answering), ("value", answering))
        )  # (N, heads, 1 or T, C / heads) each
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.attention["out"](mixed.transpose(1, 2).flatten(2))  # (N, 1 or T, C)

    def _rest(self, tokens: Tensor, attended: Tensor) -> Tensor:
        tokens = tokens + attended
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))
