"""A 1x restoration network as an enhancer, built by spandrel."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from iqa_sr.archs.spandrel_loader import SpandrelFacts, spandrel_facts, spandrel_network
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.state_dicts import state_dicts
from iqa_sr.io.tensor_files import read_tensor_file

__all__ = ["NetworkEnhancer", "load_network_enhancer"]

TILE = 512
"""Largest side in pixels that goes through the network at once."""
OVERLAP = 32
"""Context in pixels around each tile, cut off again."""


class NetworkEnhancer:
    """A restoration network applied to whole images, in overlapping tiles.

    Args:
        network: Network of scale 1: `(1, 3, H, W)` RGB in [0, 1] to the same shape.
        device: Device that it runs on, for example `cuda`.
    """

    def __init__(self, network: nn.Module, device: str) -> None:
        self.network = network.to(torch.device(device)).eval()
        self.device = torch.device(device)
        self.architecture = cast(SpandrelFacts, spandrel_facts(network)).architecture

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """`(H, W, 3)` RGB uint8 to the same shape."""
        height, width = image.shape[:2]
        result = np.empty_like(image)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
                around_rows, around_columns = _widened(rows, height), _widened(columns, width)
                with torch.inference_mode():
                    tile = to_tensor(image[around_rows, around_columns])[None].to(self.device)
                    enhanced = to_uint8(self.network(tile)[0])
                offset_row, offset_column = top - around_rows.start, left - around_columns.start
                result[rows, columns] = enhanced[offset_row:, offset_column:][: rows.stop - top, : columns.stop - left]
        return result


def _widened(part: slice, length: int) -> slice:
    return slice(max(0, part.start - OVERLAP), min(length, part.stop + OVERLAP))


def load_network_enhancer(path: Path, device: str = "cpu") -> NetworkEnhancer:
    """The restoration network in a file, of which only tensors are read.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If spandrel is not installed.
        ValueError: If the file holds code or is damaged, spandrel does not know the network, or it is not a 1x network
            of RGB images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`enhancers` {path}: this file does not exist")
    try:
        network = spandrel_network(next(iter(state_dicts(read_tensor_file(path), path).values())), path)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"`enhancers` {path}: {error}, or use one of our enhancers by name", name=error.name
        ) from error
    except ValueError as error:
        raise ValueError(f"`enhancers` {path}: spandrel cannot load it ({error})") from error
    facts = cast(SpandrelFacts, spandrel_facts(network))
    if facts.scale != 1:
        raise ValueError(
            f"`enhancers` {path}: expected a 1x restoration network of RGB images, got {facts.architecture} with "
            f"scale {facts.scale}"
        )
    return NetworkEnhancer(network, device)
