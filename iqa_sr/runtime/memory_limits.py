"""Memory that is free on this machine, or in the container that this process runs in."""

from pathlib import Path

__all__ = ["LITTLE_MEMORY", "available_memory"]

LITTLE_MEMORY = 2 * 2**30
"""Bytes: a process that trains a small network takes about 1.5 GiB, most of it torch's code."""

_MEMINFO = Path("/proc/meminfo")
_GROUPS = (  # limit and use of a container: control groups of version 2, of version 1
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def available_memory() -> int | None:
    """Free memory in bytes, what caches would give back included; None on systems other than Linux."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    for limit, used in _GROUPS:
        try:
            free = min(free, max(0, int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii"))))
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
    return free
