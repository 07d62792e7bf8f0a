"""Metadata of image files: the color profile, and a note of ours on how the image was made.

Pillow reads them. It cannot write what has 16 bits, and OpenCV before 4.12 writes pixels alone: they are put into the
file that OpenCV has encoded.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from iqa_sr.io.files import check_file
from iqa_sr.io.image_types import pillow_formats

__all__ = ["NOTE_SUFFIXES", "ImageExtras", "can_keep", "embed", "is_srgb", "read_extras", "to_srgb"]

NOTE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"))
"""Formats that hold a profile and a note."""
_SOFTWARE, _PROFILE_TAG, _ORIENTATION = 0x0131, 34675, 0x0112
_CAMERA_TAGS = (0x010F, 0x0110, 0x0132, 0x8769, 0x8825)  # maker, model, time, the IFDs of EXIF and GPS
_SRGB_GAMMA = 0.45455
_SEGMENT = 65_519  # bytes of a profile in one segment of a JPEG


@dataclass(frozen=True)
class ImageExtras:
    """Metadata of an image file.

    Attributes:
        profile: The ICC profile; empty if there is none.
        note: Note that `embed` wrote; empty if there is none.
        others: Names of other metadata: `EXIF`, `XMP`, `gamma`. The orientation is none of them: readers apply it.
    """

    profile: bytes = b""
    note: str = ""
    others: tuple[str, ...] = ()


def read_extras(path: str | Path) -> ImageExtras:
    """Metadata of an image file, from its header; nothing where that cannot be read."""
    try:
        check_file(path)
        with Image.open(path, formats=pillow_formats()) as image:
            info, png = image.info, image.format == "PNG"
            gamma = info.get("gamma", _SRGB_GAMMA) if png else _SRGB_GAMMA
            with_exif = not png or {"exif", "Raw profile type exif"} & set(info)  # else Pillow would decode all of it
            exif = image.getexif() if with_exif else Image.Exif()
            tags = set(exif) - {_SOFTWARE, _ORIENTATION}
            found = ["EXIF"] if (tags & set(_CAMERA_TAGS) if image.format == "TIFF" else tags) else []
            found += ["XMP"] if {"xmp", "XML:com.adobe.xmp"} & set(info) else []
            found += [] if math.isclose(gamma, _SRGB_GAMMA, rel_tol=0.01) else ["gamma"]
            return ImageExtras(info.get("icc_profile") or b"", str(exif.get(_SOFTWARE, "")), tuple(found))
    except Exception:  # damaged metadata fail in any way, and images can do without
        return ImageExtras()


def can_keep(profile: bytes) -> bool:
    """Check whether a profile may go into a file of RGB pixels: it is whole, and of RGB."""
    whole = profile[36:40] == b"acsp" and int.from_bytes(profile[:4], "big") == len(profile)
    return whole and profile[16:20] == b"RGB "


def to_srgb(image: np.ndarray, profile: bytes) -> np.ndarray:
    """An image with other colors as sRGB: relative colorimetric, with compensation of the black point.

    Args:
        image: Image `(H, W, 3)` RGB uint8; of a profile of gray, the same in each channel.
        profile: ICC profile of the image's colors.

    Returns:
        The same shape and type.

    Raises:
        ValueError: If the profile is damaged or of another kind.
    """
    gray = profile[16:20] == b"GRAY"
    pil_image = Image.fromarray(image).convert("L") if gray else Image.fromarray(image)
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, pil_image.mode, "RGB", intent, flags)
        converted = ImageCms.applyTransform(pil_image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ValueError(
            f"its color profile cannot be used ({error}); keep it instead of converting the colors"
        ) from None
    assert converted is not None
    return np.asarray(converted)


def is_srgb(profile: bytes) -> bool:
    """Check whether the colors of a profile are those of sRGB: no level of 8 bits changes by more than one."""
    axis = np.arange(0, 256, 15, dtype=np.uint8)
    levels = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(1, -1, 3)
    try:
        return bool(np.abs(to_srgb(levels, profile).astype(int) - levels).max() <= 1)
    except ValueError:
        return False


# --- Writing ----------------------------------------------------------------------------------------------------------


def embed(content: bytes, suffix: str, profile: bytes = b"", note: str = "") -> bytes:
    """An image file with a profile and a note.

    Args:
        content: The file as OpenCV encodes it.
        suffix: One of `NOTE_SUFFIXES`.
        profile: An ICC profile of RGB; empty for none.
        note: ASCII, as the tag Software; empty for none.
    """
    exif = b""
    if note:
        tags = Image.Exif()
        tags[_SOFTWARE] = note
        exif = tags.tobytes()
    if suffix == ".png":
        return _in_png(content, profile, exif)
    if suffix in (".jpg", ".jpeg"):
        return _in_jpeg(content, profile, exif)
    if suffix == ".webp":
        return _in_webp(content, profile, exif)
    return _in_tiff(content, profile, note)


def _in_png(content: bytes, profile: bytes, exif: bytes) -> bytes:
    """Behind the chunk IHDR, which comes first and has 25 bytes."""
    chunks = [(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))] if profile else []
    chunks += [(b"eXIf", exif.removeprefix(b"Exif\0\0"))] if exif else []
    texts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return content[:33] + b"".join(texts) + content[33:]


def _in_jpeg(content: bytes, profile: bytes, exif: bytes) -> bytes:
    """Behind the segment APP0, where there is one."""
    parts = [profile[start : start + _SEGMENT] for start in range(0, len(profile), _SEGMENT)]
    segments = [(0xE1, exif)] if exif else []
    segments += [
        (0xE2, b"ICC_PROFILE\0" + bytes((number, len(parts))) + part) for number, part in enumerate(parts, start=1)
    ]
    position = 4 + int.from_bytes(content[4:6], "big") if content[2:4] == b"\xff\xe0" else 2
    texts = (struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments)
    return content[:position] + b"".join(texts) + content[position:]


def _in_webp(content: bytes, profile: bytes, exif: bytes) -> bytes:
    """The lossless format becomes the extended one, which holds it."""
    (bits,) = struct.unpack("<I", content[21:25])  # behind the signature of VP8L: width - 1, height - 1, alpha
    width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    flags = 0x20 * bool(profile) | 0x10 * alpha | 0x08 * bool(exif)
    head = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    chunks = [(b"VP8X", head), *[(b"ICCP", profile)] * bool(profile)]
    (length,) = struct.unpack("<I", content[16:20])
    chunks += [(b"VP8L", content[20 : 20 + length]), *[(b"EXIF", exif.removeprefix(b"Exif\0\0"))] * bool(exif)]
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _in_tiff(content: bytes, profile: bytes, note: str) -> bytes:
    """A new directory at the end, with the entries of the old one and ours."""
    order = "<" if content[:2] == b"II" else ">"
    (position,) = struct.unpack(order + "I", content[4:8])
    (count,) = struct.unpack(order + "H", content[position : position + 2])
    entries = {}
    for start in range(position + 2, position + 2 + 12 * count, 12):
        entries[struct.unpack(order + "H", content[start : start + 2])[0]] = content[start : start + 12]
    body = content + b"\0" * (len(content) % 2)
    for tag, kind, data in _tiff_tags(profile, note):
        entries[tag] = struct.pack(order + "HHII", tag, kind, len(data), len(body))
        body += data + b"\0" * (len(data) % 2)
    directory = b"".join(entries[tag] for tag in sorted(entries))
    end = struct.pack(order + "H", len(entries)) + directory + struct.pack(order + "I", 0)
    return body[:4] + struct.pack(order + "I", len(body)) + body[8:] + end


def _tiff_tags(profile: bytes, note: str) -> Iterator[tuple[int, int, bytes]]:
    """Tag, type (2: text, 7: bytes) and content; at least five bytes, which do not fit into the entry itself."""
    if note:
        yield _SOFTWARE, 2, note.ljust(4).encode("ascii") + b"\0"
    if profile:
        yield _PROFILE_TAG, 7, profile
