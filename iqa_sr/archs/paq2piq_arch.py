"""PaQ-2-PiQ: a ResNet-18, region-of-interest pooling of the whole image, and a small head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.archs.resnet_arch import residual_stage

__all__ = ["PaQ2PiQNet", "roi_pool_whole"]

STRIDE = 32
CELLS = 2


class PaQ2PiQNet(nn.Module):
    """A score of the whole image; the patches' scores of the paper are left out.

    Its state dict has the names of the published file.

    Reference:
        Ying, Niu, Gupta, Mahajan, Ghadiyaram, Bovik: From Patches to Pictures (PaQ-2-PiQ): Mapping the Perceptual
        Space of Picture Quality, CVPR 2020, https://arxiv.org/abs/1912.10088
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
            residual_stage(64, 64, 2, 1, bottleneck=False),
            residual_stage(64, 128, 2, 2, bottleneck=False),
            residual_stage(128, 256, 2, 2, bottleneck=False),
            residual_stage(256, 512, 2, 2, bottleneck=False),
        )
        self.head = nn.Sequential(
            _MaxAndMean(),
            nn.Flatten(),
            nn.BatchNorm1d(1024),
            nn.Dropout(0.25),
            nn.Linear(1024, 512),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(512),
            nn.Dropout(0.5),
            nn.Linear(512, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1], not normalized, any size, to `(N, 1)`."""
        return self.head(roi_pool_whole(self.body(image), *image.shape[2:]))


def roi_pool_whole(features: Tensor, height: int, width: int) -> Tensor:
    """Region-of-interest max-pooling of a whole image to 2 x 2 cells.

    The image's size in features is rounded to the nearest, halves up, and both of its ends count, so that the cells
    overlap or leave the features; a cell without features, possible below 33 px, is 0.

    Args:
        features: `(N, C, ceil(height / 32), ceil(width / 32))`, not negative.
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.

    Returns:
        `(N, C, 2, 2)`. The gradient goes to one of several equal maxima.

    Reference:
        Girshick: Fast R-CNN, ICCV 2015, as torchvision's `roi_pool` has it.
    """
    rows, columns = (_cells(size, count) for size, count in zip((height, width), features.shape[2:], strict=True))
    empty = features.new_zeros(features.shape[:2])
    pooled = [
        F.adaptive_max_pool2d(features[:, :, row, column], 1)[..., 0, 0] if row and column else empty
        for row in rows
        for column in columns
    ]  # (N, C) each
    return torch.stack(pooled, 2).unflatten(2, (CELLS, CELLS))


def _cells(size: int, count: int) -> list[slice | None]:
    """The ones of `count` features along one side of `size` px that each cell covers; None where there are none."""
    extent = (size + STRIDE // 2) // STRIDE + 1
    bounds = [(extent * cell // CELLS, min(-(-extent * (cell + 1) // CELLS), count)) for cell in range(CELLS)]
    return [slice(start, end) if start < end else None for start, end in bounds]


class _MaxAndMean(nn.Module):
    """`(N, C, H, W)` to `(N, 2 C, 1, 1)`: the largest values, then the means."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((F.adaptive_max_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1)), 1)
