"""`iqa-sr upscale`: pictures made larger by the network in a checkpoint, and what is printed about it."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.cli.arguments import read_device, read_tile
from iqa_sr.inference.jobs import UpscaleJob, find_jobs
from iqa_sr.inference.tile_size import is_out_of_memory
from iqa_sr.inference.tiling import Tile, check_tile, upscale
from iqa_sr.io.image_tensors import to_array, to_tensor
from iqa_sr.io.images import FORMATS, read_with_alpha, write_image
from iqa_sr.ops.resize import BicubicUpscaler

__all__ = ["run_upscale"]

_SHOWN = 20


@dataclass(frozen=True)
class _Manner:
    """How pictures are upscaled.

    Attributes:
        tile: See `iqa_sr.inference.tiling.upscale`.
        overlap: Likewise.
        half: Likewise.
        depth: `8` or `16` bits of the results; `auto` for the source's, where the format has them.
        overwrite: Whether results that are there are made again.
    """

    tile: Tile
    overlap: int
    half: bool
    depth: str
    overwrite: bool = False


@dataclass
class _Outcome:
    """What became of the pictures.

    Attributes:
        written: How many results were written.
        kept: How many were there already.
        failed: Why there is none, by the picture's path.
    """

    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def run_upscale(chosen: argparse.Namespace) -> int:
    """Upscale what the command line names; see `iqa_sr.cli.upscale`.

    Returns:
        0, or 1 if some pictures could not be upscaled; the others are.

    Raises:
        FileNotFoundError: If there is no picture, or a file is missing.
        ValueError: If an argument cannot be used, or it is not known what network the checkpoint holds.
        OSError: If a result cannot be written.
    """
    device = read_device(chosen.device, chosen.half)
    tile = read_tile(chosen.tile, chosen.overlap)
    manner = _Manner(tile, chosen.overlap, chosen.half, chosen.depth, chosen.overwrite)
    jobs = find_jobs(chosen.paths, chosen.output, chosen.suffix, chosen.format)
    unfit = {job.target.suffix for job in jobs if not FORMATS[job.target.suffix.lower()].deep}
    if unfit and manner.depth == "16":
        raise ValueError(
            f"--depth: expected 8 or auto for {', '.join(sorted(unfit))} files, got 16; PNG and TIFF hold 16 bits"
        )
    missing = [job for job in jobs if manner.overwrite or not job.target.exists()]
    outcome = _Outcome(kept=len(jobs) - len(missing))
    if missing:
        loaded = load_network(
            chosen.checkpoint,
            options=chosen.opt,
            adapters=chosen.adapter,
            strengths=chosen.strength,
            param_key=chosen.param_key,
            device=device,
        )
        check_tile(manner.tile, manner.overlap, loaded.multiple_of, loaded.minimum)
        print(_description(loaded, chosen))
        _upscale_all(missing, loaded, manner, outcome)
    _report(outcome, chosen.output)
    return 1 if outcome.failed else 0


# --- Arguments --------------------------------------------------------------------------------------------------------


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _upscale_all(jobs: Sequence[UpscaleJob], loaded: LoadedNetwork, manner: _Manner, outcome: _Outcome) -> None:
    """Upscale and write every picture that is still missing when its turn comes; fills `outcome`."""
    # tqdm's None: a bar on a terminal only
    for job in tqdm(jobs, desc="upscale", unit="picture", disable=None if len(jobs) > 1 else True):
        if job.target.exists() and not manner.overwrite:  # a run beside this one has made it
            outcome.kept += 1
            continue
        try:
            result = _upscaled(job, loaded, manner)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            outcome.failed[str(job.source)] = _reason(error, loaded.architecture)
        else:
            write_image(job.target, result)
            outcome.written += 1


def _reason(error: Exception, architecture: str) -> str:
    """Why a picture could not be upscaled, in one line."""
    if is_out_of_memory(error):
        return "memory does not suffice, not even for the smallest tiles"
    first = (str(error).splitlines() or [type(error).__name__])[0]
    # Of networks that are not known well: sizes of pictures that they do not take.
    return f"{architecture} does not take it: {first}" if isinstance(error, RuntimeError) else first


def _upscaled(job: UpscaleJob, loaded: LoadedNetwork, manner: _Manner) -> np.ndarray:
    """`(H, W, 3)`, or with alpha `(H, W, 4)`, uint8 or uint16, as the file is to hold it."""
    picture, alpha = read_with_alpha(job.source)
    suffix = job.target.suffix.lower()
    kind, side = FORMATS[suffix], max(picture.shape[:2]) * loaded.scale
    if side > kind.largest_side:
        raise ValueError(
            f"{job.source}: the result has a side of {side} px, {suffix} files hold {kind.largest_side}: --format tif"
        )
    if alpha is not None and not kind.alpha:
        if alpha.min() < np.iinfo(alpha.dtype).max:
            raise ValueError(f"{job.source}: has transparent pixels, which {suffix} files cannot hold: --format png")
        alpha = None
    deep = manner.depth == "16" or (manner.depth == "auto" and picture.dtype == np.uint16 and kind.deep)
    result = _enlarged(loaded.network, picture, deep, manner, **loaded.sizes)
    if alpha is None:
        return result
    # Bicubic: a mask has no texture that a network could restore, and hard edges on which it would.
    bicubic = BicubicUpscaler(loaded.scale)
    mask = _enlarged(bicubic, alpha, deep, _Manner(512, 8, False, manner.depth), scale=loaded.scale)
    return np.concatenate([result, mask], axis=2)


def _enlarged(network: nn.Module, picture: np.ndarray, deep: bool, manner: _Manner, **sizes: int) -> np.ndarray:
    levels = upscale(
        network,
        to_tensor(picture)[None],
        tile=manner.tile,
        overlap=manner.overlap,
        half=manner.half,
        dtype=torch.uint16 if deep else torch.uint8,
        progress=True,
        **sizes,
    )
    return to_array(levels[0])


# --- What is printed --------------------------------------------------------------------------------------------------


def _description(loaded: LoadedNetwork, chosen: argparse.Namespace) -> str:
    """What is known of the network, and what was assumed."""
    weights = f"{loaded.param_key} of {chosen.checkpoint}" if loaded.param_key else chosen.checkpoint
    if chosen.adapter:
        strengths = chosen.strength or [1.0] * len(chosen.adapter)
        mixed = [f"{folder} at {strength:g}" for folder, strength in zip(chosen.adapter, strengths, strict=True)]
        weights += f" with {', '.join(mixed)}"
    text = (
        f"{loaded.architecture} x{loaded.scale}, as {loaded.source} says: {loaded.parameters:,} parameters, "
        f"{weights} (sha256 of the weights: {loaded.digest})"
    )
    if loaded.assumed:
        text += f"\nassumed: {', '.join(loaded.assumed)}; if it was trained otherwise, give its option file: -opt"
    return text


def _report(outcome: _Outcome, output: str) -> None:
    text = f"{outcome.written} picture{'' if outcome.written == 1 else 's'} written to {output}"
    if outcome.kept:
        text += f", {outcome.kept} already there (--overwrite makes them again)"
    if outcome.failed:
        text += f", {len(outcome.failed)} failed"
    print(text)
    for source, reason in list(outcome.failed.items())[:_SHOWN]:
        print(f"  not upscaled: {reason if source in reason else f'{source}: {reason}'}", file=sys.stderr)
    if len(outcome.failed) > _SHOWN:
        print(f"  ... and {len(outcome.failed) - _SHOWN} more", file=sys.stderr)
