"""A-FINE's network: CLIP's tower, a head for naturalness, one for fidelity, and the maps that join them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.clip_vit_arch import CLIPVision
from iqa_sr.archs.normalization import CLIP

__all__ = ["AFINENetwork", "LevelStatistics"]

PIXEL_CHANNELS = 3
WIDTH = 768
LAYERS = 12
HEAD = 64  # CLIP's width of one attention head
STABILITY = 1e-10


@dataclass(frozen=True)
class LevelStatistics:
    """Input of the heads: its levels, the pixels and the blocks of CLIP; 13 in the published network.

    Attributes:
        centered: Values of each level minus their mean over the positions, `(N, positions, channels)`.
        mean: Means over the positions, `(N, 9219)`: 3 channels of the pixels, then 768 of each block.
        variance: Biased variances over the positions, `(N, 9219)`, in the order of the means.
    """

    centered: tuple[Tensor, ...]
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, levels: Sequence[Tensor]) -> "LevelStatistics":
        """Statistics of levels `(N, positions, channels)`."""
        means = [level.mean(1, keepdim=True) for level in levels]  # (N, 1, channels) each
        centered = [level - mean for level, mean in zip(levels, means, strict=True)]
        variances = [level.square().mean(1) for level in centered]  # (N, channels) each
        return cls(tuple(centered), torch.cat(means, dim=2).flatten(1), torch.cat(variances, dim=1))

    def split(self, parts: int) -> "tuple[LevelStatistics, ...]":
        """Statistics of `parts` groups of equally many images each, in their order."""
        size = len(self.mean) // parts
        levels = zip(*(level.split(size) for level in self.centered), strict=True)
        rows = zip(levels, self.mean.split(size), self.variance.split(size), strict=True)
        return tuple(LevelStatistics(*row) for row in rows)


class NaturalnessHead(nn.Module):
    """Statistics of one image to its raw naturalness `(N,)`; published as `natural`.

    Args:
        width: Width of CLIP's tokens.
        layers: Number of CLIP's blocks.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.levels = layers, width
        self.proj_feat = nn.Linear(2 * width, 128)  # one for all blocks
        self.proj_head = nn.Sequential(
            nn.Linear(2 * PIXEL_CHANNELS + layers * 128, width), nn.GELU(), nn.Linear(width, 1)
        )

    def forward(self, statistics: LevelStatistics) -> Tensor:
        """Raw naturalness of each image, `(N,)`, lower is better."""
        both = statistics.mean, statistics.variance
        pixels = torch.cat([values[:, :PIXEL_CHANNELS] for values in both], dim=1)  # (N, 6)
        # (N, layers, 2 width)
        blocks = torch.cat([values[:, PIXEL_CHANNELS:].unflatten(1, self.levels) for values in both], dim=2)
        return self.proj_head(torch.cat([pixels, self.proj_feat(blocks).flatten(1)], dim=1)).flatten()


class FidelityHead(nn.Module):
    """Statistics of two images to their raw fidelity `(N,)`, as in DISTS; published as `fidelity`.

    `1 - sum(a S1 + b S2)` over the channels, with `S1 = (2 mx my + c) / (mx^2 + my^2 + c)` and
    `S2 = (2 cov + c) / (vx + vy + c)`; `a` and `b` are positive and add up to 1.

    Args:
        width: Width of CLIP's tokens.
        layers: Number of CLIP's blocks.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        channels = PIXEL_CHANNELS + layers * width
        self.alpha = nn.Parameter(0.1 + 0.01 * torch.randn(1, 1, channels))
        self.beta = nn.Parameter(0.1 + 0.01 * torch.randn(1, 1, channels))

    def forward(self, image: LevelStatistics, reference: LevelStatistics) -> Tensor:
        """`(N,)` from 0 for equal statistics to at most 2, lower is better."""
        pairs = zip(image.centered, reference.centered, strict=True)
        covariance = torch.cat([(ours * theirs).mean(1) for ours, theirs in pairs], dim=1)  # (N, channels)
        luminance = (2 * image.mean * reference.mean + STABILITY) / (
            image.mean.square() + reference.mean.square() + STABILITY
        )
        structure = (2 * covariance + STABILITY) / (image.variance + reference.variance + STABILITY)
        alpha, beta = F.softplus(self.alpha[0]), F.softplus(self.beta[0])  # (1, channels) each
        return 1 - (alpha * luminance + beta * structure).sum(1) / (alpha + beta).sum()


class LogisticMap(nn.Module):
    """`4 sigmoid((x - yita3) / (|yita4| + 1e-10)) - 2`, to (-2, 2).

    Args:
        center: Initial value of `yita3`.
        spread: Initial value of `yita4`.
        center_bounds: Lower and upper bound to which the forward pass clamps `yita3`; None for no clamping.
        spread_bounds: Lower and upper bound to which the forward pass clamps `yita4`; None for no clamping.
    """

    def __init__(
        self,
        center: float,
        spread: float,
        center_bounds: tuple[float, float] | None = None,
        spread_bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.yita3 = nn.Parameter(torch.tensor(center))
        self.yita4 = nn.Parameter(torch.tensor(spread))
        self.bounds = center_bounds, spread_bounds

    def forward(self, raw: Tensor) -> Tensor:
        """Raw scores of any shape, mapped into (-2, 2)."""
        learned = self.yita3, self.yita4
        center, spread = (
            value if bounds is None else value.clamp(*bounds)
            for value, bounds in zip(learned, self.bounds, strict=True)
        )
        return 4 * torch.sigmoid((raw - center) / (spread.abs() + STABILITY)) - 2


class ScoreAdapter(nn.Module):
    """`D = exp(softplus(k) (N_reference - N_image)) N_image + F`.

    The more natural the reference is beside the image, the less the image's own naturalness counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(5.0))

    def forward(self, naturalness: Tensor, reference_naturalness: Tensor, fidelity: Tensor) -> Tensor:
        """D score of each image, `(N,)` from `(N,)` each, lower is better."""
        return torch.exp(F.softplus(self.k) * (reference_naturalness - naturalness)) * naturalness + fidelity


class AFINENetwork(nn.Module):
    """The whole network of A-FINE; its children are named as the parts of the published file.

    Args:
        checkpoint: Whether CLIP's blocks are computed again in the backward pass, to save memory.
        width: Width of CLIP's tokens, a multiple of 64; as published 768.
        layers: Number of CLIP's blocks; as published 12.

    Raises:
        ValueError: If the sizes are none that CLIP can have.

    Reference:
        Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
        Assumption, CVPR 2025, https://arxiv.org/abs/2503.11221.
    """

    def __init__(self, checkpoint: bool = False, width: int = WIDTH, layers: int = LAYERS) -> None:
        super().__init__()
        if width < HEAD or width % HEAD or layers < 1:
            raise ValueError(
                f"AFINENetwork: expected a width that is a multiple of {HEAD} and at least one layer, "
                f"got width {width} and {layers} layers"
            )
        self.finetuned_clip = CLIPVision(width=width, layers=layers, heads=width // HEAD, checkpoint=checkpoint)
        for embedding in (self.finetuned_clip.class_embedding, self.finetuned_clip.positional_embedding):
            nn.init.normal_(embedding, std=width**-0.5)  # CLIPVision starts them at zero, as it is loaded elsewhere
        self.natural = NaturalnessHead(width, layers)
        self.fidelity = FidelityHead(width, layers)
        self.natural_scale = LogisticMap(4.9592, 21.5968)
        self.fidelity_scale = LogisticMap(0.5, 0.15, (0.05, 0.95), (0.01, 0.70))
        self.adapter = ScoreAdapter()

    def statistics(self, image: Tensor) -> LevelStatistics:
        """`(N, 3, H, W)` RGB in [0, 1], sides multiples of 32, to the statistics that the heads see."""
        # Plain numbers: those of a float32 buffer would move the gradient in float64 by 1e-3.
        channels = zip(image.unbind(1), *CLIP, strict=True)
        normalized = torch.stack([(channel - mean) / std for channel, mean, std in channels], dim=1)
        blocks = self.finetuned_clip.all_layers(normalized)  # (N, 1 + patches, width) each
        return LevelStatistics.of([image.flatten(2).transpose(1, 2), *(F.relu(tokens[:, 1:]) for tokens in blocks)])
