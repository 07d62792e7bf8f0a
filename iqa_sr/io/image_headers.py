"""What a picture file says of itself before it is decoded: kind, size, depth, transparency, orientation, its end."""

import io
import os
import struct
from pathlib import Path

from PIL import Image

__all__ = ["DAMAGED", "ends_well", "has_alpha", "is_deep", "open_picture", "orientation_of", "upright_size"]

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""What Pillow raises on damaged files, beside OSError; the decompression bomb is a plain Exception."""

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "I;16", "I;16L", "I;16B")
_ALPHA_MODES = ("LA", "PA", "RGBA")
_ORIENTATION_TAG = 0x0112


def open_picture(source: str | Path | bytes, name: str) -> Image.Image:
    """The picture with its header read and its kind checked; its pixels are not decoded yet.

    Args:
        source: A path, or the whole file.
        name: What to call the latter in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the header cannot be read, or names a kind of picture that is not used.
    """
    name = name if isinstance(source, bytes) else str(source)
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a phone's JPEG with previews
    except FileNotFoundError:
        raise FileNotFoundError(f"picture {name} does not exist") from None
    except (IsADirectoryError, PermissionError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: too large ({error}); cut it into pieces") from error
    except DAMAGED as error:
        raise ValueError(f"{name}: not a picture that can be read, or damaged") from error
    refusal = _refusal(image, frames)
    if refusal:
        image.close()
        raise ValueError(f"{name}: {refusal}; convert it to an 8-bit or 16-bit RGB picture")
    return image


def _refusal(image: Image.Image, frames: int) -> str | None:
    """Why this kind of picture is not used; None when it is."""
    if frames > 1:
        return f"holds {frames} frames or pages"
    if image.mode not in _MODES:
        return f"has the colour mode {image.mode}"
    if not is_deep(image):
        return None
    if "transparency" in image.info:
        return "has 16 bits and a transparent colour"
    tags = getattr(image, "tag_v2", {})
    if tags.get(262, 1) not in (1, 2) or tags.get(_ORIENTATION_TAG, 1) != 1 or set(tags.get(339, (1,))) != {1}:
        return "is a 16-bit TIFF with inverted, rotated or signed values"
    return None


def is_deep(image: Image.Image) -> bool:
    """Whether the file has 16 bits per channel. Of colour pictures only the tiles say so, and only before loading."""
    return image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def has_alpha(image: Image.Image) -> bool:
    """Whether there is an alpha channel, or a colour that is transparent."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation 1..8. Pillow turns TIFF itself; for a PNG without EXIF, `getexif` would decode all of it."""
    if image.format == "TIFF" or (image.format == "PNG" and not {"exif", "Raw profile type exif"} & set(image.info)):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except DAMAGED:
        return 1
    return value if value in range(1, 9) else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """`(height, width)` in pixels once the orientation is applied."""
    width, height = image.size
    return (width, height) if orientation_of(image) >= 5 else (height, width)


def ends_well(source: str | Path | bytes, kind: str | None) -> bool:
    """Whether the file's last bytes are those of a whole file; False where the format does not tell.

    Args:
        source: A path, or the whole file.
        kind: Pillow's name of the format.
    """
    if isinstance(source, bytes):
        head, tail, length = source[:12], source[-12:], len(source)
    else:
        with open(source, "rb") as file:
            head = file.read(12)
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - 12))
            tail = file.read()
    if kind == "PNG":
        return tail == b"\0\0\0\0IEND\xaeB`\x82"
    if kind in ("JPEG", "MPO"):
        return tail.endswith(b"\xff\xd9")
    return kind == "WEBP" and int.from_bytes(head[4:8], "little") + 8 <= length
