"""Files as a whole: the one way in which they are read and written, whole or not at all, and their SHA-256."""

import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from iqa_sr.io.file_kinds import describe_content

__all__ = [
    "atomic_write",
    "check_file",
    "check_inside",
    "compute_hash",
    "read_file",
    "read_text",
    "remove_temporaries",
    "temporary_name",
]

_LARGEST_TEXT = 2**31
"""In bytes: what is larger is no table and no list that anybody wrote."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_inside(name: str, what: str) -> str:
    """A name below a folder, as it is; slashes may part it.

    Args:
        name: Name of an image or a folder in a list, a table or a database.
        what: Description of the name and of where it stands, for the error.

    Raises:
        ValueError: If a path made of it would lie elsewhere: it is absolute, has `..`, or no name at all.
    """
    parts = re.split(r"[/\\]", name)
    if not name or "\0" in name or ".." in parts or "." in parts or not parts[0] or re.match(r"^[A-Za-z]:", name):
        raise ValueError(f"{what}: expected a name below its folder, without `..`, got {name!r}")
    return name


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def check_file(path: str | Path, what: str = "file") -> None:
    """Check that there is an ordinary file: a pipe or a device would block, or never end.

    Args:
        path: Path of the file; links are followed.
        what: Kind of the file in error messages, for example `checkpoint`.

    Raises:
        FileNotFoundError: If there is nothing of this name.
        ValueError: If it is a folder, a pipe, a device or a socket, or no path.
        OSError: If the file system refuses to tell.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        broken = " (a link that leads nowhere)" if os.path.islink(path) else ""
        raise FileNotFoundError(f"{what} {path} does not exist{broken}") from None
    except NotADirectoryError:
        raise FileNotFoundError(f"{what} {path} does not exist: a part of the path is a file") from None
    except ValueError:  # a zero byte
        raise ValueError(f"expected the path of {_with_article(what)}, got {str(path)!r}") from None
    kind = next((text for test, text in _KINDS if test(mode)), None)
    if kind:
        raise ValueError(f"{path}: expected {_with_article(what)}, but this is {kind}")


def read_file(path: str | Path, what: str = "file") -> bytes:
    """The whole content of an ordinary file; raises as `check_file`."""
    check_file(path, what)
    return Path(path).read_bytes()


def read_text(path: str | Path, what: str = "file", errors: str = "strict") -> str:
    """The text in a file, which is UTF-8, with or without a byte order mark; line ends stay as they are.

    Args:
        path: Path of the file.
        what: Kind of the file in error messages, for example `checkpoint`.
        errors: Treatment of bytes that are not UTF-8, as of `bytes.decode`.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: As `check_file`; or if it is no text, or too large for any.
        OSError: If it cannot be read.
    """
    check_file(path, what)
    if os.path.getsize(path) > _LARGEST_TEXT:
        raise ValueError(f"{path}: too large for {_with_article(what)} ({os.path.getsize(path) / 2**30:.1f} GiB)")
    content = Path(path).read_bytes()
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        kind = describe_content(content)
        got = (
            f"it is {kind}"
            if kind and not kind.startswith("text that")
            else f"it has the byte {content[error.start]:#04x} at position {error.start}"
        )
        raise ValueError(f"{path}: not a text file; expected {_with_article(what)} in UTF-8, but {got}") from None


_TEMPORARY = re.compile(r"\..{1,32}\.[0-9a-f]{32}\.tmp", re.DOTALL)


def atomic_write(path: str | Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file under a temporary name beside it, sync it to the device, then rename it.

    Whoever opens `path`, also after a crash or a power cut, finds the old file or the whole new one. If anything
    fails, the old file is untouched and the temporary one is removed. Temporary names are drawn at random: threads,
    processes and machines may write the same path at once, and the last one wins. The file gets the permissions of
    any new file (the umask's), whatever those of an old one were.

    Args:
        path: The file; its folder exists.
        content: Text (written as UTF-8, line ends as they are; what names of files that are not UTF-8 have in its place
            becomes their own bytes again) or bytes, or what writes the file that it is given: `.<name>.<random>.tmp`
            in the same folder.

    Raises:
        OSError: If the folder cannot be written to or the device is full.
        What `content` raises.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        with temporary.open("r+b") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A new name beside a file or folder for what will take its place; `remove_temporaries` knows it."""
    return path.with_name(f".{path.name[:32]}.{uuid.uuid4().hex}.tmp")  # of a long name, too, a valid one


def remove_temporaries(folder: Path) -> int:
    """Remove what killed processes have left below a folder that nobody else is writing to; returns how much it was."""
    removed = 0
    for where, folders, files in os.walk(folder):
        for name in [name for name in [*files, *folders] if _TEMPORARY.fullmatch(name)]:
            path = Path(where, name)
            if name in folders:
                folders.remove(name)
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):  # of another user: it does no harm
                    path.unlink()
            removed += not path.exists()
    return removed


def compute_hash(path: Path) -> str:
    """SHA-256 of an ordinary file, in hexadecimal digits; reads all of it, and raises as `check_file`."""
    check_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
