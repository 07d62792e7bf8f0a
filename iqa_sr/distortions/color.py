"""Images in other colors and tones; the functions are described in `iqa_sr.distortions.kinds`."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from iqa_sr.distortions.strength import LUMA, geometric, luma
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["COLOR", "TONE"]


def desaturation(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Colors faded toward gray, at strength 1 to gray alone."""
    return image + strength * (luma(image) - image)


def oversaturation(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Colors 1.15 to 4 times as strong."""
    gray = luma(image)
    return gray + geometric(1.15, 4.0, strength) * (image - gray)


def color_cast(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """A tint, its luma left alone, of 4 to 50 levels of 255."""
    angle = draw.uniform(0, 2 * math.pi)
    tint = torch.tensor([math.cos(angle + turn) for turn in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
    tint = tint - (tint * torch.tensor(LUMA)).sum()
    return image + (tint / tint.norm() * geometric(4, 50, strength) / 255)[:, None, None]


def color_shift(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Red and blue moved against green, by 0.4 to 4 px, as by a bad lens."""
    angle, distance = draw.uniform(0, 2 * math.pi), geometric(0.4, 4.0, strength)
    planes = []
    for plane, sign in zip(image, (1, 0, -1), strict=True):
        move = np.array([[1, 0, sign * distance * math.cos(angle)], [0, 1, sign * distance * math.sin(angle)]])
        moved = cv2.warpAffine(plane.numpy(), move, plane.shape[::-1], borderMode=cv2.BORDER_REFLECT_101)  # (H, W)
        planes.append(torch.from_numpy(moved))
    return torch.stack(planes)


def banding(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Bands: each channel rounded to 40 to 3 different values."""
    steps = geometric(40, 3, strength) - 1
    return torch.round(image * steps) / steps


def brightening(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Brightening by a gamma of 0.93 down to 0.35."""
    return image.clamp(0, 1) ** geometric(0.93, 0.35, strength)


def darkening(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Darkening by a gamma of 1.08 up to 3.5."""
    return image.clamp(0, 1) ** geometric(1.08, 3.5, strength)


def low_contrast(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Values moved toward the image's mean, by 8 % to 80 % of their distance."""
    return image + geometric(0.08, 0.8, strength) * (image.mean() - image)


def high_contrast(image: Tensor, strength: float, draw: SeededRandom) -> Tensor:
    """Values 1.15 to 4 times as far from the image's mean, cut at black and white later."""
    mean = image.mean()
    return mean + geometric(1.15, 4.0, strength) * (image - mean)


COLOR = {
    "desaturation": desaturation,
    "oversaturation": oversaturation,
    "color-cast": color_cast,
    "color-shift": color_shift,
}
TONE = {
    "banding": banding,
    "brightening": brightening,
    "darkening": darkening,
    "low-contrast": low_contrast,
    "high-contrast": high_contrast,
}
