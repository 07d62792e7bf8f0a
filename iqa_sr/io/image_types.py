"""The types of image files: which are written, which are read here, and how large an image may be."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from PIL import features

__all__ = [
    "FORMATS",
    "LARGEST_IMAGE",
    "SUBSAMPLINGS",
    "ImageFormat",
    "JpegOptions",
    "is_image_name",
    "left_out_types",
    "looked_for",
    "pillow_formats",
    "readable_suffixes",
]


@dataclass(frozen=True)
class ImageFormat:
    """Capabilities of files of one ending beside 8-bit RGB.

    Attributes:
        deep: Whether 16 bits per channel can be stored.
        alpha: Whether an alpha channel can be stored.
        largest_side: Largest height and width in pixels.
    """

    deep: bool = False
    alpha: bool = False
    largest_side: int = 2**31 - 1


_JPEG, _TIFF = ImageFormat(largest_side=65_500), ImageFormat(deep=True, alpha=True)
FORMATS = {
    ".png": ImageFormat(deep=True, alpha=True, largest_side=1_000_000),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ImageFormat(alpha=True, largest_side=16_383),
    ".bmp": ImageFormat(),
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
"""The formats of images that are read and written, by ending."""

SUBSAMPLINGS = {"4:4:4": 0x111111, "4:2:2": 0x211111, "4:2:0": 0x221111}
"""Values of `JpegOptions.subsampling`, and OpenCV's numbers for it."""


@dataclass(frozen=True)
class JpegOptions:
    """Quality and chroma subsampling of JPEG files.

    Attributes:
        quality: Quality, 1 to 100.
        subsampling: Subsampling of the chroma: `4:4:4` keeps all of it, `4:2:2` half, `4:2:0` a quarter, as most
            cameras.
    """

    quality: int = 95
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"`quality`: expected 1 to 100, got {self.quality}")
        if self.subsampling not in SUBSAMPLINGS:
            known = ", ".join(SUBSAMPLINGS)
            raise ValueError(f"`subsampling`: expected one of {known}, got {self.subsampling!r}")


LARGEST_IMAGE = 2**27
"""In pixels: 134 megapixels, a 16K frame of 15360x8640 px and no more. A larger one takes gigabytes at each step."""

# What Pillow calls the formats that are read; of all that it knows, some run other programs or fetch other files.
_READ = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "HEIF")
_READ_ONLY = {
    "JPEG": (".jpe", ".jfif"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""Endings of what is read and never written, by Pillow's format."""
_NEEDED = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""Features that Pillow must have been built with, by its name of the format."""
_UNREAD = frozenset(
    (".jxl", ".tga", ".exr", ".hdr", ".psd", ".svg", ".eps", ".ico", ".pfm", ".dds")
    + (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
)
"""Endings of images that are not read, beside those that Pillow cannot read here."""


@cache
def pillow_formats() -> tuple[str, ...]:
    """Formats of `_READ` that Pillow can read here: some need a library, HEIC the package pillow-heif."""
    able = {
        name: need in {*features.modules, *features.codecs} and bool(features.check(need))
        for name, need in _NEEDED.items()
    }
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except ImportError:
        able["HEIF"] = False
    return tuple(name for name in _READ if able.get(name, True))


@cache
def readable_suffixes() -> frozenset[str]:
    """The endings, in lower case, of images that can be read here: those of `FORMATS`, and more that Pillow reads."""
    more = (suffixes for name, suffixes in _READ_ONLY.items() if name in pillow_formats())
    return frozenset(FORMATS).union(*more)


def looked_for() -> str:
    """The endings of `readable_suffixes` for errors, those that are also written first."""
    return ", ".join([*sorted(FORMATS), *sorted(readable_suffixes() - set(FORMATS))])


def is_image_name(name: str) -> bool:
    """Check whether a file's name is that of an image that can be read here; those of hidden files are not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in readable_suffixes()


def left_out_types(names: Iterable[str]) -> str:
    """Images among these names of files are of types that cannot be read here, with counts; empty without any."""
    unread = _UNREAD.union(*_READ_ONLY.values()) - readable_suffixes()
    endings = (os.path.splitext(name)[1].lower() for name in names if not name.startswith("."))
    counts = Counter(ending for ending in endings if ending in unread)
    if not counts:
        return ""
    found = ", ".join(f"{number} {ending}" for ending, number in counts.most_common())
    hint = "; the package pillow-heif reads HEIC" if counts.keys() & set(_READ_ONLY["HEIF"]) else ""
    return f"left out {found}: not of a type that can be read here; convert them to PNG{hint}"
