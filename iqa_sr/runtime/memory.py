"""Memory that does not suffice: how it is recognized, on whatever device, and work that may be given up for it."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["is_out_of_memory", "within_memory"]

Made = TypeVar("Made")

logger = logging.getLogger(__name__)

_TEXTS = (
    "out of memory",
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same on Windows
    "ALLOC_FAILED",  # cuDNN and cuBLAS
    "bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error says that memory does not suffice, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def within_memory(work: Callable[[], Made], what: str) -> Made | None:
    """Result of the work for a score; None, and a warning, where memory does not suffice for it.

    Args:
        work: Computes a result or a score.
        what: The image, and the metric, for the warning.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    logger.warning(f"{what}: memory does not suffice; there is no score, and the means are over the other images.")
    return None
