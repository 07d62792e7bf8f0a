"""Every random generator of the process: set for a run or for one sample, taken down, put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["capture", "preserved", "restore", "seed_cpu", "set_random_seed"]


def set_random_seed(seed: int) -> None:
    """Seed Python, numpy and torch on every device, as BasicSR does at the start of a run.

    Args:
        seed: Number below 2**32, as numpy takes it.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_cpu(seed: int) -> None:
    """Seed Python, numpy and torch's CPU generator; leaves the generators of other devices alone."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


def capture() -> dict[str, Any]:
    """The state of all generators as plain numbers and tensors, which can be read back without running code."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": {"version": version, "words": list(words), "gauss": gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` took down; CUDA states only for as many devices as there are now."""
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"]), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state((numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"]))
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        for device, generator in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(generator.cpu(), device)


@contextmanager
def preserved() -> Iterator[None]:
    """Context that leaves the random generators as they were before."""
    state = capture()
    try:
        yield
    finally:
        restore(state)
