"""Size of the tiles that a network can compute in the memory that is free."""

import math
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from iqa_sr.runtime.memory import is_out_of_memory

__all__ = ["bytes_per_pixel", "expect_more", "free_memory", "is_out_of_memory", "largest_tile"]

LARGEST = 512
"""Sides in pixels of the LQ beyond which tiles save nothing more."""
_PROBE = 48
_HEADROOM = 4.0
_SHARE = 0.5
_UNKNOWN = 4 * 2**30
_LARGEST_LAYER = 2**33  # bytes of 2**31 float32 numbers: kernels of CUDA and cuDNN count them with 32 bits
_measured: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def largest_tile(network: nn.Module, lq: Tensor, scale: int, multiple_of: int = 1, minimum: int = 1) -> int:
    """The side in pixels of the largest tile that half of the free memory is likely to suffice for.

    However much memory there is, no layer takes in and gives out more numbers than 32 bits can count.

    Args:
        network: Super-resolution network, on the device where it computes.
        lq: `(N, C, h, w)` as the network takes it; only its size counts.
        scale: The network's factor.
        multiple_of: Divisor of the side, in pixels of the LQ.
        minimum: Smallest side in pixels of the LQ.

    Returns:
        The longer side of the image where all of it is likely to fit; else at most `LARGEST`.
    """
    count, _, height, width = lq.shape
    if height * width <= _PROBE**2:
        return max(height, width)
    needed = bytes_per_pixel(network, lq, multiple_of, minimum) * count
    device = next(iter(network.parameters()), lq).device
    free = free_memory(device)
    if device.type == "cpu":  # where the result has its place, too
        free -= lq.numel() * scale**2 * lq.element_size()
    pixels = min(max(free, 0) * _SHARE, _HEADROOM * _LARGEST_LAYER) / needed
    if height * width <= pixels:
        return max(height, width)
    side = min(math.isqrt(int(pixels)), LARGEST)
    return max(side // multiple_of, -(-minimum // multiple_of)) * multiple_of


def bytes_per_pixel(network: nn.Module, lq: Tensor, multiple_of: int = 1, minimum: int = 1) -> float:
    """Memory in bytes that a network needs for each pixel of the LQ: an estimate, measured once per network.

    A small image goes through it. The most that a single layer takes in and gives out, four times: what is kept
    beside it for sums and concatenations, and what a library needs for itself, is not seen. Networks whose need grows
    faster than the number of pixels (attention over the whole image) need more.

    Args:
        network: Super-resolution network, on the device where it computes.
        lq: `(N, C, h, w)` as the network takes it; only its size and channels count.
        multiple_of: Divisor of the sides of what the network takes.
        minimum: Smallest side in pixels of the LQ.
    """
    if network not in _measured:
        side = max(-(-_PROBE // multiple_of), -(-minimum // multiple_of)) * multiple_of
        device = next(iter(network.parameters()), lq).device
        image = torch.zeros((1, lq.shape[1], side, side), device=device)
        seen = 0

        def measure(_: nn.Module, given: Any, made: Any) -> None:
            nonlocal seen
            tensors = (one for one in (*given, made) if isinstance(one, Tensor))
            seen = max(seen, sum(one.numel() * one.element_size() for one in tensors))

        layers = [layer for layer in network.modules() if not list(layer.children())]
        handles = [layer.register_forward_hook(measure) for layer in layers]
        try:
            with torch.no_grad():
                measure(network, (image,), network(image))
        finally:
            for handle in handles:
                handle.remove()
        _measured[network] = _HEADROOM * seen / side**2
    return _measured[network]


def expect_more(network: nn.Module) -> None:
    """Remember that memory ran out: from now on a network is expected to need four times as much as before."""
    if network in _measured:
        _measured[network] *= 4


# --- Memory -----------------------------------------------------------------------------------------------------------


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on a device; a cautious 4 GiB where nothing tells."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    if device.type != "cpu":
        return _UNKNOWN
    kilobytes = _entry("/proc/meminfo", "MemAvailable:")
    limits = [None if kilobytes is None else kilobytes * 1024, _left_in_group()]
    return min((limit for limit in limits if limit is not None), default=_UNKNOWN)


def _left_in_group() -> int | None:
    """Memory that the limit of a container leaves. Cached files that were not read lately make room where it is needed.

    Files that were read lately count as used, which errs on the safe side.
    """
    for folder, limit, used, cached in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        numbers = [_text(f"{folder}/{name}").strip() for name in (limit, used)]
        if all(number.isdigit() for number in numbers):
            kept = int(numbers[1]) - (_entry(f"{folder}/memory.stat", cached) or 0)
            return max(0, int(numbers[0]) - max(0, kept))
    return None


def _entry(path: str, name: str) -> int | None:
    """The number behind a name in a table of the kernel."""
    rows = (line.split() for line in _text(path).splitlines())
    return next((int(row[1]) for row in rows if row[:1] == [name]), None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
