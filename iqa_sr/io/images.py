"""Image files to arrays and tensors, and back: the only place that knows files, 8 and 16 bit, BGR and HWC.

Pillow reads what has 8 bits: it notices truncated files in every format, which OpenCV before version 5 does not, and is
within a fifth of its speed on PNG. OpenCV reads 16-bit images, which Pillow would cut down to 8 bits. Color profiles
are ignored where images are read, as everywhere in this field; `image_metadata` has them.
"""

import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from iqa_sr.io.file_kinds import describe_content, describe_file
from iqa_sr.io.files import atomic_write, check_file, read_file
from iqa_sr.io.image_metadata import embed
from iqa_sr.io.image_types import FORMATS, LARGEST_IMAGE, SUBSAMPLINGS, JpegOptions, pillow_formats

__all__ = [
    "decode_image",
    "image_size",
    "inspect_image",
    "read_image",
    "read_with_alpha",
    "recompress",
    "write_image",
]


_PNG_END = b"IEND\xaeB`\x82"
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "I;16", "I;16L", "I;16B")
_ALPHA_MODES = ("LA", "PA", "RGBA")
_ORIENTATION_TAG = 0x0112


def decode_image(content: bytes, name: str) -> np.ndarray:
    """The image that a file holds.

    Args:
        content: Content of the whole file: PNG, JPEG, WebP, BMP or TIFF, or of another type of `readable_suffixes`.
        name: Name of the image in error messages, normally its path.

    Returns:
        `(H, W, 3)` RGB, uint8 or (16-bit files) uint16, upright after EXIF orientation. Gray and palette images
        become RGB; an alpha channel without any transparency is dropped.

    Raises:
        ValueError: If the file is damaged, or holds transparency, an animation, several pages, floating-point numbers,
            CMYK, another depth or more than `LARGEST_IMAGE` pixels; the text names the file.
    """
    image = _decode(content, name)
    if image.shape[2] == 3:
        return image
    if image[..., 3].min() != np.iinfo(image.dtype).max:
        raise ValueError(f"{name}: has transparent pixels; flatten it onto a background first")
    return np.ascontiguousarray(image[..., :3])


def _decode(content: bytes, name: str) -> np.ndarray:
    """`(H, W, 3)`, or with an alpha channel `(H, W, 4)`, uint8 or uint16, upright."""
    with _open_image(content, name) as pil_image:
        orientation, deep = _orientation_of(pil_image), _is_deep(pil_image)
        try:
            pil_image.load()
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder stumbles over
            raise ValueError(f"{name}: damaged or truncated image ({error})") from error
        if pil_image.format == "PNG" and _PNG_END not in content[-(2**16) :] and _PNG_END not in content:
            raise ValueError(f"{name}: truncated, the end of the PNG file is missing")
        if deep:
            image = _decode_deep(content, pil_image, name)
        else:
            mode = "RGBA" if _has_alpha(pil_image) else "RGB"
            image = np.array(pil_image if pil_image.mode == mode else pil_image.convert(mode))
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def read_image(path: str | Path) -> np.ndarray:
    """The image in a file, as `decode_image` gives it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be used; see `decode_image`.
    """
    return decode_image(_content(path), str(path))


def read_with_alpha(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The image in a file, transparent or not.

    Returns:
        `(H, W, 3)` as `decode_image` gives it, and the alpha channel `(H, W, 1)` of the same type; None for a file
        that has none. The colors are not multiplied by it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be used for another reason than transparency; see `decode_image`.
    """
    image = _decode(_content(path), str(path))
    if image.shape[2] == 3:
        return image, None
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3:])


def image_size(source: str | Path | bytes, name: str = "image") -> tuple[int, int]:
    """`(height, width)` in pixels after EXIF orientation, from the file's header.

    Args:
        source: A path, or the whole file; `name` is what to call the latter in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the header cannot be read or names a kind of image that `decode_image` refuses.
    """
    with _open_image(source, name) as image:
        return _upright_size(image)


def inspect_image(source: str | Path | bytes, name: str = "image") -> tuple[int, int]:
    """`(height, width)` of an image that can be used: `image_size` which also finds truncated and transparent files.

    A file that ends as its format prescribes is believed; one that does not, or has an alpha channel, is decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If `decode_image` would refuse it.
    """
    with _open_image(source, name) as image:
        size, doubtful = _upright_size(image), _has_alpha(image) or not _ends_well(source, image.format)
    if doubtful:
        decode_image(*((source, name) if isinstance(source, bytes) else (_content(source), str(source))))
    return size


def write_image(
    path: str | Path,
    image: np.ndarray,
    *,
    jpeg: JpegOptions = JpegOptions(),  # noqa: B008 - frozen
    profile: bytes = b"",
    note: str = "",
) -> None:
    """Write an image, whole or not at all; the parent folder is made.

    Args:
        path: Path of the image file; its suffix decides the format. WebP is written without loss.
        image: Image `(H, W, 3)` RGB, or with alpha `(H, W, 4)` for PNG, TIFF and WebP; uint8, or uint16 for PNG and
            TIFF.
        jpeg: Settings of JPEG files.
        profile: ICC profile of the colors, of RGB; not for BMP.
        note: Text in ASCII that `iqa_sr.io.image_metadata.read_extras` finds again; not for BMP.

    Raises:
        ValueError: If the suffix or the array is of another kind, or the format holds no image of this size.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: expected one of the suffixes {', '.join(sorted(FORMATS))}")
    kind = FORMATS[suffix]
    depths = (np.uint8, np.uint16) if kind.deep else (np.uint8,)
    channels = (3, 4) if kind.alpha else (3,)
    if image.dtype not in depths or image.ndim != 3 or image.shape[2] not in channels:
        wanted = " or ".join(np.dtype(depth).name for depth in depths)
        raise ValueError(f"{path}: expected (H, W, 3) {wanted}, got {image.shape} {image.dtype}")
    if max(image.shape[:2]) > kind.largest_side:
        raise ValueError(f"{path}: {suffix} files hold sides of up to {kind.largest_side} px, got {image.shape[:2]}")
    swap = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    flags = (cv2.IMWRITE_JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR)
    values = (jpeg.quality, SUBSAMPLINGS[jpeg.subsampling]) if suffix in (".jpg", ".jpeg") else ()
    settings = [number for pair in zip(flags, values, strict=False) for number in pair]
    done, content = cv2.imencode(suffix, cv2.cvtColor(image, swap), settings)
    if not done:
        raise OSError(f"{path}: OpenCV could not encode an image of shape {image.shape}")
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = content.tobytes()
    atomic_write(path, embed(encoded, suffix, profile, note) if profile or note else encoded)


def recompress(image: np.ndarray, suffix: str, quality: int) -> np.ndarray:
    """An image as a lossy file shows it.

    Args:
        image: `(H, W, 3)` RGB uint8.
        suffix: `.jpg` or `.webp`.
        quality: 1 to 100.

    Returns:
        The same shape and type.
    """
    flag = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}[suffix]
    _, content = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [flag, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _content(path: str | Path) -> bytes:
    return read_file(path, "image")


def _decode_deep(content: bytes, pil_image: Image.Image, name: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint16 or image.shape[:2] != (pil_image.height, pil_image.width):
        raise ValueError(f"{name}: 16-bit image of a kind that cannot be read; convert it to an RGB PNG")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


# --- Headers ----------------------------------------------------------------------------------------------------------


def _open_image(source: str | Path | bytes, name: str) -> Image.Image:
    """The image with its header read and its kind checked; its pixels are not decoded yet. Raises as `image_size`."""
    name = name if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes):
        check_file(source, "image")
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=pillow_formats())
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a phone's JPEG with previews
    except (PermissionError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: {_too_large(str(error))}") from error
    except Exception as error:  # OSError mostly, but a damaged header can lead to anything
        kind = describe_content(source) if isinstance(source, bytes) else describe_file(source)
        seems = f"; it {'begins like' if kind.endswith('image') else 'is'} {kind}" if kind else ""
        raise ValueError(f"{name}: not an image that can be read, or damaged{seems}") from error
    refusal = _refusal(image, frames)
    if refusal:
        image.close()
        raise ValueError(f"{name}: {refusal}")
    return image


def _too_large(what: str) -> str:
    return f"too large ({what}); at most {LARGEST_IMAGE / 1e6:.0f} megapixels are read, cut it into pieces"


def _refusal(image: Image.Image, frames: int) -> str:
    """Reason why an image of this kind is not read; empty where it is."""
    if image.width * image.height > LARGEST_IMAGE:
        return _too_large(
            f"{image.width}x{image.height} px (WxH) are {image.width * image.height / 1e6:.0f} megapixels"
        )
    tags = getattr(image, "tag_v2", {})
    rotated = tags.get(_ORIENTATION_TAG, 1) != 1
    maximum, bits = _largest_level(image), _jpeg2000_bits(image)
    refusal = ""
    if frames > 1:
        refusal = f"holds {frames} frames or pages"
    elif maximum not in (255, 65535) or bits > 8:
        refusal = f"is a JPEG 2000 file of {bits} bits a channel" if bits > 8 else f"has levels up to {maximum}"
    elif image.mode not in _MODES and maximum != 65535:
        refusal = f"has the color mode {image.mode}"
    elif _is_deep(image) and "transparency" in image.info:
        refusal = "has 16 bits and a transparent color"
    elif _is_deep(image) and (rotated or tags.get(262, 1) not in (1, 2) or set(tags.get(339, (1,))) != {1}):
        refusal = "is a 16-bit TIFF with inverted, rotated or signed values"
    return f"{refusal}; convert it to an 8-bit or 16-bit RGB image" if refusal else ""


def _largest_level(image: Image.Image) -> int:
    """The level of white that a PPM file names; 255 of other formats, whatever it is there."""
    tiles = getattr(image, "tile", ())
    if image.format != "PPM" or image.mode == "1" or not tiles:
        return 255
    values = tiles[0][3]
    found = int(values[1]) if isinstance(values, tuple) else 65535 if ";16" in str(values) else 255
    return max(found, 255)  # Pillow stretches fewer levels


def _jpeg2000_bits(image: Image.Image) -> int:
    """Bits per channel of a JPEG 2000 file, which Pillow would cut down to 8; 8 of other formats."""
    file = getattr(image, "fp", None)
    if image.format != "JPEG2000" or file is None:
        return 8
    position = file.tell()
    file.seek(0)
    head = file.read(4096)
    file.seek(position)
    start = head.find(b"\xff\x51")  # the marker SIZ; behind 38 bytes the bits of the first channel, less one
    return (head[start + 40] & 127) + 1 if 0 <= start < len(head) - 40 else 8


def _is_deep(image: Image.Image) -> bool:
    """Check for 16 bits per channel. Of color images only the tiles say so, and only before loading."""
    if _largest_level(image) == 65535:
        return True
    return image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _has_alpha(image: Image.Image) -> bool:
    """Check whether there is an alpha channel, or a color that is transparent."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def _orientation_of(image: Image.Image) -> int:
    """The EXIF orientation 1..8. Pillow turns TIFF itself; for a PNG without EXIF, `getexif` would decode all of it."""
    if image.format == "TIFF" or (image.format == "PNG" and not {"exif", "Raw profile type exif"} & set(image.info)):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # of damaged EXIF data, which no pixel depends on
        return 1
    return value if value in range(1, 9) else 1


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """`(height, width)` in pixels once the orientation is applied."""
    width, height = image.size
    return (width, height) if _orientation_of(image) >= 5 else (height, width)


def _ends_well(source: str | Path | bytes, kind: str | None) -> bool:
    """Check that the last bytes are those of a whole file of Pillow's `kind`; False where it does not tell."""
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
