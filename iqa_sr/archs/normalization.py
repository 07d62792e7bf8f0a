"""Bringing images to the mean and deviation that a network was trained with; the usual figures, declared once."""

import torch
from torch import Tensor, nn

__all__ = ["CLIP", "HALVES", "IMAGENET", "Normalize", "Statistics"]

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of R, G and B in [0, 1]."""

IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Statistics = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALVES: Statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Normalize(nn.Module):
    """`(image - mean) / deviation`, channel by channel; moves with its parent and has no place in a state dict.

    Args:
        statistics: Means and standard deviations of the channels R, G, B, for example `IMAGENET`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        for name, values in zip(("mean", "deviation"), statistics, strict=True):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, 3, H, W)` RGB in [0, 1] to the same shape."""
        return (image - self.mean) / self.deviation
