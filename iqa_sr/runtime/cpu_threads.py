"""How OpenMP's threads wait on a CPU run; to be set before torch is imported."""

import os
from pathlib import Path

__all__ = ["prepare_cpu_threads"]


def prepare_cpu_threads() -> None:
    """Let waiting OpenMP threads sleep soon where there is no GPU, unless the user has set how they wait.

    Threads that spin for long make a run several times slower as soon as another process keeps a core busy. Those that
    sleep at once cost a small network a fifth of its speed on an idle machine; a short spin costs neither much.
    """
    has_gpu = any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))
    if not has_gpu or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
