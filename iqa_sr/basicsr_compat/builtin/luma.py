"""Luma as BasicSR computes it, to the last bit."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["luma_tensor", "studio_luma"]

# BT.601 studio range, of B, G, R in [0, 1]; the offset is 16.
WEIGHTS = (24.966, 128.553, 65.481)


def studio_luma(image: np.ndarray) -> np.ndarray:
    """Y of BT.601's YCbCr.

    Args:
        image: BGR image `(H, W, 3)`, levels 0..255.

    Returns:
        `(H, W)` float32 in [16/255, 235/255].
    """
    levels: np.ndarray = np.dot(image.astype(np.float32) / 255, WEIGHTS) + 16
    return (levels / 255).astype(np.float32)


def luma_tensor(image: np.ndarray) -> Tensor:
    """An RGB image `(H, W, 3)` uint8 to its Y `(1, H, W)`, float32 in [16/255, 235/255]."""
    return torch.from_numpy(studio_luma(image[..., ::-1]))[None]
