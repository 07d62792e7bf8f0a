"""Picture files to arrays and tensors, and back: the only place that knows files, 8 and 16 bit, BGR and HWC.

Pillow reads what has 8 bits: it notices truncated files in every format, which OpenCV before version 5 does not, and is
within a fifth of its speed on PNG. OpenCV reads 16-bit pictures, which Pillow would cut down to 8 bits. Colour profiles
are ignored, as everywhere in this field.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from iqa_sr.io.atomic import atomic_write
from iqa_sr.io.image_headers import DAMAGED, ends_well, has_alpha, is_deep, open_picture, orientation_of, upright_size

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "PictureFormat",
    "decode_image",
    "image_size",
    "inspect_image",
    "read_image",
    "read_with_alpha",
    "recompress",
    "write_image",
]


@dataclass(frozen=True)
class PictureFormat:
    """What files of one ending can hold beside 8-bit RGB.

    Attributes:
        deep: 16 bits per channel.
        alpha: An alpha channel.
        largest_side: In pixels.
    """

    deep: bool = False
    alpha: bool = False
    largest_side: int = 2**31 - 1


_JPEG, _TIFF = PictureFormat(largest_side=65_500), PictureFormat(deep=True, alpha=True)
FORMATS = {
    ".png": PictureFormat(deep=True, alpha=True, largest_side=1_000_000),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": PictureFormat(alpha=True, largest_side=16_383),
    ".bmp": PictureFormat(),
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
"""The formats of pictures that are read and written, by ending."""

IMAGE_SUFFIXES = frozenset(FORMATS)


def decode_image(content: bytes, name: str) -> np.ndarray:
    """The picture that a file holds.

    Args:
        content: The whole file: PNG, JPEG, WebP, BMP or TIFF.
        name: What to call it in errors, normally its path.

    Returns:
        `(H, W, 3)` RGB, uint8 or (16-bit files) uint16, upright after EXIF orientation. Grey and palette pictures
        become RGB; an alpha channel without any transparency is dropped.

    Raises:
        ValueError: If the file is damaged, or holds transparency, an animation, several pages, floating-point numbers,
            CMYK or another depth; the text names the file.
    """
    picture = _decode(content, name)
    if picture.shape[2] == 3:
        return picture
    if picture[..., 3].min() != np.iinfo(picture.dtype).max:
        raise ValueError(f"{name}: has transparent pixels; flatten it onto a background first")
    return np.ascontiguousarray(picture[..., :3])


def _decode(content: bytes, name: str) -> np.ndarray:
    """`(H, W, 3)`, or with an alpha channel `(H, W, 4)`, uint8 or uint16, upright."""
    with open_picture(content, name) as image:
        orientation, deep = orientation_of(image), is_deep(image)
        try:
            image.load()
        except DAMAGED as error:
            raise ValueError(f"{name}: damaged or truncated picture ({error})") from error
        if deep:
            picture = _decode_deep(content, image, name)
        else:
            mode = "RGBA" if has_alpha(image) else "RGB"
            picture = np.array(image if image.mode == mode else image.convert(mode))
    return _upright(picture, orientation)


def read_image(path: str | Path) -> np.ndarray:
    """The picture in a file, as `decode_image` gives it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be used; see `decode_image`.
    """
    return decode_image(_content(path), str(path))


def read_with_alpha(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture in a file, transparent or not.

    Returns:
        `(H, W, 3)` as `decode_image` gives it, and the alpha channel `(H, W, 1)` of the same type; None for a file
        that has none. The colours are not multiplied by it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be used for another reason than transparency; see `decode_image`.
    """
    picture = _decode(_content(path), str(path))
    if picture.shape[2] == 3:
        return picture, None
    return np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3:])


def image_size(source: str | Path | bytes, name: str = "picture") -> tuple[int, int]:
    """`(height, width)` in pixels after EXIF orientation, from the file's header.

    Args:
        source: A path, or the whole file; `name` is what to call the latter in errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the header cannot be read or names a kind of picture that `decode_image` refuses.
    """
    with open_picture(source, name) as image:
        return upright_size(image)


def inspect_image(source: str | Path | bytes, name: str = "picture") -> tuple[int, int]:
    """`(height, width)` of a picture that can be used: `image_size` which also finds truncated and transparent files.

    A file that ends as its format prescribes is believed; one that does not, or has an alpha channel, is decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If `decode_image` would refuse it.
    """
    with open_picture(source, name) as image:
        size, doubtful = upright_size(image), has_alpha(image) or not ends_well(source, image.format)
    if doubtful:
        decode_image(*((source, name) if isinstance(source, bytes) else (_content(source), str(source))))
    return size


def write_image(path: str | Path, picture: np.ndarray) -> None:
    """Write a picture, whole or not at all; the parent folder is made.

    Args:
        path: The suffix decides the format. JPEG is written with quality 95, WebP without loss.
        picture: `(H, W, 3)` RGB, or with alpha `(H, W, 4)` for PNG, TIFF and WebP; uint8, or uint16 for PNG and TIFF.

    Raises:
        ValueError: If the suffix or the array is of another kind, or the format holds no picture of this size.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: expected one of the suffixes {', '.join(sorted(FORMATS))}")
    kind = FORMATS[suffix]
    depths = (np.uint8, np.uint16) if kind.deep else (np.uint8,)
    channels = (3, 4) if kind.alpha else (3,)
    if picture.dtype not in depths or picture.ndim != 3 or picture.shape[2] not in channels:
        wanted = " or ".join(np.dtype(depth).name for depth in depths)
        raise ValueError(f"{path}: expected (H, W, 3) {wanted}, got {picture.shape} {picture.dtype}")
    if max(picture.shape[:2]) > kind.largest_side:
        raise ValueError(f"{path}: {suffix} files hold sides of up to {kind.largest_side} px, got {picture.shape[:2]}")
    swap = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    done, content = cv2.imencode(suffix, cv2.cvtColor(picture, swap))
    if not done:
        raise OSError(f"{path}: OpenCV could not encode a picture of shape {picture.shape}")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.tobytes())


def recompress(picture: np.ndarray, suffix: str, quality: int) -> np.ndarray:
    """What a lossy file shows of a picture.

    Args:
        picture: `(H, W, 3)` RGB uint8.
        suffix: `.jpg` or `.webp`.
        quality: 1 to 100.

    Returns:
        The same shape and type.
    """
    flag = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}[suffix]
    _, content = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [flag, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"picture {path} does not exist") from None


def _upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF orientation: 5..8 are transposed; then columns and rows may be reversed."""
    if orientation >= 5:
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _decode_deep(content: bytes, image: Image.Image, name: str) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16 or picture.shape[:2] != (image.height, image.width):
        raise ValueError(f"{name}: 16-bit picture of a kind that cannot be read; convert it to an RGB PNG")
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)
