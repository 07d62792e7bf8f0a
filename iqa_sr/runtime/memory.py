"""Memory that does not suffice: how it is recognized, on whatever device."""

import torch

__all__ = ["is_out_of_memory"]

_TEXTS = (
    "out of memory",
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same on Windows
    "ALLOC_FAILED",  # cuDNN and cuBLAS
    "bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)
