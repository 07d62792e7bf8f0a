"""How OpenMP's threads wait on a CPU run; to be set before torch is imported."""

import os
from pathlib import Path

__all__ = ["prepare_cpu_threads"]


def prepare_cpu_threads() -> None:
    """Let waiting OpenMP threads sleep where there is no GPU, unless the user has set how they wait.

    Spinning threads make a run about five times slower as soon as another process keeps a core busy; sleeping ones
    cost a few percent when the machine is idle.
    """
    has_gpu = any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))
    if not has_gpu or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
