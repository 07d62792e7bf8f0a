"""Low-quality images (LQ) made on the fly from the original: bicubic, HGGT's, Real-ESRGAN's, and those of scale 1."""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from iqa_sr.config.sections import Section, read_kind
from iqa_sr.degradations.base import JPEG_BLOCK, Degradation, OneByOne
from iqa_sr.degradations.options import (
    BicubicOptions,
    DeblurOptions,
    DenoiseOptions,
    HGGTOneStageOptions,
    HGGTTwoStageOptions,
    IdentityOptions,
    JPEGOptions,
    OneStageOptions,
    RealESRGANOptions,
    RestorationOptions,
    TwoStageOptions,
)
from iqa_sr.degradations.restoration import RestorationDegradation
from iqa_sr.degradations.stages import final_resize, one_round, random_jpeg, resize
from iqa_sr.errors import OptionError
from iqa_sr.ops.blur import sharpen
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = [
    "BicubicDegradation",
    "Degradation",
    "DegradationOptions",
    "RandomDegradation",
    "build_degradation",
    "problem_of_scale",
    "resize_bicubic",
    "validation_seed",
]


class BicubicDegradation(Degradation):
    """MATLAB's bicubic, rounded to 8 bit; the seeds play no part.

    With its margin a window's crop has exactly the LQ that the full image has there; beyond the image's border
    the window must go on as in a mirror (numpy's "symmetric").
    """

    def __init__(self, scale: int) -> None:
        self.scale, self.margin, self.jitter = scale, 2 * scale, 0

    def _degrade(self, image: Tensor, seeds: list[int]) -> Tensor:
        return resize_bicubic(image, image.shape[-2] // self.scale, image.shape[-1] // self.scale)


class RandomDegradation(OneByOne):
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
        grid = JPEG_BLOCK
        if isinstance(options, TwoStageOptions):
            reach += max(options.second.kernel_sizes) // 2 + max(options.final.kernel_sizes) // 2 * scale
            grid *= scale
        self.options, self.scale = options, scale
        self.margin, self.jitter = -(-reach // scale) * scale, (grid - 1) // scale * scale

    def _degrade_one(self, image: Tensor, draw: SeededRandom) -> Tensor:
        noise = torch.Generator(image.device).manual_seed(draw.seed())
        size = (image.shape[-2], image.shape[-1])
        lq_size = (size[0] // self.scale, size[1] // self.scale)
        options = self.options
        if options.usm:
            image = sharpen(image)
        image, mode = one_round(image, size, options.first, draw, noise)  # (1, 3, h, w) of a drawn size
        image = random_jpeg(image, options.first.jpeg_range, draw)
        if not isinstance(options, TwoStageOptions):
            return resize(image, lq_size, mode)
        image, _ = one_round(image, lq_size, options.second, draw, noise)  # (1, 3, h, w) of a drawn size
        if draw.chance(0.5):
            image = final_resize(image, lq_size, options, draw)  # (1, 3, H / scale, W / scale)
            return random_jpeg(image, options.second.jpeg_range, draw)
        image = random_jpeg(image, options.second.jpeg_range, draw)
        return final_resize(image, lq_size, options, draw)


_KINDS = (
    BicubicOptions,
    HGGTOneStageOptions,
    HGGTTwoStageOptions,
    RealESRGANOptions,
    JPEGOptions,
    DenoiseOptions,
    DeblurOptions,
    IdentityOptions,
)

DegradationOptions = Annotated[
    BicubicOptions
    | HGGTOneStageOptions
    | HGGTTwoStageOptions
    | RealESRGANOptions
    | JPEGOptions
    | DenoiseOptions
    | DeblurOptions
    | IdentityOptions,
    Field(discriminator="type"),
]
"""The section of any degradation, as a field of another section."""


def build_degradation(
    section: Section | Mapping[str, Any], scale: int, path: str = "datasets:train:degradation"
) -> Degradation:
    """The degradation that an option section describes.

    Args:
        section: `type` (bicubic, hggt-one-stage, hggt-two-stage, real-esrgan; at scale 1 jpeg, denoise, deblur,
            identity) and any key of the options class of that type in `iqa_sr.degradations.options`; what is left out
            has the published value. Or that class.
        scale: Downscaling factor of both sides, at least 1.
        path: Path of the section in the option file, for error messages.

    Raises:
        OptionError: If the type, a key or a value is wrong, or the type is for scale 1 and the scale another one.
    """
    if scale < 1:
        raise OptionError(f"scale: expected a whole number of at least 1, got {scale!r}")
    options = section if isinstance(section, Section) else read_kind(_KINDS, section, path)
    if isinstance(options, OneStageOptions):
        return RandomDegradation(scale, options)
    if not isinstance(options, RestorationOptions):
        return BicubicDegradation(scale)
    if problem := problem_of_scale(options, scale):
        raise OptionError(f"{path}: {problem}")
    return RestorationDegradation(options)


def problem_of_scale(section: Section | Mapping[str, Any], scale: int) -> str | None:
    """What is wrong with a degradation that makes the LQ images of this scale; None where nothing is.

    Args:
        section: Options of the degradation, or the section that they are read from.
        scale: Scale of the super-resolution, 1 for restoration.
    """
    name = section.get("type") if isinstance(section, Mapping) else getattr(section, "type", None)
    own = [kind.model_fields["type"].default for kind in _KINDS if issubclass(kind, RestorationOptions)]
    if name in own and scale != 1:
        others = [kind.model_fields["type"].default for kind in _KINDS if not issubclass(kind, RestorationOptions)]
        return f"{name} keeps the size of the image, which is for scale 1, got scale {scale}; take {', '.join(others)}"
    if name == "bicubic" and scale == 1:
        return (
            "bicubic changes nothing at scale 1, there would be nothing to restore; name what is to be undone: jpeg, "
            "denoise, deblur, hggt-one-stage, ...; or identity, to learn from the original itself; or give LQ images"
        )
    return None


def validation_seed(index: int) -> Tensor:
    """The degradation's seed for an image of a validation set, by its place among the records: int64, no dimension."""
    return torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(index))
