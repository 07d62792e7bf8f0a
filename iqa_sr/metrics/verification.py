"""Weight files checked by what they compute: scores of known images, compared with stored ones.

A hash shows that a file is the published one; a score shows that a file without a published hash, or a converted one,
makes the metric what it is. `data/verification.json` has the scores, and how each was obtained. Where only official
weights can give a number, there is none.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.image_types import readable_suffixes
from iqa_sr.io.images import decode_image, read_image
from iqa_sr.io.json_files import read_json
from iqa_sr.metrics.registry import create_metric, metric_info
from iqa_sr.weights.store import is_present

__all__ = [
    "SHIPPED",
    "ImagePair",
    "KnownScores",
    "Verification",
    "find_pairs",
    "known_scores",
    "photograph_pairs",
    "verify_metric",
]

SHIPPED = Path(__file__).parent / "data" / "verification.json"
"""The scores that come with this package."""
SIDE = 256  # px of the images that are made here: enough for every metric
Set = Literal["scikit-image", "tid2013"]


class ImagePair(NamedTuple):
    """A distorted image and its reference, each `(1, 3, H, W)` float32 in [0, 1]."""

    name: str
    image: Tensor
    reference: Tensor


class KnownScores(NamedTuple):
    """What a metric with its published weights gives for the images of a set.

    Attributes:
        scores: One score for each pair, in the order of the set.
        tolerance: Largest difference, in the metric's unit, at which a score agrees.
        obtained: How the scores were obtained.
    """

    scores: tuple[float, ...]
    tolerance: float
    obtained: str


class Verification(NamedTuple):
    """The outcome for one metric.

    Attributes:
        metric: Name of the metric.
        result: Whether the scores agree with known ones; `unusable`: the metric cannot be built or computed.
        scores: What was computed here; empty where nothing was.
        known: What it is compared with; None where no score is known.
        reason: Files that are missing, or why the metric is unusable; else empty.
    """

    metric: str
    result: Literal["agrees", "differs", "missing", "unknown", "unusable"]
    scores: tuple[float, ...] = ()
    known: KnownScores | None = None
    reason: str = ""

    @property
    def difference(self) -> float:
        """Largest distance of a score from its known one; NaN where one of them is NaN or nothing is known."""
        if self.known is None or not self.scores:
            return float("nan")
        return float(np.abs(np.subtract(self.scores, self.known.scores)).max())


def known_scores(which: Set = "scikit-image") -> dict[str, KnownScores]:
    """The known scores of a set of images, by the metrics' names."""
    content = read_json(SHIPPED)[which]
    return {
        metric: KnownScores(tuple(entry["scores"]), entry["tolerance"], content["sources"][entry["source"]])
        for metric, entry in content["metrics"].items()
    }


def photograph_pairs() -> list[ImagePair]:
    """The set `scikit-image`: the middle 256 px of three photographs, each distorted in its own way.

    Only PNG files and whole numbers, so that every machine has the same pixels; and few flat ones, for in NIQE their
    last bit counts.

    Raises:
        FileNotFoundError: If scikit-image is installed without its images.
        ValueError: If its images are others than those that the scores are of.
    """
    made = {
        "astronaut": _coarse(_photograph("astronaut")),
        "coffee": _fringed(_photograph("coffee")),
        "chelsea": _noisy(_photograph("chelsea")),
    }
    expected = read_json(SHIPPED)["scikit-image"]["pairs"]
    pairs = []
    for name, image in made.items():
        reference = _photograph(name)
        for kind, pixels in (("image", image), ("reference", reference)):
            if _digest(pixels) != expected[name][kind]:
                raise ValueError(
                    f"scikit-image's {name}.png: expected the pixels that the known scores are of ({kind} "
                    f"{expected[name][kind]}), got others ({_digest(pixels)})\nInstall a scikit-image with its "
                    "original photographs: `pip install --force-reinstall scikit-image`."
                )
        pairs.append(ImagePair(name, to_tensor(image)[None], to_tensor(reference)[None]))
    return pairs


def find_pairs(folder: str | Path, which: Set = "tid2013") -> list[ImagePair]:
    """The images of a set in a folder and those below it, recognized by their pixels, whatever their names.

    Raises:
        FileNotFoundError: If there is no such folder, or images of the set are not in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"`images`: expected a folder, {folder} is none")
    expected = read_json(SHIPPED)[which]["pairs"]
    wanted = {digest for pair in expected.values() for digest in pair.values()}
    found: dict[str, np.ndarray] = {}
    for path in (path for path in root.rglob("*") if path.suffix.lower() in readable_suffixes() and path.is_file()):
        with suppress(ValueError):  # what cannot be used as an image is none of those
            pixels = read_image(path)
            if (digest := _digest(pixels)) in wanted:
                found[digest] = pixels
    missing = [f"{name} ({kind})" for name, pair in expected.items() for kind, one in pair.items() if one not in found]
    if missing:
        raise FileNotFoundError(
            f"`images`: {folder} lacks {len(missing)} of the {len(wanted)} images of {which} that scores are known "
            f"of: {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}\n"
            "They are recognized by their pixels: converted to JPEG or resized they are others."
        )
    return [
        ImagePair(name, *(to_tensor(found[pair[kind]])[None] for kind in ("image", "reference")))
        for name, pair in expected.items()
    ]


def verify_metric(
    name: str, pairs: Sequence[ImagePair], known: Mapping[str, KnownScores], device: str | torch.device = "cpu"
) -> Verification:
    """Compute a metric on images and compare with what is known; nothing is downloaded.

    Args:
        name: Name of the metric, as `metric_info` takes it.
        pairs: Images of a set.
        known: The known scores of that set.
        device: Device to compute on.

    Raises:
        ValueError: If there is no such metric.
    """
    info = metric_info(name)
    missing = [file for file in info.weights if not is_present(file)]
    if missing:
        return Verification(info.name, "missing", known=known.get(info.name), reason=", ".join(missing))
    try:
        metric = create_metric(info.name, device)
        with torch.inference_mode():
            scores = tuple(float(metric(pair.image.to(device), pair.reference.to(device))) for pair in pairs)
    except torch.OutOfMemoryError:
        raise
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Verification(info.name, "unusable", known=known.get(info.name), reason=reason)
    if info.name not in known:
        return Verification(info.name, "unknown", scores)
    compared = Verification(info.name, "agrees", scores, known[info.name])
    agrees = compared.difference <= known[info.name].tolerance  # false for NaN
    return compared if agrees else compared._replace(result="differs")


def _photograph(name: str) -> np.ndarray:
    """The middle of a photograph, `(256, 256, 3)` RGB uint8."""
    try:
        content = (resources.files("skimage") / "data" / f"{name}.png").read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise FileNotFoundError(
            f"{name}.png is not in the scikit-image package; install it: `pip install --force-reinstall scikit-image`"
        ) from error
    pixels = decode_image(content, f"{name}.png")
    top, left = ((side - SIDE) // 2 for side in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def _coarse(pixels: np.ndarray) -> np.ndarray:
    """Every 4 x 4 px become their mean."""
    height, width, channels = pixels.shape
    blocks = pixels.reshape(height // 4, 4, width // 4, 4, channels).astype(np.int64)
    means = (blocks.sum((1, 3)) + 8) // 16
    return means.repeat(4, 0).repeat(4, 1).astype(np.uint8)


def _fringed(pixels: np.ndarray) -> np.ndarray:
    """Red is moved by 2 px to the right, blue by 2 px up, going round at the borders."""
    return np.stack((np.roll(pixels[..., 0], 2, 1), pixels[..., 1], np.roll(pixels[..., 2], -2, 0)), 2)


def _noisy(pixels: np.ndarray) -> np.ndarray:
    """Noise of up to 16 levels, uniform: the high digits of a multiplicative sequence."""
    steps = np.arange(pixels.size, dtype=np.int64)
    noise = (steps * steps % 65521 * 40503 % 65536 >> 8) % 33 - 16
    return (pixels.astype(np.int64) + noise.reshape(pixels.shape)).clip(0, 255).astype(np.uint8)


def _digest(pixels: np.ndarray) -> str:
    """First 16 digits of the SHA-256 of an image's size and pixels."""
    size = "x".join(map(str, pixels.shape)).encode()
    return hashlib.sha256(size + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
