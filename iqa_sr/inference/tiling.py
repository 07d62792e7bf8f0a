"""Upscales images of any size: in tiles that overlap and are blended, the result put together on the CPU."""

import logging
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from iqa_sr.inference.tile_size import expect_more, is_out_of_memory, largest_tile
from iqa_sr.io.image_tensors import to_levels

__all__ = ["OVERLAP", "NonFiniteResult", "Tile", "check_tile", "upscale"]

Tile = int | Literal["auto"] | None
"""Side of a tile in pixels of the LQ; `auto`: see `iqa_sr.inference.tile_size`; None: the image as a whole."""

OVERLAP = 32
"""Pixels of the LQ that two neighboring tiles share."""

_SMALLEST = 32
logger = logging.getLogger(__name__)


class NonFiniteResult(ValueError):
    """A network gives values that are not finite."""


def upscale(
    network: nn.Module,
    lq: Tensor,
    *,
    scale: int,
    tile: Tile = "auto",
    overlap: int = OVERLAP,
    multiple_of: int = 1,
    minimum: int = 1,
    half: bool = False,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
) -> Tensor:
    """Upscale images, in as little memory as tiles allow.

    Neighboring tiles share `overlap` pixels: of these, the outer quarters on both sides are dropped, and over the
    middle half one tile fades into the other. A network that looks no further than `overlap / 4` pixels around gives in
    tiles what it gives untiled, up to rounding. One that looks further (attention in shifted windows, many dense
    blocks) differs a little along the seams, the less the larger the tiles and the overlap; one that averages over all
    that it sees (RCAN's channel attention) differs everywhere. Tiles begin at multiples of `multiple_of`, so that
    windows lie in every tile as they lie in the whole image.

    Args:
        network: Network from `(N, C, h, w)` to `(N, C, h * scale, w * scale)`, in evaluation mode, on any device. Of
            what `iqa_sr.checkpoint.loading.load_network` gives: `upscale(loaded.network, lq, **loaded.sizes)`.
        lq: LQ images `(N, C, h, w)`, float32, normally RGB in [0, 1], any size from 1x1. Images that the network cannot
            take as they are get a mirrored margin to the right and at the bottom, which is cut off again.
        scale: Upscaling factor of the network.
        tile: Side of the tiles, see `Tile`; numbers are rounded down to what the network takes. With `auto` a network
            that looks far can give another result on another machine: name a number where results are to be repeated.
        overlap: Overlap of the tiles in LQ pixels, at most half of the tile; rounded up to a multiple of `multiple_of`.
        multiple_of: Number of which both sides of the network's input are multiples.
        minimum: Smallest side of the network's input in pixels.
        half: Whether to compute in half precision (autocast to float16), for CUDA. Images for which its range does not
            suffice, so that results are not finite, are computed once more in full precision.
        dtype: Type of the result: `torch.float32`, or `torch.uint8` or `torch.uint16` for the levels that an image file
            holds (clamped, rounded), in a quarter or half of the memory.
        progress: Whether a bar of the tiles is shown on a terminal, where there are several.

    Returns:
        `(N, C, h * scale, w * scale)` on the CPU; float32 is neither clamped nor rounded.

    Raises:
        ValueError: If an argument is out of range, or the network makes another size.
        NonFiniteResult: If the network gives values that are not finite; a ValueError.
        torch.OutOfMemoryError: If memory does not suffice for the smallest tile; before that, tiles are halved. On the
            CPU it is a MemoryError or RuntimeError: see `iqa_sr.runtime.memory.is_out_of_memory`.
    """
    if lq.ndim != 4 or lq.dtype != torch.float32 or not lq.numel():
        raise ValueError(f"upscale: expected float32 (N, C, h, w), got {lq.dtype} {tuple(lq.shape)}")
    check_tile(tile, overlap, multiple_of, minimum)
    padded = _padded(lq, multiple_of, minimum)
    smallest = _up(minimum, multiple_of)
    if tile is None:
        side = max(padded.shape[-2:])
    elif tile == "auto":
        needed = max(smallest, 2 * _up(overlap, multiple_of))
        side = largest_tile(network, padded, scale, multiple_of, needed)
    else:
        side = tile // multiple_of * multiple_of
    while True:
        shared = min(_up(overlap, multiple_of), side // 2 // multiple_of * multiple_of)
        plan = _Plan(side, shared, multiple_of, scale, half)
        try:
            return _assembled(network, lq, padded, plan, dtype, progress)
        except _BeyondHalf:
            half = False
            logger.warning("Half precision does not suffice for an image: it is computed in full precision.")
            continue
        except (RuntimeError, MemoryError) as error:
            smaller = min(side, max(padded.shape[-2:])) // 2 // multiple_of * multiple_of
            if not is_out_of_memory(error) or smaller < max(smallest, _SMALLEST):
                raise
            side = smaller
        expect_more(network)  # so that the next image does not run into it again
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        logger.warning("Out of memory: going on with tiles of %d px.", side)


def check_tile(tile: Tile, overlap: int, multiple_of: int = 1, minimum: int = 1) -> None:
    """Check whether a network can be used with such tiles; the arguments are those of `upscale`.

    Raises:
        ValueError: If the tile is too small for the network or the overlap, or the overlap is negative.
    """
    if overlap < 0:
        raise ValueError(f"overlap: expected at least 0 pixels, got {overlap}")
    needed = max(2 * _up(overlap, multiple_of), _up(minimum, multiple_of))
    if isinstance(tile, int) and tile < needed:
        raise ValueError(
            f"tile: expected at least {needed} px (overlap {overlap}, multiples of {multiple_of}), got {tile}"
        )


class _BeyondHalf(ArithmeticError):
    """A result in half precision is not finite."""


class _Plan(NamedTuple):
    """Tiling of an image: lengths in pixels of the LQ."""

    tile: int
    overlap: int
    multiple: int
    scale: int
    half: bool


class _Cut(NamedTuple):
    """One tile along an axis: where it lies in the LQ, and its share in each pixel of the result."""

    start: int
    stop: int
    share: Tensor


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _padded(lq: Tensor, multiple: int, minimum: int) -> Tensor:
    """The image with a mirrored margin to the right and at the bottom, of any width."""
    for axis in (2, 3):
        length = lq.shape[axis]
        wanted = _up(max(length, minimum), multiple)
        if wanted > length:
            index = torch.arange(wanted, device=lq.device).remainder(max(1, 2 * length - 2))
            lq = lq.index_select(axis, torch.minimum(index, 2 * length - 2 - index))
    return lq


# --- Tiles ------------------------------------------------------------------------------------------------------------


def _cuts(length: int, plan: _Plan) -> list[_Cut]:
    """Tiles of one size along an axis, evenly spread; their shares add up to 1 in every pixel."""
    size = min(plan.tile, length)
    count = 1 if size == length else -(-(length - plan.overlap) // (size - plan.overlap))
    spread = [number * (length - size) // max(1, count - 1) for number in range(count)]
    starts = [start // plan.multiple * plan.multiple for start in spread]
    shared = [(right, left + size) for left, right in pairwise(starts)]
    cuts = []
    for number, start in enumerate(starts):
        positions = (torch.arange(start * plan.scale, (start + size) * plan.scale) + 0.5) / plan.scale
        share = _fade(positions, *shared[number - 1]) if number else torch.ones(len(positions))
        if number < len(shared):
            share = share - _fade(positions, *shared[number])
        cuts.append(_Cut(start, start + size, share))
    return cuts


def _fade(positions: Tensor, start: int, stop: int) -> Tensor:
    """0 before and 1 behind what two tiles share, and a ramp over the middle half of it."""
    shared = stop - start
    return ((positions - start - shared / 4) / max(shared / 2, 1e-6)).clamp(0, 1)


def _assembled(
    network: nn.Module, lq: Tensor, padded: Tensor, plan: _Plan, dtype: torch.dtype, progress: bool
) -> Tensor:
    """The result from top to bottom: bands of tiles, blended from left to right and with the band above."""
    height, width = (side * plan.scale for side in lq.shape[-2:])
    result = torch.empty((*lq.shape[:2], height, width), dtype=dtype)
    rows, columns = (_cuts(length, plan) for length in padded.shape[-2:])
    open_rows = padded.new_zeros((*padded.shape[:2], 0, padded.shape[-1] * plan.scale), device="cpu")
    hidden = None if progress and len(rows) * len(columns) > 1 else True  # tqdm's None: on a terminal only
    with tqdm(total=len(rows) * len(columns), desc="tiles", leave=False, disable=hidden) as bar:
        for number, row in enumerate(rows):
            band = torch.zeros((*padded.shape[:2], len(row.share), open_rows.shape[-1]))
            for column in columns:
                tile = padded[..., row.start : row.stop, column.start : column.stop]
                inside = slice(column.start * plan.scale, column.stop * plan.scale)
                band[..., inside] += _network_output(network, tile, plan) * column.share
                bar.update()
            band *= row.share[:, None]
            band[..., : open_rows.shape[-2], :] += open_rows
            following = rows[number + 1].start if number + 1 < len(rows) else row.stop
            ready = (following - row.start) * plan.scale
            top = row.start * plan.scale
            strip = band[..., : min(ready, max(0, height - top)), :width]
            result[..., top : top + strip.shape[-2], :] = strip if dtype == torch.float32 else to_levels(strip, dtype)
            open_rows = band[..., ready:, :]
    return result


def _network_output(network: nn.Module, lq: Tensor, plan: _Plan) -> Tensor:
    """`(N, C, h, w)` to `(N, C, h * scale, w * scale)`, float32, on the CPU."""
    device = next(iter(network.parameters()), lq).device
    lq = lq.to(device)
    with torch.no_grad():
        with torch.autocast(device.type, torch.float16, enabled=plan.half):
            result = network(lq)
        if not result.isfinite().all():
            if plan.half:
                raise _BeyondHalf
            raise NonFiniteResult("the network gives values that are not finite; was it saved by a run that diverged?")
    expected = (*lq.shape[:2], lq.shape[2] * plan.scale, lq.shape[3] * plan.scale)
    if result.shape != expected:
        raise ValueError(f"the network makes {tuple(result.shape)} of {tuple(lq.shape)}, expected {expected}")
    return result.float().cpu()
