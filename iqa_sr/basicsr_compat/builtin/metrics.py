"""PSNR, SSIM and NIQE of `val:metrics`, with BasicSR's options and numbers."""

from typing import Any, Literal, cast

import cv2
import numpy as np
import torch

from iqa_sr.basicsr_compat.builtin.luma import studio_luma
from iqa_sr.basicsr_compat.builtin.registry import METRIC_REGISTRY
from iqa_sr.metrics.niqe import BLOCK, NIQE
from iqa_sr.metrics.registry import shared_metric

__all__ = ["calculate_niqe", "calculate_psnr", "calculate_ssim"]


@METRIC_REGISTRY.register()
def calculate_psnr(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: Literal["HWC", "CHW"] = "HWC",
    test_y_channel: bool = False,
    **_: Any,
) -> float:
    """PSNR in dB; infinite for equal images. Higher is better.

    Args:
        img: Result `(H, W, 3)` BGR or `(H, W)`, levels 0..255.
        img2: Ground truth of the same shape.
        crop_border: Pixels cut from each side.
        input_order: Order of the dimensions.
        test_y_channel: Whether Y of BT.601's YCbCr is compared, not rounded, instead of all channels.

    Raises:
        ValueError: If the shapes differ.
    """
    first, second = _pair(img, img2, crop_border, input_order)
    if test_y_channel:
        first, second = _luma(first), _luma(second)
    error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


@METRIC_REGISTRY.register()
def calculate_ssim(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: Literal["HWC", "CHW"] = "HWC",
    test_y_channel: bool = False,
    **_: Any,
) -> float:
    """SSIM, at most 1, the mean of the channels; higher is better.

    Differs from the original:
        Levels are rounded to whole ones, which images of 8 bits are; an image of less than 11 px is a ValueError,
        where BasicSR has NaN.

    Args:
        img: Result `(H, W, 3)` BGR or `(H, W)`, levels 0..255.
        img2: Ground truth of the same shape.
        crop_border: Pixels cut from each side.
        input_order: Order of the dimensions.
        test_y_channel: Whether Y of BT.601's YCbCr is compared, not rounded, instead of all channels.

    Raises:
        ValueError: If the shapes differ, or an image is too small.
    """
    first, second = _pair(img, img2, crop_border, input_order)
    name = "ssimy-basicsr" if test_y_channel and first.shape[2] == 3 else "ssimc-basicsr"
    with torch.no_grad():
        return float(shared_metric(name, "cpu")(_as_rgb(first), _as_rgb(second)))


@METRIC_REGISTRY.register()
def calculate_niqe(
    img: np.ndarray,
    crop_border: int,
    input_order: Literal["HW", "HWC", "CHW"] = "HWC",
    convert_to: Literal["y", "gray"] = "y",
    **_: Any,
) -> float:
    """NIQE of an image; lower is better.

    Differs from the original:
        An image of a single block is a ValueError with a text; BasicSR ends in one of numpy's there. A feature that no
        block defines, of a flat image, is 0, where BasicSR has NaN.

    Args:
        img: Image `(H, W, 3)` BGR or `(H, W)`, levels 0..255.
        crop_border: Pixels cut from each side.
        input_order: Order of the dimensions.
        convert_to: Gray levels of a color image: Y of BT.601's YCbCr, or OpenCV's gray.

    Raises:
        ValueError: If the image has fewer than two blocks of 96 px, or an option has another value.
    """
    if convert_to not in ("y", "gray"):
        raise ValueError(f"convert_to: expected y or gray, got {convert_to!r}")
    image = img.astype(np.float32)
    if input_order != "HW":
        image = _channels_last(image, input_order)
        image = _luma(image) if convert_to == "y" else _opencv_gray(image)
    plane = _cropped(image, crop_border).reshape(image.shape[0] - 2 * crop_border, -1)  # (H, W)
    height, width = plane.shape
    if (height // BLOCK) * (width // BLOCK) < 2:
        raise ValueError(f"NIQE needs two blocks of {BLOCK} px at least, got an image of {height}x{width} px (HxW)")
    metric = cast(NIQE, shared_metric("niqe-basicsr", "cpu"))
    with torch.no_grad():
        return float(metric.score_luma(torch.from_numpy(np.ascontiguousarray(plane))[None]))


def _pair(img: np.ndarray, img2: np.ndarray, border: int, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Both images as `(H, W, C)`, cropped."""
    if img.shape != img2.shape:
        raise ValueError(f"the images have other shapes: {img.shape} and {img2.shape}")
    return _cropped(_channels_last(img, order), border), _cropped(_channels_last(img2, order), border)


def _channels_last(image: np.ndarray, order: str) -> np.ndarray:
    """An image of any order as `(H, W, C)`."""
    if order not in ("HWC", "CHW"):
        raise ValueError(f"input_order: expected HWC or CHW, got {order!r}")
    if image.ndim == 2:
        return image[..., None]
    return image.transpose(1, 2, 0) if order == "CHW" else image


def _cropped(image: np.ndarray, border: int) -> np.ndarray:
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def _luma(image: np.ndarray) -> np.ndarray:
    """`(H, W, 3)` levels to Y `(H, W, 1)` float32, 16..235, not rounded; gray stays gray."""
    if image.shape[2] == 3:
        return studio_luma(image)[..., None] * 255
    return image.astype(np.float32) / 255 * 255  # rounded as BasicSR does


def _opencv_gray(image: np.ndarray) -> np.ndarray:
    """`(H, W, 3)` float32 levels to OpenCV's gray `(H, W)`."""
    gray: np.ndarray = cv2.cvtColor(image / 255, cv2.COLOR_BGR2GRAY)
    return gray * 255


def _as_rgb(image: np.ndarray) -> torch.Tensor:
    """`(H, W, 3)` or `(H, W, 1)` BGR levels to `(1, 3, H, W)` float32 RGB in [0, 1]."""
    planes = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(planes).div(255).expand(3, -1, -1)[None]
