"""A device that is full, as far as the operating system's errors tell."""

import resource
import signal
from contextlib import contextmanager


@contextmanager
def full_device(size):
    """No file may become larger than `size` bytes: the operating system's error is of the kind of a full device's."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
