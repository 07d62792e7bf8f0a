"""The base class of all degradations: images and seeds in, LQ images out."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["JPEG_BLOCK", "Degradation", "OneByOne"]

JPEG_BLOCK = 16
"""Side of a block of JPEG's chroma planes, in px of the image."""


class Degradation(ABC):
    """Makes the LQ of an image, or of a window of it that holds a training crop.

    Attributes:
        scale: Downscaling factor of both sides.
        margin: GT pixels around a crop that its LQ is made from; a multiple of the scale.
        jitter: Further GT pixels of a window, a multiple of the scale: the crop's place is drawn from them, so that
            crops lie anywhere on JPEG's grid, as in an LQ made from a full image.
    """

    scale: int
    margin: int
    jitter: int

    def __call__(self, image: Tensor, seeds: Tensor) -> Tensor:
        """The LQ images, without gradient; bit for bit the same for the same image and seed on one machine.

        Args:
            image: `(N, 3, H, W)`, floating RGB in `[0, 1]`, both sides multiples of the scale, any device.
            seeds: `(N,)` int64: all that is random in sample i comes from `seeds[i]`.

        Returns:
            `(N, 3, H / scale, W / scale)` float32 on the same device, whole multiples of 1/255 in `[0, 1]`.
            Sample i depends on image i and seed i only.

        Raises:
            ValueError: If a shape, the sides or the type do not fit.
        """
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(f"degradation: expected floating (N, 3, H, W), got {image.dtype} {tuple(image.shape)}")
        if seeds.shape != image.shape[:1] or seeds.dtype != torch.int64:
            raise ValueError(
                f"degradation: expected {len(image)} seeds, int64 ({len(image)},), "
                f"got {seeds.dtype} {tuple(seeds.shape)}"
            )
        height, width = image.shape[-2:]
        if min(height, width) < self.scale or height % self.scale or width % self.scale:
            raise ValueError(
                f"degradation: {height}x{width} is no multiple of the scale {self.scale}; crop the image to "
                f"{height - height % self.scale}x{width - width % self.scale}"
            )
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            return as_8_bit(self._degrade(image.float(), seeds.tolist()))

    @abstractmethod
    def _degrade(self, image: Tensor, seeds: list[int]) -> Tensor:
        """The LQ before it is rounded to 8 bit."""


class OneByOne(Degradation):
    """Degradation whose parameters are drawn for each sample."""

    def _degrade(self, image: Tensor, seeds: list[int]) -> Tensor:
        # One by one: after the first resize every sample has a size of its own, kernels are as small as drawn, and
        # no algorithm that a library chooses by the batch's size can make a sample depend on its neighbors.
        return torch.cat([self._degrade_one(image[i : i + 1], SeededRandom(seed)) for i, seed in enumerate(seeds)])

    @abstractmethod
    def _degrade_one(self, image: Tensor, draw: SeededRandom) -> Tensor:
        """The LQ `(1, 3, H / scale, W / scale)` of one image, before it is rounded."""
