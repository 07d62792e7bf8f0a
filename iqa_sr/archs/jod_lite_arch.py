"""JOD-lite: the first stages of EfficientNet-Lite0 behind a front end that leaves out what nobody can see."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BLOCKS", "PRISTINE", "JODLite"]

PRISTINE = 10.0
"""JOD of an image that cannot be told from its original."""
BANDS = 3
FLOOR = 2 / 255
BLOCKS = (  # kernel, stride, expansion, channels in and out: EfficientNet-Lite0 down to a sixteenth of the size
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24),
    (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40),
    (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 80),
    (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112),
    (5, 1, 6, 112, 112),
    (5, 1, 6, 112, 112),
)
_TAPS = (0, 2, 4, 7, 10)  # blocks after which the size is halved, or the network ends
_SCALE, _SHIFT = 255 / 128, 127 / 128  # of the pixels that the published weights want


class JODLite(nn.Module):
    """A map of JOD as the sum of maps at five sizes, and its mean.

    The body is EfficientNet-Lite0's, with smooth activations and without its batch norms, which are folded into the
    convolutions: their statistics stay those of the published weights. Beside its first layer stands one that sees
    three bands of detail, each divided by its local energy with a floor of two levels of 255: of detail below that
    little is left. There is nothing global: the score of an image is the mean of those of its parts.

    Args:
        blocks: Number of blocks; 11 is all.
        hidden: Channels between a stage and its map.

    Raises:
        ValueError: If there is no such number of blocks.

    Reference:
        Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019,
        https://arxiv.org/abs/1905.11946; its Lite variant: Google, 2020 (no squeeze and excitation).
    """

    kernel: Tensor

    def __init__(self, blocks: int = len(BLOCKS), hidden: int = 32) -> None:
        super().__init__()
        if not 1 <= blocks <= len(BLOCKS):
            raise ValueError(f"blocks: expected 1 to {len(BLOCKS)}, got {blocks}")
        binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = (binomial[:, None] * binomial).expand(3, 1, 5, 5).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)
        self.detail = nn.Conv2d(BANDS * (4 * 3 + 1), 32, 3, padding=1)
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.blocks = nn.ModuleList(_Block(*sizes) for sizes in BLOCKS[:blocks])
        ends = [number for number in _TAPS if number < blocks]
        self.heads = nn.ModuleDict({str(number): _head(BLOCKS[number][-1], hidden) for number in ends})
        self.base = nn.Parameter(torch.tensor(8.5))  # the mean of what it learns from
        nn.init.normal_(self.detail.weight, std=0.02)
        nn.init.zeros_(self.detail.bias)  # type: ignore[arg-type]  # there is a bias

    def forward(self, image: Tensor) -> Tensor:
        """The JOD of each image against the pristine original that nobody has shown.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1], sides of at least 32 px.

        Returns:
            `(N,)`, higher is better, about 10 for a pristine image.
        """
        return self.base + torch.stack([small.mean((1, 2)) for small in self.maps(image)]).sum(0)

    def quality_map(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, H, W)`, the maps enlarged and added; its mean is about the score."""
        size = (image.shape[-2], image.shape[-1])
        large = [
            F.interpolate(small[:, None], size, mode="bilinear", align_corners=False) for small in self.maps(image)
        ]
        return self.base + torch.stack(large).sum(0)[:, 0]

    def maps(self, image: Tensor) -> list[Tensor]:
        """`(N, 3, H, W)` to `(N, ceil(H / s), ceil(W / s))` for s of 2, 4, 8, 16 and 16, as far as there are blocks."""
        with torch.autocast(image.device.type, enabled=False):  # 16 bits would round faint structure away
            image = image.to(self.kernel.dtype)
            image = F.pad(image, (0, image.shape[-1] % 2, 0, image.shape[-2] % 2), mode="replicate")
            details = self._details(image)
        x = F.silu(self.stem(_SCALE * image - _SHIFT) + self.detail(details))  # (N, 32, H / 2, W / 2)
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if str(number) in self.heads:
                maps.append(self.heads[str(number)](x)[:, 0])
        return maps

    def _details(self, image: Tensor) -> Tensor:
        """What three binomial filters take away one after the other, each twice as wide as the one before.

        `(N, 3, H, W)` to `(N, 39, H / 2, W / 2)`: each band over the root of its local energy plus the floor, folded
        2x2 into channels, and the logarithms of these roots.
        """
        details, energies = [], []
        for band in range(BANDS):
            padded = F.pad(image, (2 ** (band + 1),) * 4, mode="replicate")
            smooth = F.conv2d(padded, self.kernel, groups=3, dilation=2**band)
            detail, image = image - smooth, smooth
            energy = F.pad(detail.square().mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate")
            root = (F.avg_pool2d(energy, 7, 1) + FLOOR**2).sqrt()
            details.append(detail / root)
            energies.append(F.avg_pool2d(0.5 * torch.log(root / FLOOR), 2))
        return torch.cat([F.pixel_unshuffle(torch.cat(details, dim=1), 2), *energies], dim=1)


class _Block(nn.Module):
    """A mobile bottleneck: wider by a 1x1 convolution, filtered channel by channel, narrower again."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Conv2d(inputs, width, 1) if expansion > 1 else None
        self.depth = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width)
        self.project = nn.Conv2d(width, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.silu(self.expand(x))
        narrow: Tensor = self.project(F.silu(self.depth(wide)))
        return x + narrow if self.shortcut else narrow


def _head(inputs: int, hidden: int) -> nn.Sequential:
    last = nn.Conv2d(hidden, 1, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # there is a bias
    return nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.SiLU(), last)
