"""Upscales image files: as deep and as transparent as they were, what fails left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from iqa_sr.inference.jobs import UpscaleJob
from iqa_sr.inference.tile_size import is_out_of_memory
from iqa_sr.inference.tiling import OVERLAP, Tile, upscale
from iqa_sr.io.files import compute_hash
from iqa_sr.io.image_metadata import NOTE_SUFFIXES, can_keep, is_srgb, read_extras, to_srgb
from iqa_sr.io.image_tensors import to_array, to_tensor
from iqa_sr.io.image_types import FORMATS, JpegOptions
from iqa_sr.io.images import read_with_alpha, write_image
from iqa_sr.io.result_notes import result_note, result_state
from iqa_sr.ops.resize import BicubicUpscaler

__all__ = ["TOOL", "FileUpscaling", "UpscaledFiles", "check_depth", "made_by", "upscale_files"]

TOOL = "iqa-sr upscale"
"""The note of a result on what it was made by."""


@dataclass(frozen=True)
class FileUpscaling:
    """Settings with which images are upscaled.

    Attributes:
        tile: Side of the tiles, see `iqa_sr.inference.tiling.upscale`.
        overlap: Overlap of the tiles in LQ pixels, see the same function.
        half: Whether to compute in half precision, see the same function.
        depth: Bits of the results, `8` or `16`; `auto` for the source's, where the format has them.
        profile: Whether ICC profiles are copied to the results, or their colors converted to `srgb`.
        jpeg: Settings of JPEG files.
        made: Digest from `made_by`, kept in the results as a note.
        overwrite: Whether results that are there are made again.
    """

    tile: Tile = "auto"
    overlap: int = OVERLAP
    half: bool = False
    depth: Literal["auto", "8", "16"] = "auto"
    profile: Literal["keep", "srgb"] = "keep"
    jpeg: JpegOptions = field(default_factory=JpegOptions)
    made: str = ""
    overwrite: bool = False


@dataclass
class UpscaledFiles:
    """Outcome of upscaling files: counts of results, failures and lost metadata.

    Attributes:
        written: Number of results that were written.
        kept: Number of results that were there already.
        failed: Reason why an image has no result, by its path.
        dropped: Number of sources that have something beside their pixels that their results lack, by its name, for
            example `EXIF`.
    """

    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def check_depth(jobs: Sequence[UpscaleJob], depth: str) -> None:
    """Check whether the results can have this many bits.

    Raises:
        ValueError: If 16 bits are asked for in a format that has 8.
    """
    unfit = {job.target.suffix for job in jobs if not FORMATS[job.target.suffix.lower()].deep}
    if unfit and depth == "16":
        raise ValueError(
            f"`depth`: expected 8 or auto for {', '.join(sorted(unfit))} files, got 16; PNG and TIFF hold 16 bits"
        )


def made_by(
    checkpoint: str | Path, options: str | Path | None, adapters: Sequence[str | Path], settings: object
) -> str:
    """16 digits that pin down what results are made by.

    Args:
        checkpoint: Checkpoint file of the network.
        options: Option file of the network, if one is given.
        adapters: Folders of LoRA adapters.
        settings: Other settings that change the results; JSON can hold them.

    Raises:
        FileNotFoundError: If one of them does not exist.
    """
    for path, what in ((checkpoint, ""), *((one, "; expected the folder of an adapter") for one in adapters)):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist{what}")
    if options is not None and not Path(options).is_file():
        raise FileNotFoundError(f"option file {options} does not exist")
    files = [Path(checkpoint), *([] if options is None else [Path(options)])]
    files += [file for folder in adapters for file in sorted(Path(folder).rglob("*"))]
    hashes = [compute_hash(file) for file in files if file.is_file()]
    return hashlib.sha256(json.dumps([hashes, settings]).encode()).hexdigest()[:16]


def upscale_files(
    jobs: Sequence[UpscaleJob], network: nn.Module, sizes: Mapping[str, int], config: FileUpscaling, name: str
) -> UpscaledFiles:
    """Upscale and write every image whose result is missing, or that of another image, when its turn comes.

    Args:
        jobs: Images to upscale, and where their results go.
        network: Network that `iqa_sr.inference.tiling.upscale` takes.
        sizes: Sizes of the network: its `scale`, and `multiple_of` and `minimum` where it has them.
        config: Settings of the upscaling.
        name: Name of the network's architecture, for errors.

    Raises:
        OSError: If a result cannot be written. An image that cannot be read or upscaled goes into the result instead.
    """
    done = UpscaledFiles()
    # tqdm's None: a bar on a terminal only
    title = "restore" if sizes["scale"] == 1 else "upscale"
    for job in tqdm(jobs, desc=title, unit="image", disable=None if len(jobs) > 1 else True):
        names = (TOOL, job.source, config.made, job.target)
        try:
            if not config.overwrite and result_state(*names) not in ("missing", "changed source"):
                done.kept += 1  # a run beside this one has made it
                continue
            note = result_note(*names)
            result, profile, dropped = _upscaled(job, network, sizes, config)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            done.failed[str(job.source)] = _reason(error, name)
        else:
            write_image(job.target, result, jpeg=config.jpeg, profile=profile, note=note)
            done.written += 1
            done.dropped.update(dropped)
    return done


def _reason(error: Exception, name: str) -> str:
    """Reason why an image could not be upscaled, in one line."""
    if is_out_of_memory(error):
        return "memory does not suffice, not even for the smallest tiles"
    first = (str(error).splitlines() or [type(error).__name__])[0]
    # Of networks that are not known well: sizes of images that they do not take.
    return f"{name} does not take it: {first}" if isinstance(error, RuntimeError) else first


def _upscaled(
    job: UpscaleJob, network: nn.Module, sizes: Mapping[str, int], config: FileUpscaling
) -> tuple[np.ndarray, bytes, list[str]]:
    """`(H, W, 3)`, or with alpha `(H, W, 4)`, uint8 or uint16, as the file holds it; its profile; what is dropped."""
    image, alpha = read_with_alpha(job.source)
    extras = read_extras(job.source)
    suffix = job.target.suffix.lower()
    kind, side = FORMATS[suffix], max(image.shape[:2]) * sizes["scale"]
    if side > kind.largest_side:
        raise ValueError(
            f"{job.source}: the result has a side of {side} px, {suffix} files hold {kind.largest_side}; choose tif"
        )
    if alpha is not None and not kind.alpha:
        if alpha.min() < np.iinfo(alpha.dtype).max:
            raise ValueError(f"{job.source}: has transparent pixels, which {suffix} files cannot hold; choose png")
        alpha = None
    deep = config.depth == "16" or (config.depth == "auto" and image.dtype == np.uint16 and kind.deep)
    dtype = torch.uint16 if deep else torch.uint8

    def enlarged(
        network: nn.Module, pixels: np.ndarray, tile: Tile, overlap: int, half: bool, **sizes: int
    ) -> np.ndarray:
        lq = to_tensor(pixels)[None]
        levels = upscale(network, lq, tile=tile, overlap=overlap, half=half, dtype=dtype, progress=True, **sizes)
        return to_array(levels[0])

    if config.profile == "srgb" and extras.profile and deep and not is_srgb(extras.profile):
        raise ValueError(f"{job.source}: 16 bits cannot be converted to sRGB; keep the profile, or write 8 bits")
    shown = image if alpha is None else fill_invisible(image, alpha)
    result = enlarged(network, shown, config.tile, config.overlap, config.half, **sizes)
    profile, dropped = extras.profile, list(extras.others)
    if profile and config.profile == "srgb":
        result, profile = result if deep else to_srgb(result, profile), b""
    elif profile and not (suffix in NOTE_SUFFIXES and can_keep(profile)):
        profile, dropped = b"", [*dropped, "color profile"]
    if alpha is None:
        return result, profile, dropped
    # Bicubic: a mask has no texture that a network could restore, and hard edges on which it would.
    mask = enlarged(BicubicUpscaler(sizes["scale"]), alpha, 512, 8, False, scale=sizes["scale"])
    return np.concatenate([result, mask], axis=2), profile, dropped


def fill_invisible(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The image with the color of the nearest visible pixel where nothing is seen.

    Programs leave anything there, mostly black, which a network would mix into what is seen beside it.

    Args:
        image: `(H, W, 3)` uint8 or uint16.
        alpha: `(H, W, 1)`, 0 where nothing is seen.
    """
    invisible = (alpha[..., 0] == 0).astype(np.uint8)
    if not invisible.any() or invisible.all():
        return image
    # The labels number the visible pixels; those of the others are of the visible one that is nearest.
    _, labels = cv2.distanceTransformWithLabels(invisible, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colors = np.zeros((labels.max() + 1, 3), image.dtype)
    visible = invisible == 0
    colors[labels[visible]] = image[visible]
    return colors[labels]
