"""The stages that degradations are made of: blur, resize, noise, JPEG, each with parameters drawn for one sample."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from iqa_sr.degradations.options import BlurOptions, NoiseOptions, StageOptions, TwoStageOptions
from iqa_sr.ops.blur import blur, gaussian_kernel, generalized_gaussian_kernel, plateau_kernel, sinc_kernel
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.noise import add_gaussian_noise, add_poisson_noise
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["add_noise", "final_resize", "one_round", "random_jpeg", "random_kernel", "resize", "shifted_jpeg"]

_MODES = ("area", "bilinear", "bicubic")


def one_round(
    image: Tensor, size: tuple[int, int], options: StageOptions, draw: SeededRandom, noise: torch.Generator
) -> tuple[Tensor, str]:
    """Blur, resize by a random factor of `size`, add noise; also the interpolation mode that was drawn."""
    if draw.chance(options.blur_prob):
        image = blur(image, random_kernel(options, draw))
    low, high = options.resize_range
    limits = ((1.0, high), (low, 1.0), (1.0, 1.0))[draw.index(options.resize_prob)]
    factor = draw.uniform(*limits)
    mode = draw.one_of(_MODES)
    image = resize(image, (max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)), mode)  # (1, 3, h, w)
    return add_noise(image, options, draw, noise), mode


def random_kernel(options: BlurOptions, draw: SeededRandom) -> Tensor:
    """A kernel of a drawn size and kind: `(k, k)` float64, sum 1."""
    size = draw.one_of(options.kernel_sizes)
    if draw.chance(options.sinc_prob):
        return sinc_kernel(size, draw.uniform(math.pi / (3 if size < 13 else 5), math.pi))
    name = list(options.kernel_prob)[draw.index(list(options.kernel_prob.values()))]
    sigma_x = sigma_y = draw.uniform(*options.blur_sigma)
    rotation = 0.0
    if name.endswith("aniso"):
        sigma_y, rotation = draw.uniform(*options.blur_sigma), draw.uniform(-math.pi, math.pi)
    if not name.startswith(("generalized", "plateau")):
        return gaussian_kernel(size, sigma_x, sigma_y, rotation)
    make, limits = generalized_gaussian_kernel, options.betag_range
    if name.startswith("plateau"):
        make, limits = plateau_kernel, options.betap_range
    beta = draw.uniform(limits[0], 1) if draw.chance(0.5) else draw.uniform(1, limits[1])
    return make(size, sigma_x, sigma_y, rotation, beta)


def add_noise(image: Tensor, options: NoiseOptions, draw: SeededRandom, noise: torch.Generator) -> Tensor:
    """The image `(1, 3, H, W)` with Gaussian or Poisson noise of a drawn strength, clamped to `[0, 1]`."""
    gaussian = draw.chance(options.gaussian_noise_prob)
    strength = draw.uniform(*(options.noise_range if gaussian else options.poisson_scale_range))
    add = add_gaussian_noise if gaussian else add_poisson_noise
    return add(image, strength, draw.chance(options.gray_noise_prob), noise)


def resize(image: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """The image in another size, not antialiased but by `area`."""
    return functional.interpolate(image, size, mode=mode)


def random_jpeg(image: Tensor, qualities: tuple[float, float], draw: SeededRandom) -> Tensor:
    """The image `(1, 3, H, W)` compressed with a quality drawn from a range."""
    quality = torch.tensor([draw.uniform(*qualities)], device=image.device)
    return compress_jpeg(image.clamp(0, 1), quality)


def shifted_jpeg(image: Tensor, qualities: tuple[float, float], shift: tuple[int, int], draw: SeededRandom) -> Tensor:
    """`random_jpeg` of the image as part of a larger one, which began so many pixels further up and to the left."""
    down, right = shift
    larger = functional.pad(image, (right, 0, down, 0), mode="replicate")
    return random_jpeg(larger, qualities, draw)[..., down:, right:]


def final_resize(image: Tensor, size: tuple[int, int], options: TwoStageOptions, draw: SeededRandom) -> Tensor:
    """The image in the size of the LQ, in some samples with a sinc filter behind it."""
    image = resize(image, size, draw.one_of(_MODES))
    if draw.chance(options.final.sinc_prob):
        kernel = sinc_kernel(draw.one_of(options.final.kernel_sizes), draw.uniform(math.pi / 3, math.pi))
        image = blur(image, kernel)
    return image
