"""Calls of `iqa-sr upscale` in a folder with `net.pth`, and what they must give."""

from pathlib import Path

import numpy as np
import torch

from iqa_sr.io.image_tensors import to_tensor, to_uint8
from tests.helpers.sr_datasets import make_image

COMMAND = ["upscale", "--checkpoint", "net.pth"]


def deep_image():
    """Pixels `(12, 17, 3)` of 16 bits, whose lower bytes say something."""
    return (make_image(1, 12, 17).astype(np.uint16) * 257) + np.arange(17, dtype=np.uint16)[None, :, None]


def expected(network, pixels):
    """What the network makes of the pixels of a file, `(H, W, 3)` uint8."""
    with torch.no_grad():
        return to_uint8(network(to_tensor(pixels)[None])[0])


def names(folder="upscaled"):
    """Paths of all files in a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
