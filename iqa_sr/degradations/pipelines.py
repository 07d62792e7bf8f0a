"""Low-quality images (LQ) made on the fly from the original: bicubic, HGGT's two degradations, Real-ESRGAN's."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from iqa_sr.config.sections import Section, read_kind
from iqa_sr.degradations.options import (
    BicubicOptions,
    HGGTOneStageOptions,
    HGGTTwoStageOptions,
    OneStageOptions,
    RealESRGANOptions,
    StageOptions,
    TwoStageOptions,
)
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.ops.blur import (
    blur,
    gaussian_kernel,
    generalized_gaussian_kernel,
    plateau_kernel,
    sharpen,
    sinc_kernel,
)
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.noise import add_gaussian_noise, add_poisson_noise
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = [
    "BicubicDegradation",
    "Degradation",
    "DegradationOptions",
    "RandomDegradation",
    "build_degradation",
    "resize_bicubic",
    "validation_seed",
]

_MODES = ("area", "bilinear", "bicubic")
_JPEG_BLOCK = 16  # px: a block of the chroma planes


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


class BicubicDegradation(Degradation):
    """MATLAB's bicubic, rounded to 8 bit; the seeds play no part.

    With its margin a window's crop has exactly the LQ that the full image has there; beyond the image's border
    the window must go on as in a mirror (numpy's "symmetric").
    """

    def __init__(self, scale: int) -> None:
        self.scale, self.margin, self.jitter = scale, 2 * scale, 0

    def _degrade(self, image: Tensor, seeds: list[int]) -> Tensor:
        return resize_bicubic(image, image.shape[-2] // self.scale, image.shape[-1] // self.scale)


class RandomDegradation(Degradation):
    """Blur, resize, noise and JPEG with random parameters, once or twice, as Real-ESRGAN introduced it.

    The margin is what blur and interpolation reach at resize factor 1 with the largest kernels; a JPEG block that a
    crop's border cuts may hold pixels from beyond it, mirrored ones near an image's border.

    Reference:
        X. Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW
        2021, https://arxiv.org/abs/2107.10833
        D. Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution", CVPR 2023,
        https://arxiv.org/abs/2303.13069

    Differs from the original (the code of both papers):
        * Every parameter is drawn per sample. There, the resize's factor and mode, the kind of noise, the second
          blur and the final order are drawn once per batch, and a pool of 144 to 180 pairs mixes the batches; no
          pool is needed here.
        * The first resize maps the whole image to its new size. There, the factor is applied from the upper left
          and the rest of a pixel is cut away, which shifts the LQ against the GT by up to one pixel of the shrunk
          image at the far end.
        * JPEG: see `iqa_sr.ops.jpeg.compress_jpeg`.
    """

    def __init__(self, scale: int, options: OneStageOptions) -> None:
        reach = max(options.first.kernel_sizes) // 2 + 2 * scale
        grid = _JPEG_BLOCK
        if isinstance(options, TwoStageOptions):
            reach += max(options.second.kernel_sizes) // 2 + max(options.final.kernel_sizes) // 2 * scale
            grid *= scale
        self.options, self.scale = options, scale
        self.margin, self.jitter = -(-reach // scale) * scale, (grid - 1) // scale * scale

    def _degrade(self, image: Tensor, seeds: list[int]) -> Tensor:
        # One by one: after the first resize every sample has a size of its own, kernels are as small as drawn, and
        # no algorithm that a library chooses by the batch's size can make a sample depend on its neighbors.
        return torch.cat([self._degrade_one(image[i : i + 1], seed) for i, seed in enumerate(seeds)])

    def _degrade_one(self, image: Tensor, seed: int) -> Tensor:
        draw = SeededRandom(seed)
        noise = torch.Generator(image.device).manual_seed(draw.seed())
        size = (image.shape[-2], image.shape[-1])
        lq_size = (size[0] // self.scale, size[1] // self.scale)
        options = self.options
        if options.usm:
            image = sharpen(image)
        image, mode = _stage(image, size, options.first, draw, noise)  # (1, 3, h, w) of a drawn size
        image = _jpeg(image, options.first, draw)
        if not isinstance(options, TwoStageOptions):
            return _resize(image, lq_size, mode)
        image, _ = _stage(image, lq_size, options.second, draw, noise)  # (1, 3, h, w) of a drawn size
        if draw.chance(0.5):
            image = _finish(image, lq_size, options, draw)  # (1, 3, H / scale, W / scale)
            return _jpeg(image, options.second, draw)
        image = _jpeg(image, options.second, draw)
        return _finish(image, lq_size, options, draw)


def _stage(
    image: Tensor, size: tuple[int, int], options: StageOptions, draw: SeededRandom, noise: torch.Generator
) -> tuple[Tensor, str]:
    """Blur, resize by a random factor of `size`, add noise; also the interpolation mode that was drawn."""
    if draw.chance(options.blur_prob):
        image = blur(image, _random_kernel(options, draw))
    low, high = options.resize_range
    limits = ((1.0, high), (low, 1.0), (1.0, 1.0))[draw.index(options.resize_prob)]
    factor = draw.uniform(*limits)
    mode = draw.one_of(_MODES)
    image = _resize(image, (max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)), mode)  # (1, 3, h, w)
    gaussian = draw.chance(options.gaussian_noise_prob)
    strength = draw.uniform(*(options.noise_range if gaussian else options.poisson_scale_range))
    add_noise = add_gaussian_noise if gaussian else add_poisson_noise
    return add_noise(image, strength, draw.chance(options.gray_noise_prob), noise), mode


def _random_kernel(options: StageOptions, draw: SeededRandom) -> Tensor:
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


def _resize(image: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return functional.interpolate(image, size, mode=mode)


def _jpeg(image: Tensor, options: StageOptions, draw: SeededRandom) -> Tensor:
    quality = torch.tensor([draw.uniform(*options.jpeg_range)], device=image.device)
    return compress_jpeg(image.clamp(0, 1), quality)


def _finish(image: Tensor, size: tuple[int, int], options: TwoStageOptions, draw: SeededRandom) -> Tensor:
    image = _resize(image, size, draw.one_of(_MODES))
    if draw.chance(options.final.sinc_prob):
        kernel = sinc_kernel(draw.one_of(options.final.kernel_sizes), draw.uniform(math.pi / 3, math.pi))
        image = blur(image, kernel)
    return image


_KINDS = (BicubicOptions, HGGTOneStageOptions, HGGTTwoStageOptions, RealESRGANOptions)

DegradationOptions = Annotated[
    BicubicOptions | HGGTOneStageOptions | HGGTTwoStageOptions | RealESRGANOptions, Field(discriminator="type")
]
"""The section of any degradation, as a field of another section."""


def build_degradation(
    section: Section | Mapping[str, Any], scale: int, path: str = "datasets:train:degradation"
) -> Degradation:
    """The degradation that an option section describes.

    Args:
        section: `type` (bicubic, hggt-one-stage, hggt-two-stage, real-esrgan) and any key of the options class of
            that type in `iqa_sr.degradations.options`; what is left out has the published value. Or that class.
        scale: Downscaling factor of both sides, at least 1.
        path: Path of the section in the option file, for error messages.

    Raises:
        OptionError: If the type, a key or a value is wrong.
    """
    if scale < 1:
        raise OptionError(f"scale: expected a whole number of at least 1, got {scale!r}")
    options = section if isinstance(section, Section) else read_kind(_KINDS, section, path)
    return RandomDegradation(scale, options) if isinstance(options, OneStageOptions) else BicubicDegradation(scale)


def validation_seed(index: int) -> Tensor:
    """The degradation's seed for an image of a validation set, by its place among the records: int64, no dimension."""
    return torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(index))
