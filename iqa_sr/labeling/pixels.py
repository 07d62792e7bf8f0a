"""Pixels of the images that raters see."""

from pathlib import Path

import cv2
import numpy as np

from iqa_sr.io.images import read_image

__all__ = ["as_png", "read_pixels"]


def read_pixels(root: Path, key: str) -> np.ndarray:
    """An image `(H, W, 3)` RGB uint8; what has 16 bits is rounded to 8, which is what a screen shows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be used; see `decode_image`.
    """
    image = read_image(root / key)
    return image if image.dtype == np.uint8 else ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def as_png(pixels: np.ndarray) -> bytes:
    """An image `(H, W, 3)` RGB uint8 as a PNG file of these pixels and nothing else: no profile, no names."""
    done, content = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OSError(f"OpenCV could not encode an image of shape {pixels.shape}")
    return content.tobytes()
