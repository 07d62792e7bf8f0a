"""Degradations of scale 1, which keep the size of the image: what restoration undoes."""

import math

import torch
from torch import Tensor

from iqa_sr.degradations.base import JPEG_BLOCK, OneByOne
from iqa_sr.degradations.options import DeblurOptions, DenoiseOptions, JPEGOptions, RestorationOptions
from iqa_sr.degradations.stages import add_noise, random_jpeg, random_kernel, shifted_jpeg
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.blur import blur, motion_kernel
from iqa_sr.ops.noise import add_gaussian_noise
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["RestorationDegradation"]


class RestorationDegradation(OneByOne):
    """What a network of scale 1 is to undo: JPEG, noise, or blur with a little noise; or nothing at all.

    The margin is what blur reaches, or what blocks of JPEG hold that a crop's border cuts.

    Args:
        options: Options of the kind.
    """

    def __init__(self, options: RestorationOptions) -> None:
        self.options, self.scale, self.margin, self.jitter = options, 1, 0, 0
        if isinstance(options, JPEGOptions):
            # Blocks of the second compression hold pixels of blocks of the first one.
            self.margin, self.jitter = JPEG_BLOCK * (1 + (options.double_prob > 0)), JPEG_BLOCK - 1
        elif isinstance(options, DeblurOptions):
            self.margin = max(max(options.kernel_sizes) // 2, math.ceil(options.motion_length[1] / 2))

    def _degrade_one(self, image: Tensor, draw: SeededRandom) -> Tensor:
        noise, options = torch.Generator(image.device).manual_seed(draw.seed()), self.options
        match options:
            case JPEGOptions():
                if draw.chance(options.double_prob):
                    shift = (draw.index([1.0] * (options.max_shift + 1)), draw.index([1.0] * (options.max_shift + 1)))
                    image = as_8_bit(shifted_jpeg(image, options.jpeg_range, shift, draw))  # as its file was opened
                return random_jpeg(image, options.jpeg_range, draw)
            case DenoiseOptions():
                return add_noise(image, options, draw, noise)
            case DeblurOptions():
                if draw.chance(options.blur_prob):
                    image = blur(image, _kernel_to_undo(options, draw))
                return add_gaussian_noise(image, draw.uniform(*options.noise_range), False, noise)
        return image


def _kernel_to_undo(options: DeblurOptions, draw: SeededRandom) -> Tensor:
    if draw.chance(options.motion_prob):
        return motion_kernel(draw.uniform(*options.motion_length), draw.uniform(0, math.pi))
    return random_kernel(options, draw)
