"""Picture files to arrays and tensors, and back: the only place that knows files, 8 and 16 bit, BGR and HWC.

Pillow reads what has 8 bits: it notices truncated files in every format, which OpenCV before version 5 does not, and is
within a fifth of its speed on PNG. OpenCV reads 16-bit pictures, which Pillow would cut down to 8 bits. Colour profiles
are ignored, as everywhere in this field.
"""

import io
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = [
    "IMAGE_SUFFIXES",
    "as_8_bit",
    "decode_image",
    "image_size",
    "inspect_image",
    "list_images",
    "read_image",
    "read_with_alpha",
    "recompress",
    "to_array",
    "to_levels",
    "to_tensor",
    "to_uint8",
    "write_image",
]

IMAGE_SUFFIXES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "I;16", "I;16L", "I;16B")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")
_ALPHA_MODES = ("LA", "PA", "RGBA")
_ORIENTATION_TAG = 0x0112
# What Pillow raises on damaged files, beside OSError; the decompression bomb is a plain Exception.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


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
    with _opened(content, name) as image:
        orientation, deep = _orientation(image), _is_deep(image)
        try:
            image.load()
        except _DAMAGED as error:
            raise ValueError(f"{name}: damaged or truncated picture ({error})") from error
        picture = _decode_deep(content, image, name) if deep else _decode_8bit(image)
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
    with _opened(source, name) as image:
        return _size(image)


def inspect_image(source: str | Path | bytes, name: str = "picture") -> tuple[int, int]:
    """`(height, width)` of a picture that can be used: `image_size` which also finds truncated and transparent files.

    A file that ends as its format prescribes is believed; one that does not, or has an alpha channel, is decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If `decode_image` would refuse it.
    """
    with _opened(source, name) as image:
        size, doubtful = _size(image), _has_alpha(image) or not _ends_well(source, image.format)
    if doubtful:
        decode_image(*((source, name) if isinstance(source, bytes) else (_content(source), str(source))))
    return size


def to_tensor(picture: np.ndarray) -> Tensor:
    """`(H, W, 3)` or `(H, W, 1)` uint8 or uint16 to `(3, H, W)` or `(1, H, W)` float32 in [0, 1]."""
    if picture.dtype not in (np.uint8, np.uint16) or picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise ValueError(f"expected (H, W, 3) uint8 or uint16, got {picture.shape} {picture.dtype}")
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(planes).div_(255.0 if picture.dtype == np.uint8 else 65535.0)


def to_levels(image: Tensor, depth: torch.dtype = torch.uint8) -> Tensor:
    """A floating picture of any shape and range as `torch.uint8` or `torch.uint16`: the levels that a file holds.

    Clamped to [0, 1], rounded half to even; NaN becomes 0.
    """
    largest = torch.iinfo(depth).max
    return image.detach().float().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1).mul(largest).round().to(depth)


def to_array(levels: Tensor) -> np.ndarray:
    """`(C, H, W)` to `(H, W, C)`, on the CPU, same type."""
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def as_8_bit(image: Tensor) -> Tensor:
    """What a saved 8-bit file would hold: clamped to [0, 1] and rounded to 255ths, of the same shape and type."""
    return image.clamp(0, 1).mul(255).round().div(255)


def to_uint8(image: Tensor) -> np.ndarray:
    """`(3, H, W)` floating of any range to `(H, W, 3)` uint8: clamped to [0, 1], rounded half to even, NaN to 0."""
    if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
        raise ValueError(f"expected (3, H, W) floating, got {tuple(image.shape)} {image.dtype}")
    return to_array(to_levels(image))


def write_image(path: str | Path, picture: np.ndarray) -> None:
    """Write a picture, whole or not at all; the parent folder is made.

    Args:
        path: The suffix decides the format. JPEG is written with quality 95, WebP without loss.
        picture: `(H, W, 3)` RGB, or with alpha `(H, W, 4)` for PNG, TIFF and WebP; uint8, or uint16 for PNG and TIFF.

    Raises:
        ValueError: If the suffix or the array is of another kind.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected one of the suffixes {', '.join(sorted(IMAGE_SUFFIXES))}")
    depths = (np.uint8, np.uint16) if suffix in (".png", ".tif", ".tiff") else (np.uint8,)
    channels = (3,) if suffix in _WITHOUT_ALPHA else (3, 4)
    if picture.dtype not in depths or picture.ndim != 3 or picture.shape[2] not in channels:
        wanted = " or ".join(np.dtype(depth).name for depth in depths)
        raise ValueError(f"{path}: expected (H, W, 3) {wanted}, got {picture.shape} {picture.dtype}")
    swap = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    done, content = cv2.imencode(suffix, cv2.cvtColor(picture, swap))
    if not done:
        raise OSError(f"{path}: OpenCV could not encode a picture of shape {picture.shape}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.tobytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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


def list_images(folder: str | Path) -> list[Path]:
    """The picture files directly inside a folder, by suffix, sorted by name; hidden files are left out.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder {folder} does not exist")
    # By entry names: a Path object per file costs half a second for 100,000 of them.
    names = sorted(name for name in os.listdir(folder) if not name.startswith(".") and _suffix(name) in IMAGE_SUFFIXES)
    return [folder / name for name in names]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"picture {path} does not exist") from None


def _opened(source: str | Path | bytes, name: str) -> Image.Image:
    """The picture with its header read and its kind checked."""
    name = name if isinstance(source, bytes) else str(source)
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a phone's JPEG with previews
    except FileNotFoundError:
        raise FileNotFoundError(f"picture {name} does not exist") from None
    except (IsADirectoryError, PermissionError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: too large ({error})") from error
    except _DAMAGED as error:
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
    if not _is_deep(image):
        return None
    if "transparency" in image.info:
        return "has 16 bits and a transparent colour"
    tags = getattr(image, "tag_v2", {})
    if tags.get(262, 1) not in (1, 2) or tags.get(_ORIENTATION_TAG, 1) != 1 or set(tags.get(339, (1,))) != {1}:
        return "is a 16-bit TIFF with inverted, rotated or signed values"
    return None


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has 16 bits per channel. Of colour pictures only the tiles say so, and only before loading."""
    return image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8. Pillow turns TIFF itself; for a PNG without EXIF, `getexif` would decode all of it."""
    if image.format == "TIFF" or (image.format == "PNG" and not {"exif", "Raw profile type exif"} & set(image.info)):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DAMAGED:
        return 1
    return value if value in range(1, 9) else 1


def _size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (width, height) if _orientation(image) >= 5 else (height, width)


def _upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF orientation: 5..8 are transposed; then columns and rows may be reversed."""
    if orientation >= 5:
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _decode_8bit(image: Image.Image) -> np.ndarray:
    mode = "RGBA" if _has_alpha(image) else "RGB"
    return np.array(image if image.mode == mode else image.convert(mode))


def _decode_deep(content: bytes, image: Image.Image, name: str) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16 or picture.shape[:2] != (image.height, image.width):
        raise ValueError(f"{name}: 16-bit picture of a kind that cannot be read; convert it to an RGB PNG")
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _ends_well(source: str | Path | bytes, kind: str | None) -> bool:
    """Whether the file's last bytes are those of a whole file; False where the format does not tell."""
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
