"""One run for each folder: a lock that the kernel takes back when its process ends, however it ends."""

import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from iqa_sr.errors import TrainingStopped

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

logger = logging.getLogger(__name__)

# What file systems without locks answer.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Context in which no other process locks this folder, on any machine that shares its file system.

    The lock is a file beside the folder, `.<name>.lock`: the folder may be moved, and need not be there. After a crash
    the file stays, and locks nothing.

    Args:
        folder: Folder to lock, however it is spelled; links are followed.
        command: Command that this process runs there, for the error of another one.

    Raises:
        TrainingStopped: If another process has locked it; says which.
        OSError: If the folder above it cannot be written to.
    """
    if fcntl is None:
        logger.warning(f"This system has no locks: two runs in {folder} would not be noticed.")
        yield
        return
    folder = folder.resolve()
    file = folder.parent / f".{folder.name}.lock"
    missing = [parent for parent in file.parents if not parent.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = _open_locked(file, folder)
    try:
        text = (
            f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}: {command}\n"
        )
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(errors="surrogateescape"), 0)
        yield
    finally:
        file.unlink(missing_ok=True)  # before it is unlocked: afterwards it may be another's
        os.close(handle)
        with suppress(OSError):  # a run that is refused later leaves no empty folders
            for parent in missing:
                parent.rmdir()


def _open_locked(file: Path, folder: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(handle, file):
                return handle
        except BlockingIOError:
            owner = os.pread(handle, 4096, 0).decode(errors="replace").strip() or "another process"
            if _is(handle, file):
                os.close(handle)
                raise TrainingStopped(
                    f"{folder} is in use by {owner}\n"
                    "Wait for it, end it, or give this run another name. "
                    f"If its machine is gone for good, delete {file}."
                ) from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                os.close(handle)
                raise
            logger.warning(f"The file system of {folder} has no locks: two runs in this folder would not be noticed.")
            return handle
        os.close(handle)  # the other one has ended in between, and taken the file along


def _is(handle: int, file: Path) -> bool:
    """Check whether an open file is still what lies under its name."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
