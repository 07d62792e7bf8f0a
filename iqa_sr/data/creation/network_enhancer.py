"""A 1x restoration network as an enhancer, loaded by spandrel (an optional extra)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file

__all__ = ["NetworkEnhancer", "load_network_enhancer"]

TILE = 512
"""Largest side in pixels that goes through the network at once."""
OVERLAP = 32
"""Context in pixels around each tile, cut off again."""


class NetworkEnhancer:
    """A restoration network applied to whole pictures, in overlapping tiles.

    Args:
        model: What spandrel loaded: `(1, 3, H, W)` RGB in [0, 1] to the same shape; it pads as its network needs.
        device: Where it runs.
    """

    def __init__(self, model: Any, device: str) -> None:
        self.model = model.to(torch.device(device)).eval()
        self.device = torch.device(device)
        self.architecture = str(model.architecture.name)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """`(H, W, 3)` RGB uint8 to the same shape."""
        height, width = picture.shape[:2]
        result = np.empty_like(picture)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
                around_rows, around_columns = _widened(rows, height), _widened(columns, width)
                with torch.inference_mode():
                    tile = to_tensor(picture[around_rows, around_columns])[None].to(self.device)
                    enhanced = to_uint8(self.model(tile)[0])
                offset_row, offset_column = top - around_rows.start, left - around_columns.start
                result[rows, columns] = enhanced[offset_row:, offset_column:][: rows.stop - top, : columns.stop - left]
        return result


def _widened(part: slice, length: int) -> slice:
    return slice(max(0, part.start - OVERLAP), min(length, part.stop + OVERLAP))


def load_network_enhancer(path: Path, device: str = "cpu") -> NetworkEnhancer:
    """The restoration network in a file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If spandrel is not installed.
        ValueError: If spandrel does not know the network, or it is not a 1x network of RGB pictures.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"`enhancers` {path}: networks are read by spandrel, which is not installed.\n"
            'Install it with `pip install "iqa-sr[spandrel]"`, or use one of our enhancers by name.'
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"`enhancers` {path}: this file does not exist")
    try:  # tensors only: spandrel's own reader would run the code of a TorchScript file
        state = next(iter(state_dicts(read_tensor_file(path), path).values()))
        model = ModelLoader(device="cpu").load_from_state_dict(state)
    except Exception as error:  # spandrel passes on whatever unpickling or building the network raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"`enhancers` {path}: spandrel cannot load it ({reason[:200]})") from error
    if not isinstance(model, ImageModelDescriptor) or model.scale != 1 or model.input_channels != 3:
        scale = getattr(model, "scale", "?")
        raise ValueError(
            f"`enhancers` {path}: expected a 1x restoration network of RGB pictures, got {model.architecture.name} "
            f"with scale {scale} and {model.input_channels} input channels"
        )
    return NetworkEnhancer(model, device)
