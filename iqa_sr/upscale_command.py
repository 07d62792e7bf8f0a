"""`iqa-sr upscale`: pictures made larger by the network in a checkpoint, and what is printed about it."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from iqa_sr.checkpoint import LoadedNetwork, load_network
from iqa_sr.image_io import read_with_alpha, to_array, to_tensor, write_image
from iqa_sr.inference import Tile, upscale
from iqa_sr.resize import BicubicUpscaler
from iqa_sr.tile_size import is_out_of_memory
from iqa_sr.upscale_paths import UpscaleJob, find_jobs

__all__ = ["read_device", "read_tile", "run_upscale"]

_DEEP = (".png", ".tif", ".tiff")
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")
_SHOWN = 20


@dataclass(frozen=True)
class _Manner:
    """How pictures are upscaled.

    Attributes:
        tile: See `iqa_sr.inference.upscale`.
        overlap: Likewise.
        half: Likewise.
        depth: `8` or `16` bits of the results; `auto` for the source's, where the format has them.
    """

    tile: Tile
    overlap: int
    half: bool
    depth: str


def run_upscale(chosen: argparse.Namespace) -> int:
    """Upscale what the command line names; see `iqa_sr.upscale_arguments`.

    Returns:
        0, or 1 if some pictures could not be upscaled; the others are.

    Raises:
        FileNotFoundError: If there is no picture, or a file is missing.
        ValueError: If an argument cannot be used, or it is not known what network the checkpoint holds.
        OSError: If a result cannot be written.
    """
    device = read_device(chosen.device, chosen.half)
    manner = _Manner(read_tile(chosen.tile, chosen.overlap), chosen.overlap, chosen.half, chosen.depth)
    jobs = find_jobs(chosen.paths, chosen.output, chosen.suffix, chosen.format)
    unfit = next((job.target for job in jobs if manner.depth == "16" and job.target.suffix.lower() not in _DEEP), None)
    if unfit is not None:
        raise ValueError(f"--depth: expected 8 or auto for {unfit.suffix} files, got 16; PNG and TIFF hold 16 bits")
    missing = [job for job in jobs if chosen.overwrite or not job.target.exists()]
    failed: dict[str, str] = {}
    if missing:
        loaded = load_network(
            chosen.checkpoint,
            options=chosen.opt,
            adapters=chosen.adapter,
            strengths=chosen.strength,
            param_key=chosen.param_key,
            device=device,
        )
        print(_description(loaded, chosen))
        failed = _upscale_all(missing, loaded, manner)
    _report(len(missing) - len(failed), len(jobs) - len(missing), failed, chosen.output)
    return 1 if failed else 0


# --- Arguments --------------------------------------------------------------------------------------------------------


def read_device(name: str | None, half: bool) -> torch.device:
    """What `--device` and `--half` ask for; CUDA where there is one and nothing is asked for.

    Raises:
        ValueError: If there is no such device, or it cannot compute in half precision.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ValueError(f"--device: expected cpu, cuda or cuda:N, got {name}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device: {device} asked for, {torch.cuda.device_count()} CUDA devices found")
    if half and device.type != "cuda":
        raise ValueError(f"--half: expected a CUDA device, got {device}; leave --half out")
    return device


def read_tile(text: str, overlap: int) -> Tile:
    """What `--tile` and `--overlap` ask for.

    Raises:
        ValueError: If a number is too small.
    """
    if overlap < 0:
        raise ValueError(f"--overlap: expected at least 0 px, got {overlap}")
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    smallest = max(1, 2 * overlap)
    if not text.isdecimal() or int(text) < smallest:
        raise ValueError(
            f"--tile: expected auto, none or at least {smallest} px (twice --overlap {overlap}), got {text}"
        )
    return int(text)


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _upscale_all(jobs: Sequence[UpscaleJob], loaded: LoadedNetwork, manner: _Manner) -> dict[str, str]:
    """Upscale and write every picture; why it failed, for each that did."""
    failed = {}
    # tqdm's None: a bar on a terminal only
    for job in tqdm(jobs, desc="upscale", unit="picture", disable=None if len(jobs) > 1 else True):
        try:
            result = _upscaled(job, loaded, manner)
        except (ValueError, OSError) as error:
            failed[str(job.source)] = str(error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failed[str(job.source)] = "memory does not suffice, not even for the smallest tiles"
        else:
            write_image(job.target, result)
    return failed


def _upscaled(job: UpscaleJob, loaded: LoadedNetwork, manner: _Manner) -> np.ndarray:
    """`(H, W, 3)`, or with alpha `(H, W, 4)`, uint8 or uint16, as the file is to hold it."""
    picture, alpha = read_with_alpha(job.source)
    suffix = job.target.suffix.lower()
    if alpha is not None and suffix in _WITHOUT_ALPHA:
        if alpha.min() < np.iinfo(alpha.dtype).max:
            raise ValueError(f"{job.source}: has transparent pixels, which {suffix} files cannot hold: --format png")
        alpha = None
    deep = manner.depth == "16" or (manner.depth == "auto" and picture.dtype == np.uint16 and suffix in _DEEP)
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
    key = f"{loaded.param_key} of " if loaded.param_key else ""
    strengths = chosen.strength or [1.0] * len(chosen.adapter)
    mixed = [f"{folder} at {strength:g}" for folder, strength in zip(chosen.adapter, strengths, strict=True)]
    lines = [
        f"{loaded.architecture} x{loaded.scale}, as {loaded.source} says: {loaded.parameters:,} parameters, "
        f"{' with '.join([key + chosen.checkpoint, *[', '.join(mixed)] * bool(mixed)])} (sha256 {loaded.digest})"
    ]
    if loaded.assumed:
        lines.append(f"assumed: {', '.join(loaded.assumed)}; if it was trained otherwise, give its option file: -opt")
    return "\n".join(lines)


def _report(written: int, kept: int, failed: dict[str, str], output: str) -> None:
    parts = [f"{written} picture{'s' * (written != 1)} written to {output}"]
    parts += [f"{kept} already there (--overwrite makes them again)"] * bool(kept)
    parts += [f"{len(failed)} failed"] * bool(failed)
    print(", ".join(parts))
    for source, reason in list(failed.items())[:_SHOWN]:
        text = reason.splitlines()[0] if reason else "unknown reason"
        print(f"  not upscaled: {text if source in text else f'{source}: {text}'}", file=sys.stderr)
    if len(failed) > _SHOWN:
        print(f"  ... and {len(failed) - _SHOWN} more", file=sys.stderr)
