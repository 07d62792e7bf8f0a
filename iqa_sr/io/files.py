"""Files as a whole: the one way in which they are written, whole or not at all, and their SHA-256."""

import hashlib
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["atomic_write", "check_inside", "compute_hash"]


def check_inside(name: str, what: str) -> str:
    """A name below a folder, as it is; slashes may part it.

    Args:
        name: What a list, a table or a database calls an image or a folder.
        what: What it names and where it stands, for the error.

    Raises:
        ValueError: If a path made of it would lie elsewhere: it is absolute, has `..`, or no name at all.
    """
    parts = re.split(r"[/\\]", name)
    if not name or "\0" in name or ".." in parts or "." in parts or not parts[0] or re.match(r"^[A-Za-z]:", name):
        raise ValueError(f"{what}: expected a name below its folder, without `..`, got {name!r}")
    return name


def atomic_write(path: str | Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file under a temporary name beside it, sync it to the device, then rename it.

    Whoever opens `path`, also after a crash or a power cut, finds the old file or the whole new one. If anything
    fails, the old file is untouched and the temporary one is removed. Temporary names are drawn at random: threads,
    processes and machines may write the same path at once, and the last one wins. The file gets the permissions of
    any new file (the umask's), whatever those of an old one were.

    Args:
        path: The file; its folder exists.
        content: Text (written as UTF-8, line ends as they are) or bytes, or what writes the file that it is given:
            `.<name>.<random>.tmp` in the same folder.

    Raises:
        OSError: If the folder cannot be written to or the device is full.
        What `content` raises.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:32]}.{uuid.uuid4().hex}.tmp")  # of a long name, too, a valid one
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        with temporary.open("r+b") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def compute_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; reads all of it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
