"""Details of validation images before and after the training, side by side."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from iqa_sr.card.sources import CardSource
from iqa_sr.io.images import read_image
from iqa_sr.scores.result_folder import ORIGINAL

__all__ = ["MODEL", "CardImages", "ImageDetail", "find_details"]

MODEL = "this model"
"""Name of the column with the results of the model itself."""


@dataclass(frozen=True)
class ImageDetail:
    """The same detail of what was made of one validation image.

    Attributes:
        name: Name of the image, `<data set>/<key>`.
        window: Top, left, height and width of the detail in pixels of the result.
        files: Names of the files below the card's `images`, by what has made them; in order, those before the model
            first.
        pixels: The detail `(h, w, 3)` uint8 RGB, by what has made it.
    """

    name: str
    window: tuple[int, int, int, int]
    files: Mapping[str, str]
    pixels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class CardImages:
    """Images of a card.

    Attributes:
        source: Origin of the images; empty where there are none.
        details: The details.
        note: Reason why there are none; empty where there are some.
    """

    source: str
    details: tuple[ImageDetail, ...]
    note: str = ""


def find_details(sources: Sequence[CardSource], count: int, side: int) -> CardImages:
    """Cut details out of the images of the first source that has some of the model and of something before it.

    The images are spread evenly over the names. The detail is where the image before the model has the finest
    structure, so that the choice does not look at what the model has made.

    Args:
        sources: Sources of images, the preferred one first.
        count: Largest number of images.
        side: Side of a detail in pixels; of a smaller image all is shown.

    Raises:
        ValueError: If an image is damaged, or two of one image have different sizes.
    """
    if count == 0:
        return CardImages("", (), "none were asked for")
    for source in sources:
        if source.model is None:
            continue
        columns = {**source.others, MODEL: source.model, ORIGINAL: ORIGINAL}
        found = {image: _files(source, columns, image) for image in source.images}
        whole = [image for image, files in found.items() if MODEL in files and next(iter(files)) != MODEL]
        if whole:
            step = len(whole) / min(count, len(whole))
            chosen = [whole[int(number * step)] for number in range(min(count, len(whole)))]
            details = [_detail(image, found[image], number, side) for number, image in enumerate(chosen, start=1)]
            return CardImages(source.title, tuple(details))
    return CardImages("", (), "no validation has left images of this checkpoint and of something before it")


def _files(source: CardSource, columns: Mapping[str, str], image: str) -> dict[str, Path]:
    files = {name: source.image(label, image) for name, label in columns.items()}
    return {name: file for name, file in files.items() if file is not None}


def _detail(name: str, files: Mapping[str, Path], number: int, side: int) -> ImageDetail:
    images = {what: _as_8_bit(read_image(file)) for what, file in files.items()}
    shape = images[MODEL].shape
    # An original need not be a multiple of the scale; what it was upscaled to is.
    images = {what: image[: shape[0], : shape[1]] for what, image in images.items()}
    for what, image in images.items():
        if image.shape != shape:
            raise ValueError(
                f"{files[what]}: expected an image of {shape[1]}x{shape[0]} px or more, got "
                f"{image.shape[1]}x{image.shape[0]} px, which cannot be compared with {files[MODEL]}"
            )
    top, left, height, width = window = _window(next(iter(images.values())), side)
    plain = f"{number:02d}_{_plain(name)}"
    return ImageDetail(
        name,
        window,
        {what: f"{plain}_{_plain(what)}.png" for what in images},
        {what: image[top : top + height, left : left + width] for what, image in images.items()},
    )


def _as_8_bit(image: np.ndarray) -> np.ndarray:
    return image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)


def _window(image: np.ndarray, side: int) -> tuple[int, int, int, int]:
    """The window of an image `(H, W, 3)` with the most energy of its Laplacian; the first one of equal ones."""
    height, width = min(side, image.shape[0]), min(side, image.shape[1])
    energy = np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F))
    total = np.pad(energy, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left), height, width


def _plain(name: str) -> str:
    """A name that is safe as a file's and as part of an address."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
