"""`FUNCTIONS`: the graded distortions of all groups by name, each from barely visible to strong.

Every function takes an image `(3, H, W)` float32 RGB in [0, 1], a strength in (0, 1], and a `SeededRandom` for
whatever else is random. Noise comes from its `noise_generator`, positions and phases from its `position`: they may
differ where the parameters (directions, colors, periods) are shared. With the same draw a larger strength distorts the
same image in the same way, only more. Results need not be clamped or rounded. Strengths are ours, chosen so that a
fifth is just visible on a photograph and 1 is unpleasant.
"""

import math
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_sr.distortions.color import COLOR, TONE
from iqa_sr.distortions.noise import NOISE
from iqa_sr.distortions.patterns import PATTERNS
from iqa_sr.distortions.strength import blurred, geometric
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import recompress
from iqa_sr.ops.blur import blur, gaussian_kernel, motion_kernel, sinc_kernel
from iqa_sr.ops.jpeg import compress_jpeg
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["FUNCTIONS", "INTERPOLATIONS", "resized"]

# --- Blur -------------------------------------------------------------------------------------------------------------


def gaussian_blur(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Gaussian blur of sigma 0.4 to 4 px; up to 1.7 times as wide in one direction."""
    sigma, ratio = geometric(0.4, 4.0, strength), draw.uniform(0.6, 1.0)
    size = 2 * math.ceil(3 * sigma) + 1
    return blur(image[None], gaussian_kernel(size, sigma, sigma * ratio, draw.uniform(-math.pi, math.pi)))[0]


def lens_blur(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Lens blur: a disk of radius 0.8 to 7 px, its border antialiased."""
    radius = geometric(0.8, 7.0, strength)
    position = torch.arange(-math.ceil(radius), math.ceil(radius) + 1, dtype=torch.float64)
    distance = torch.hypot(position[:, None], position[None, :])
    kernel = (radius + 0.5 - distance).clamp(0, 1)
    return blur(image[None], kernel / kernel.sum())[0]


def motion_blur(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Motion blur: a straight movement of 1.5 to 16 px in any direction."""
    length, angle = geometric(1.5, 16.0, strength), draw.uniform(0, math.pi)
    return blur(image[None], motion_kernel(length, angle))[0]


# --- Compression ------------------------------------------------------------------------------------------------------


def jpeg(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """JPEG compression of quality 85 to 5, the grid of blocks anywhere."""
    quality = geometric(85, 5, strength)
    top, left = (int(draw.position(0, 16)) for _ in range(2))
    padded = F.pad(image[None], (left, 0, top, 0), mode="replicate")  # (1, 3, top + H, left + W)
    return compress_jpeg(padded.clamp(0, 1), torch.tensor([quality]))[0, :, top:, left:]


def webp(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """WebP compression of quality 80 to 1."""
    return to_tensor(recompress(to_uint8(image), ".webp", round(geometric(80, 1, strength))))


# --- Resampling -------------------------------------------------------------------------------------------------------

INTERPOLATIONS = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST,
}
"""OpenCV's flags by name."""


def resized(image: Tensor, size: tuple[int, int], flag: int) -> Tensor:
    """Image `(3, *size)` from `(3, H, W)` by OpenCV, unfiltered where it shrinks; `flag` is one of `INTERPOLATIONS`."""
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())  # (H, W, 3)
    return torch.from_numpy(cv2.resize(pixels, size[::-1], interpolation=flag)).permute(2, 0, 1)


def _small_size(image: Tensor, factor: float) -> tuple[int, int]:
    return max(2, round(image.shape[1] / factor)), max(2, round(image.shape[2] / factor))


def resampling(image: Tensor, strength: float, draw: SeededRandom, up: str) -> Tensor:
    """Image made 1.2 to 5 times smaller (MATLAB's bicubic) and brought back with another kernel."""
    small = resize_bicubic(image[None], *_small_size(image, geometric(1.2, 5.0, strength)))[0]  # (3, h, w)
    return resized(small, (image.shape[1], image.shape[2]), INTERPOLATIONS[up])


def aliasing(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Image made 1.2 to 4 times smaller without a filter, brought back by bicubic or bilinear interpolation."""
    flag = INTERPOLATIONS[draw.one_of(["bicubic", "bilinear"])]
    small = resized(image, _small_size(image, geometric(1.2, 4.0, strength)), cv2.INTER_NEAREST)  # (3, h, w)
    return resized(small, (image.shape[1], image.shape[2]), flag)


# --- Sharpness --------------------------------------------------------------------------------------------------------


def ringing(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """An ideal low-pass filter with cutoff 2.6 to 0.6 radians per pixel."""
    return blur(image[None], sinc_kernel(21, geometric(2.6, 0.6, strength)))[0]


def oversharpening(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Unsharp masking, 0.35 to 6 times what a Gaussian of 0.7 to 1.5 px takes away."""
    return image + geometric(0.35, 6.0, strength) * (image - blurred(image, draw.uniform(0.7, 1.5)))


def halo(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Wide bright and dark seams along edges: 0.2 to 3 times what a Gaussian of 2 to 5 px takes away."""
    return image + geometric(0.2, 3.0, strength) * (image - blurred(image, draw.uniform(2.0, 5.0)))


# --- Smoothing --------------------------------------------------------------------------------------------------------


def edge_smoothing(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Texture flattened, edges kept (bilateral filter over up to 9 px), 6 to 90 levels of 255 apart."""
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())  # (H, W, 3)
    spread = geometric(6, 90, strength)
    smooth = cv2.bilateralFilter(pixels, 9, spread / 255, 1 + 3 * strength)
    return torch.from_numpy(smooth).permute(2, 0, 1)


def oil_painting(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Medians over 3 to 11 px, in between mixed: patches with hard borders, as of an oil painting."""
    size = 1 + 10 * strength
    low = 1 + 2 * int((size - 1) // 2)
    share = (size - low) / 2
    pixels = to_uint8(image)  # (H, W, 3)
    medians = [to_tensor(cv2.medianBlur(pixels, side)) if side > 1 else image for side in (low, low + 2)]
    return (1 - share) * medians[0] + share * medians[1]


FUNCTIONS = {
    "blur": {"gaussian-blur": gaussian_blur, "lens-blur": lens_blur, "motion-blur": motion_blur},
    "noise": NOISE,
    "compression": {"jpeg": jpeg, "webp": webp},
    "resampling": {f"{up}-resampling": partial(resampling, up=up) for up in INTERPOLATIONS} | {"aliasing": aliasing},
    "sharpness": {"ringing": ringing, "oversharpening": oversharpening, "halo": halo},
    "smoothing": {"edge-smoothing": edge_smoothing, "oil-painting": oil_painting},
    "colour": COLOR,
    "tone": TONE,
    "pattern": PATTERNS,
}
"""Functions by group and name."""
