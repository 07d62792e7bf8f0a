"""RankIQA-lite: a small convolutional network that maps an image to its quality, pixel by pixel."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["UNTOUCHED", "RankIQALite"]

UNTOUCHED = 5.0
"""Quality of an untouched image; one level of degradation costs 1."""
FINE_BANDS, COARSE_BANDS = 2, 3
GAIN = 20.0
LEAST_ENERGY = 4e-6  # half a level of 255, squared


class RankIQALite(nn.Module):
    """A quality map at an eighth of the image's size, and its mean.

    Own architecture. The network sees the pixels; what five binomial filters take away one after the other, each
    twice as wide as the one before (bands from fine to coarse structure), amplified and compressed by an inverse
    hyperbolic sine; and the logarithm of the bands' local energies, whose ratios tell blur from content. Most
    degradations live there, at a few levels of 255: from pixels alone nothing was learned in hundreds of iterations.
    Pixels and fine bands are folded 2x2 into channels, so that no fine structure is filtered away before the first
    layer; coarse bands are made at half the size. Residual blocks follow at a half, a quarter and an eighth of the
    size. There is nothing global: the score of an image is the mean of those of its parts. All activations are smooth.

    Args:
        width: Channels at half the size; twice and four times as many follow. 24 gives 0.5 million parameters.

    Reference:
        Liu, van de Weijer, Bagdanov: RankIQA: Learning from Rankings for No-reference Image Quality Assessment, ICCV
        2017, https://arxiv.org/abs/1707.08347 (the idea; there a VGG-16 or AlexNet learns).
    """

    kernel: Tensor

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = (binomial[:, None] * binomial).expand(3, 1, 5, 5).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)
        inputs = 4 * 3 * (1 + FINE_BANDS) + 3 * COARSE_BANDS + FINE_BANDS + COARSE_BANDS
        self.body = nn.Sequential(
            _convolution(inputs, width),
            _Residual(width),
            _convolution(width, 2 * width, stride=2),
            _Residual(2 * width),
            _Residual(2 * width),
            _convolution(2 * width, 4 * width, stride=2),
            _Residual(4 * width),
            _Residual(4 * width),
        )
        last = nn.Conv2d(2 * width, 1, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, UNTOUCHED)  # type: ignore[arg-type]  # there is a bias
        self.head = nn.Sequential(nn.Conv2d(4 * width, 2 * width, 1), nn.SiLU(), last)

    def forward(self, image: Tensor) -> Tensor:
        """The quality of each image.

        Args:
            image: `(N, 3, H, W)` RGB in [0, 1], sides of at least 16 px.

        Returns:
            `(N,)`, higher is better.
        """
        return self.quality_map(image).mean((1, 2))

    def quality_map(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, ceil(H / 8), ceil(W / 8))`; odd sides are continued with their last pixels."""
        return torch.squeeze(self.head(self.features(image)), 1)

    def features(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` to `(N, 4 * width, ceil(H / 8), ceil(W / 8))`."""
        with torch.autocast(image.device.type, enabled=False):  # 16 bits would round faint structure away
            seen = self._front(image.to(self.kernel.dtype))
        features: Tensor = self.body(seen)
        return features

    def _front(self, image: Tensor) -> Tensor:
        """Input of the first layer, at half the size."""
        image = F.pad(image, (0, image.shape[-1] % 2, 0, image.shape[-2] % 2), mode="replicate")  # (N, 3, 2h, 2w)
        full, half, energies, smooth = [image - 0.5], [], [], image
        for band in range(FINE_BANDS):
            detail, smooth = self._split(smooth, 2**band)
            full.append(torch.asinh(GAIN * detail))
            energy = detail.square().mean(1, keepdim=True)  # (N, 1, 2h, 2w)
            energies.append(F.avg_pool2d(F.pad(energy, (2, 2, 2, 2), mode="replicate"), 6, 2))  # (N, 1, h, w)
        smooth = F.avg_pool2d(smooth, 2)  # (N, 3, h, w)
        for band in range(1, COARSE_BANDS + 1):
            detail, smooth = self._split(smooth, 2**band)
            half.append(torch.asinh(GAIN * detail))
            energy = detail.square().mean(1, keepdim=True)  # (N, 1, h, w)
            energies.append(F.avg_pool2d(F.pad(energy, (band,) * 4, mode="replicate"), 2 * band + 1, 1))
        logarithms = 2 + 0.25 * torch.log(torch.cat(energies, dim=1) + LEAST_ENERGY)  # (N, 5, h, w)
        return torch.cat([F.pixel_unshuffle(torch.cat(full, dim=1), 2), *half, logarithms], dim=1)  # (N, 50, h, w)

    def _split(self, image: Tensor, dilation: int) -> tuple[Tensor, Tensor]:
        """The band that a binomial filter takes away, and what it leaves."""
        padded = F.pad(image, (2 * dilation,) * 4, mode="replicate")
        smooth = F.conv2d(padded, self.kernel, groups=3, dilation=dilation)
        return image - smooth, smooth


def _convolution(inputs: int, outputs: int, stride: int = 1, activation: bool = True) -> nn.Sequential:
    # Beyond the border the image goes on with its last values: zeros there would look like an edge.
    layers = [
        nn.Conv2d(inputs, outputs, 3, stride, 1, padding_mode="replicate", bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.SiLU()) if activation else nn.Sequential(*layers)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut: `(N, width, h, w)` to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = _convolution(width, width, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.second(self.first(x)))
