"""Between images as arrays of levels and images as tensors in [0, 1]."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["as_8_bit", "to_array", "to_levels", "to_tensor", "to_uint8"]


def to_tensor(image: np.ndarray) -> Tensor:
    """`(H, W, 3)` or `(H, W, 1)` uint8 or uint16 to `(3, H, W)` or `(1, H, W)` float32 in [0, 1]."""
    if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"expected (H, W, 3) uint8 or uint16, got {image.shape} {image.dtype}")
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(planes).div_(255.0 if image.dtype == np.uint8 else 65535.0)


def to_levels(image: Tensor, depth: torch.dtype = torch.uint8) -> Tensor:
    """A floating image of any shape and range as `torch.uint8` or `torch.uint16`: the levels that a file holds.

    Clamped to [0, 1], rounded half to even; NaN becomes 0.
    """
    largest = torch.iinfo(depth).max
    return image.detach().float().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1).mul(largest).round().to(depth)


def to_array(levels: Tensor) -> np.ndarray:
    """`(C, H, W)` to `(H, W, C)`, on the CPU, same type."""
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def as_8_bit(image: Tensor) -> Tensor:
    """Values of a saved 8-bit file: clamped to [0, 1] and rounded to 255ths, of the same shape and type.

    What is not finite becomes NaN: clamped, infinity would look like white.
    """
    return torch.where(image.isinf(), torch.nan, image.clamp(0, 1).mul(255).round().div(255))


def to_uint8(image: Tensor) -> np.ndarray:
    """`(3, H, W)` floating of any range to `(H, W, 3)` uint8: clamped to [0, 1], rounded half to even, NaN to 0."""
    if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
        raise ValueError(f"expected (3, H, W) floating, got {tuple(image.shape)} {image.dtype}")
    return to_array(to_levels(image))
