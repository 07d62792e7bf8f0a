"""Known pairs: a version against its own copy, degraded so far that everybody who looks sees which is better."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from iqa_sr.data.answers.log import LABELS
from iqa_sr.distortions.registry import LEVELS, distort
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import write_image
from iqa_sr.labeling.crops import most_different
from iqa_sr.labeling.pixels import read_pixels
from iqa_sr.labeling.raters import KNOWN
from iqa_sr.labeling.seeded import drawn, shuffled
from iqa_sr.metrics import shared_metric

__all__ = ["KINDS", "VISIBLE_JOD", "degraded_key"]

KINDS = ("gaussian-blur", "gaussian-noise", "jpeg")
VISIBLE_JOD = 8.5
"""ColorVideoVDP's score of the degraded copy at most: 10 is no visible difference, and of two images 1.5 JOD apart 84 %
of observers prefer the better one."""
_FIRST_LEVEL, _STEP = 2.0, 0.5


def degraded_key(root: Path, key: str, seed: int) -> str:
    """Key of the degraded copy of an image, which is made where it is not there yet.

    Args:
        root: Folder that keys are relative to.
        key: Key of the image.
        seed: Seed of the kind of distortion and of all that is random in it.

    Returns:
        `labels/known/<digest>.png`, the same for the same image and seed.

    Raises:
        OSError, ValueError: If the image cannot be read or the copy not be written.
    """
    content = (root / key).read_bytes()
    digest = hashlib.sha256(f"{seed}\0".encode() + content).hexdigest()[:24]
    name = f"{LABELS}/{KNOWN}/{digest}.png"
    if not (root / name).is_file():
        write_image(root / name, _degraded(read_pixels(root, key), seed))
    return name


def _degraded(pixels: np.ndarray, seed: int) -> np.ndarray:
    """The image with the least level of a distortion that is clearly visible where it is visible most.

    Of an image that one kind changes too little, as JPEG a flat one, the next kind is taken, and in the end the
    strongest noise.
    """
    image = to_tensor(pixels)
    for kind in shuffled(KINDS, seed, "kind"):
        level = _FIRST_LEVEL
        while level <= LEVELS:
            made = to_uint8(distort(image, kind, level, drawn(seed, kind) % 2**62))
            if _visible_difference(made, pixels) <= VISIBLE_JOD:
                return made
            level += _STEP
    return to_uint8(distort(image, "gaussian-noise", LEVELS, drawn(seed, "noise") % 2**62))


def _visible_difference(made: np.ndarray, pixels: np.ndarray) -> float:
    """ColorVideoVDP of the window that a rater sees first, in JOD; 10 where it is too small for it."""
    metric = shared_metric("cvvdp", "cpu")
    top, left, height, width = most_different(made, pixels)
    if min(height, width) < metric.info.min_size:
        return 10.0
    window = (slice(top, top + height), slice(left, left + width))
    with torch.inference_mode():
        return float(metric(to_tensor(made[window])[None], to_tensor(pixels[window])[None]))
