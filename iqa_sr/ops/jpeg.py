"""Images as a JPEG file of a given quality would show them, for tensors on any device."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["compress_jpeg"]

# ITU-T T.81, tables K.1 and K.2; rows are vertical frequencies.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# JFIF: RGB to Y, Cb, Cr without the offset of 128, and back.
_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def compress_jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """The images as a JPEG file of the given quality would show them (4:2:0 chroma, standard tables).

    Entropy coding is lossless and left out. Image i depends on image i and its quality only.

    Args:
        image: `(N, 3, H, W)`, float32 RGB in `[0, 1]`, any size.
        quality: `(N,)`, in `(0, 100]` as in libjpeg; need not be whole numbers.

    Returns:
        `(N, 3, H, W)`, clamped to `[0, 1]`, not rounded to 8 bit. Not differentiable: the gradient is zero.

    Reference:
        ITU-T T.81 (1992); the arithmetic is that of DiffJPEG (https://github.com/mlomnitz/DiffJPEG) as BasicSR and
        Real-ESRGAN use it.

    Differs from the original (DiffJPEG, rounding switched on):
        * DiffJPEG transposes the luminance table; here it stands as in the standard. The table is nearly symmetric:
          transposing the image before and after gives DiffJPEG's result.
        * Sides that are not a multiple of 16 are continued with their last pixel, as libjpeg does, not with black,
          which rings into the last blocks.
        * A step of the quantizer is at least 1, as in libjpeg; DiffJPEG divides by zero at quality 100.

        Like DiffJPEG, and unlike libjpeg, tables and colors are not rounded to whole numbers, and chroma is
        enlarged by repetition.
    """
    height, width = image.shape[-2:]
    padded = functional.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")  # (N, 3, H', W')
    ycbcr = torch.einsum("dc,nchw->ndhw", _constant(_TO_YCBCR, image.device), padded * 255)
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).to(image) / 100
    luma = _quantize(ycbcr[:, :1] - 128, _LUMINANCE, factor) + 128  # (N, 1, H', W')
    chroma = _quantize(functional.avg_pool2d(ycbcr[:, 1:], 2), _CHROMINANCE, factor)  # (N, 2, H' / 2, W' / 2)
    chroma = chroma.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)  # (N, 2, H', W')
    rgb = torch.einsum("dc,nchw->ndhw", _constant(_TO_RGB, image.device), torch.cat([luma, chroma], dim=1))
    return (rgb[..., :height, :width] / 255).clamp(0, 1)


def _quantize(planes: Tensor, table: tuple[tuple[int, ...], ...], factor: Tensor) -> Tensor:
    """Each 8x8 block rounded to the steps of `table * factor` in the cosine domain; planes are centered at 0."""
    number, channels, height, width = planes.shape
    blocks = planes.reshape(number, channels, height // 8, 8, width // 8, 8).transpose(3, 4)  # (N, C, h, w, 8, 8)
    cosine = _cosine(planes.device)
    coefficients = blocks.reshape(number, -1, 64) @ cosine.T  # (N, C h w, 64)
    steps = (_constant(table, planes.device).view(1, 1, 64) * factor.view(-1, 1, 1)).clamp_min(1)  # (N, 1, 64)
    blocks = (torch.round(coefficients / steps) * steps) @ cosine
    blocks = blocks.view(number, channels, height // 8, width // 8, 8, 8).transpose(3, 4)  # (N, C, h, 8, w, 8)
    return blocks.reshape(number, channels, height, width)


@lru_cache(maxsize=16)
def _constant(rows: tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.float32, device=device)


@lru_cache(maxsize=4)
def _cosine(device: torch.device) -> Tensor:
    """The orthonormal cosine transform of an 8x8 block as a `(64, 64)` matrix over its rows laid end to end."""
    with torch.inference_mode(False):
        position = torch.arange(8, dtype=torch.float64)
        line = torch.cos((2 * position + 1) * position[:, None] * math.pi / 16) / 2
        line[0] /= math.sqrt(2)
        return torch.kron(line, line).float().to(device)
