"""Upscales picture files: as deep and as transparent as they were, what fails left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from iqa_sr.inference.jobs import UpscaleJob
from iqa_sr.inference.tile_size import is_out_of_memory
from iqa_sr.inference.tiling import OVERLAP, Tile, upscale
from iqa_sr.io.image_tensors import to_array, to_tensor
from iqa_sr.io.image_types import FORMATS
from iqa_sr.io.images import read_with_alpha, write_image
from iqa_sr.ops.resize import BicubicUpscaler

__all__ = ["FileUpscaling", "UpscaledFiles", "check_depth", "upscale_files"]


@dataclass(frozen=True)
class FileUpscaling:
    """How pictures are upscaled.

    Attributes:
        tile: See `iqa_sr.inference.tiling.upscale`.
        overlap: Likewise.
        half: Likewise.
        depth: `8` or `16` bits of the results; `auto` for the source's, where the format has them.
        overwrite: Whether results that are there are made again.
    """

    tile: Tile = "auto"
    overlap: int = OVERLAP
    half: bool = False
    depth: Literal["auto", "8", "16"] = "auto"
    overwrite: bool = False


@dataclass
class UpscaledFiles:
    """What became of the pictures.

    Attributes:
        written: How many results were written.
        kept: How many were there already.
        failed: Why there is none, by the picture's path.
    """

    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def check_depth(jobs: Sequence[UpscaleJob], depth: str) -> None:
    """Whether the results can have this many bits.

    Raises:
        ValueError: If 16 bits are asked for in a format that has 8.
    """
    unfit = {job.target.suffix for job in jobs if not FORMATS[job.target.suffix.lower()].deep}
    if unfit and depth == "16":
        raise ValueError(
            f"`depth`: expected 8 or auto for {', '.join(sorted(unfit))} files, got 16; PNG and TIFF hold 16 bits"
        )


def upscale_files(
    jobs: Sequence[UpscaleJob], network: nn.Module, sizes: Mapping[str, int], config: FileUpscaling, name: str
) -> UpscaledFiles:
    """Upscale and write every picture whose result is missing when its turn comes.

    Args:
        jobs: The pictures.
        network: As `iqa_sr.inference.tiling.upscale` takes it.
        sizes: Its `scale`, and `multiple_of` and `minimum` where it has them.
        config: How.
        name: Of the network's architecture, for errors.

    Raises:
        OSError: If a result cannot be written. A picture that cannot be read or upscaled goes into the result instead.
    """
    done = UpscaledFiles()
    # tqdm's None: a bar on a terminal only
    for job in tqdm(jobs, desc="upscale", unit="picture", disable=None if len(jobs) > 1 else True):
        if job.target.exists() and not config.overwrite:  # a run beside this one has made it
            done.kept += 1
            continue
        try:
            result = _upscaled(job, network, sizes, config)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            done.failed[str(job.source)] = _reason(error, name)
        else:
            write_image(job.target, result)
            done.written += 1
    return done


def _reason(error: Exception, name: str) -> str:
    """Why a picture could not be upscaled, in one line."""
    if is_out_of_memory(error):
        return "memory does not suffice, not even for the smallest tiles"
    first = (str(error).splitlines() or [type(error).__name__])[0]
    # Of networks that are not known well: sizes of pictures that they do not take.
    return f"{name} does not take it: {first}" if isinstance(error, RuntimeError) else first


def _upscaled(job: UpscaleJob, network: nn.Module, sizes: Mapping[str, int], config: FileUpscaling) -> np.ndarray:
    """`(H, W, 3)`, or with alpha `(H, W, 4)`, uint8 or uint16, as the file is to hold it."""
    picture, alpha = read_with_alpha(job.source)
    suffix = job.target.suffix.lower()
    kind, side = FORMATS[suffix], max(picture.shape[:2]) * sizes["scale"]
    if side > kind.largest_side:
        raise ValueError(
            f"{job.source}: the result has a side of {side} px, {suffix} files hold {kind.largest_side}; choose tif"
        )
    if alpha is not None and not kind.alpha:
        if alpha.min() < np.iinfo(alpha.dtype).max:
            raise ValueError(f"{job.source}: has transparent pixels, which {suffix} files cannot hold; choose png")
        alpha = None
    deep = config.depth == "16" or (config.depth == "auto" and picture.dtype == np.uint16 and kind.deep)
    dtype = torch.uint16 if deep else torch.uint8

    def enlarged(
        network: nn.Module, pixels: np.ndarray, tile: Tile, overlap: int, half: bool, **sizes: int
    ) -> np.ndarray:
        lq = to_tensor(pixels)[None]
        levels = upscale(network, lq, tile=tile, overlap=overlap, half=half, dtype=dtype, progress=True, **sizes)
        return to_array(levels[0])

    result = enlarged(network, picture, config.tile, config.overlap, config.half, **sizes)
    if alpha is None:
        return result
    # Bicubic: a mask has no texture that a network could restore, and hard edges on which it would.
    mask = enlarged(BicubicUpscaler(sizes["scale"]), alpha, 512, 8, False, scale=sizes["scale"])
    return np.concatenate([result, mask], axis=2)
