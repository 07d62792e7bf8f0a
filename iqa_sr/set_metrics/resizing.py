"""The ways in which images get the size of a network: FIDs of one way cannot be compared with those of another.

`tensorflow` is that of the original FID and of torch-fidelity: bilinear between two neighbors, at positions without
TensorFlow's later shift by half a pixel, and without a filter against aliasing. `clean` is that of clean-fid: Pillow's
bicubic, which averages where it makes images smaller, in floating numbers that are clamped to 0..255, not rounded.
`crop` is that of CMMD: the central square alone, with Pillow's bicubic and rounded to 8 bits.
"""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["Resizing", "resize"]

Resizing = Literal["tensorflow", "clean", "crop"]


def resize(levels: Tensor, side: int, resizing: Resizing) -> Tensor:
    """An image in the size of a network.

    Args:
        levels: Image `(3, H, W)`, RGB levels 0 to 255, any type; whole levels for `crop`.
        side: Height and width wanted, in px.
        resizing: Way of resizing.

    Returns:
        `(3, side, side)` float32 on the same device, from 0 to 255.
    """
    image = levels.float()
    if resizing == "tensorflow":
        return _between_neighbors(_between_neighbors(image, side, -1), side, -2)
    if resizing == "crop":
        return _central_square(levels, side)
    planes = [Image.fromarray(plane).resize((side, side), Image.Resampling.BICUBIC) for plane in image.cpu().numpy()]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 255).to(levels.device)


def _central_square(levels: Tensor, side: int) -> Tensor:
    height, width = levels.shape[1:]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    square = levels[:, top : top + shorter, left : left + shorter].permute(1, 2, 0)
    image = Image.fromarray(square.to(torch.uint8).cpu().contiguous().numpy())
    resized = np.array(image.resize((side, side), Image.Resampling.BICUBIC))
    return torch.from_numpy(resized).permute(2, 0, 1).float().to(levels.device)


def _between_neighbors(image: Tensor, side: int, dimension: int) -> Tensor:
    length = image.shape[dimension]
    positions = torch.arange(side, dtype=torch.float32) * torch.tensor(length / side, dtype=torch.float32)
    lower = positions.long().clamp_max(length - 1)
    upper = (lower + 1).clamp_max(length - 1)
    shape = (side,) if dimension == -1 else (side, 1)
    shares = (positions - lower).reshape(shape).to(image.device)
    low, high = (image.index_select(dimension, index.to(image.device)) for index in (lower, upper))
    return low + (high - low) * shares
