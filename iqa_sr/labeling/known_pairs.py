"""Known pairs: a version against its own copy, degraded so far that everybody who looks sees which is better."""

import hashlib
import threading
from pathlib import Path

import cv2
import numpy as np
import torch

from iqa_sr.data.answers.log import LABELS
from iqa_sr.distortions.registry import LEVELS, distort
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import write_image
from iqa_sr.labeling.crops import most_different
from iqa_sr.labeling.pixels import read_pixels
from iqa_sr.labeling.seeded import drawn, shuffled
from iqa_sr.metrics import shared_metric

__all__ = ["KINDS", "KNOWN", "VISIBLE_JOD", "degraded_key"]

KINDS = ("gaussian-blur", "gaussian-noise", "jpeg")
KNOWN = ".known"
"""Folder of the copies, beside those of the raters; hidden, so that they are not scored or enlarged with the data."""
VISIBLE_JOD = 8.5
"""ColorVideoVDP's score of the degraded copy at most: 10 is no visible difference, and of two images 1.5 JOD apart 84 %
of observers prefer the better one."""
_FIRST_LEVEL, _STEP = 2.0, 0.5
_MAKING = threading.Lock()


def degraded_key(root: Path, key: str, seed: int) -> str:
    """Key of the degraded copy of an image, which is made where it is not there yet.

    Args:
        root: Folder that keys are relative to.
        key: Key of the image.
        seed: Seed of the kind of distortion and of all that is random in it.

    Returns:
        `labels/.known/<digest>.png`, the same for the same image and seed.

    Raises:
        OSError, ValueError: If the image cannot be read or the copy not be written.
    """
    content = (root / key).read_bytes()
    digest = hashlib.sha256(f"{seed}\0".encode() + content).hexdigest()[:24]
    name = f"{LABELS}/{KNOWN}/{digest}.png"
    with _MAKING:  # whoever comes second waits for the first one, and has it
        if not (root / name).is_file():
            write_image(root / name, _degraded(read_pixels(root, key), seed))
    return name


def _degraded(pixels: np.ndarray, seed: int) -> np.ndarray:
    """The image with the least level of a distortion that is clearly visible where a rater looks first.

    The level is looked for in one window, where the image has most detail: the whole of a photograph takes a second for
    each level. Of an image that one kind changes too little, as JPEG a flat one, the next kind is taken, and in the end
    the strongest noise.
    """
    detail = _window(pixels, cv2.GaussianBlur(pixels, (0, 0), 2))
    for kind in shuffled(KINDS, seed, "kind"):
        level = _least_level(pixels[detail], kind, seed, _FIRST_LEVEL)
        while level is not None:
            made = _distorted(pixels, kind, level, seed)
            shown = _window(made, pixels)
            if _is_visible(made[shown], pixels[shown]):
                return made
            level = _least_level(pixels[detail], kind, seed, level + _STEP)
    return _distorted(pixels, "gaussian-noise", LEVELS, seed)


def _least_level(pixels: np.ndarray, kind: str, seed: int, level: float) -> float | None:
    """The least level from the given one on with which a small image is visibly another; None if none is."""
    while level <= LEVELS:
        if _is_visible(_distorted(pixels, kind, level, seed), pixels):
            return level
        level += _STEP
    return None


def _distorted(pixels: np.ndarray, kind: str, level: float, seed: int) -> np.ndarray:
    return to_uint8(distort(to_tensor(pixels), kind, level, drawn(seed, kind) % 2**62))


def _window(one: np.ndarray, other: np.ndarray) -> tuple[slice, slice]:
    top, left, height, width = most_different(one, other)
    return slice(top, top + height), slice(left, left + width)


def _is_visible(made: np.ndarray, pixels: np.ndarray) -> bool:
    """Check by ColorVideoVDP; what is too small for it is never known to be."""
    metric = shared_metric("cvvdp", "cpu")
    if min(pixels.shape[:2]) < metric.info.min_size:
        return False
    with torch.inference_mode():
        return float(metric(to_tensor(made)[None], to_tensor(pixels)[None])) <= VISIBLE_JOD
