"""Memory that a part of a benchmark takes: on the GPU where there is one, else of the process."""

import ctypes
from pathlib import Path

import torch


def fresh_peak() -> float:
    """MiB in use now, from which the peak is counted anew (on the CPU by Linux's own high-water mark)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii", newline="")
    return peak()


def peak() -> float:
    """MiB at most in use since `fresh_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    line = next(
        line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 2**10
