"""Stores of images: ordinary folders, or LMDB folders as BasicSR makes them."""

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from iqa_sr.config.sections import Section
from iqa_sr.io.files import check_inside, read_file, read_text
from iqa_sr.io.image_types import is_image_name, left_out_types
from iqa_sr.io.images import inspect_image

__all__ = [
    "DiskFolder",
    "ImageFolder",
    "ImageStore",
    "IoBackend",
    "LmdbFolder",
    "check_whole_lmdb",
    "image_names",
    "list_images",
    "name_problem",
    "open_folder",
]

LMDB_SUFFIX = ".lmdb"

logger = logging.getLogger(__name__)

_COUNTED = 100_000


class IoBackend(Section):
    """The section `io_backend`: where images are read from."""

    type: Literal["disk", "lmdb"] = "disk"


def name_problem(key: str) -> str:
    """Reason not to score an image of this name; empty where it can: tables and lists have a line for each name."""
    return f"{key!r} has a line break in its name; rename it" if "\n" in key or "\r" in key else ""


def image_names(folder: str | Path, names: Sequence[str]) -> list[str]:
    """Names in a folder that are images which can be read here; the log says once what is left out."""
    text = left_out_types(names)
    if text:
        _say_once(f"{folder}: {text}")
    images = [name for name in names if is_image_name(name)]
    if images and (below := _images_below(folder, set(names).difference(images))):
        listed = ", ".join(list(below)[:3]) + (", ..." if len(below) > 3 else "")
        _say_once(
            f"{folder}: left out {sum(below.values())} images in sub-folders ({listed}); only those beside them are "
            "read, by a MultiGTDataset with recursive: true all of them"
        )
    return images


def _images_below(folder: str | Path, names: Iterable[str]) -> dict[str, int]:
    """Number of images in those of the names that are folders, at any depth; hidden folders are left out.

    After `_COUNTED` files it stops looking.
    """
    found: dict[str, int] = {}
    folders = {name: os.path.join(folder, name) for name in sorted(names) if not name.startswith(".")}
    walks = ((name, os.walk(parent)) for name, parent in folders.items() if os.path.isdir(parent))
    files = ((name, file) for name, walk in walks for _, _, inside in walk for file in inside)
    for name, file in islice(files, _COUNTED):
        if is_image_name(file):
            found[name] = found.get(name, 0) + 1
    return found


@cache
def _say_once(text: str) -> None:
    logger.warning("%s", text)


@dataclass(frozen=True)
class ImageFolder(ABC):
    """A flat collection of images under one name each.

    Attributes:
        path: The folder on disk.
    """

    path: Path

    @abstractmethod
    def keys(self, recursive: bool = False) -> list[str]:
        """The names of the images, sorted: file names on disk, names without suffix in an LMDB.

        Args:
            recursive: Whether those in sub-folders are meant, too: `a/b.png`. An LMDB has no sub-folders.
        """

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Bytes of the encoded image file under a key.

        Raises:
            FileNotFoundError: If there is no such image.
            ValueError: If it is a folder, a pipe or a device.
            OSError: If it cannot be read.
        """

    def inspect(self, key: str) -> tuple[int, int]:
        """`(height, width)` of an image; see `iqa_sr.io.images.inspect_image`."""
        return inspect_image(self.read(key), str(self.path / key))


class DiskFolder(ImageFolder):
    """Image files directly inside a folder."""

    def keys(self, recursive: bool = False) -> list[str]:
        """File names with a suffix of images that can be read here, sorted; hidden files are left out.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        if not self.path.is_dir():
            raise FileNotFoundError(f"folder {self.path} does not exist")
        # By entry names: a Path object per file costs half a second for 100,000 of them.
        if not recursive:
            return sorted(image_names(self.path, os.listdir(self.path)))
        found: list[str] = []
        seen: set[str] = set()  # links may lead in a circle
        for parent, folders, names in os.walk(self.path, followlinks=True):
            seen.add(os.path.realpath(parent))
            folders[:] = [
                one
                for one in folders
                if not one.startswith(".") and os.path.realpath(os.path.join(parent, one)) not in seen
            ]
            found += [Path(parent, name).relative_to(self.path).as_posix() for name in image_names(parent, names)]
        return sorted(found)

    def read(self, key: str) -> bytes:
        """The file's content; raises what `read_file` does."""
        return read_file(self.path / key, "image")

    def inspect(self, key: str) -> tuple[int, int]:
        """Reads the header alone where that is enough."""
        return inspect_image(self.path / key)


class LmdbFolder(ImageFolder):
    """An LMDB folder in BasicSR's format: encoded images, listed in `meta_info.txt`."""

    def keys(self, recursive: bool = False) -> list[str]:
        """The keys listed in `meta_info.txt`, whose lines read `NAME.png (H,W,C) LEVEL`; sorted.

        Raises:
            FileNotFoundError: If the folder or its list is missing.
            ValueError: If a key leads out of the folders that results are written to, or the list is no text.
        """
        listing = self.path / "meta_info.txt"
        if not listing.is_file():
            raise FileNotFoundError(f"{self.path}: expected an LMDB folder of BasicSR's format with meta_info.txt")
        lines = read_text(listing, "list of BasicSR's LMDB folders").splitlines()
        keys = (line[: line.rindex(" (") if " (" in line else None].rsplit(".", 1)[0] for line in lines if line)
        return sorted(check_inside(key, str(listing)) for key in keys)

    def read(self, key: str) -> bytes:
        """The encoded image under this key."""
        import lmdb

        try:
            with _environment(str(self.path)).begin() as transaction:
                content = transaction.get(key.encode())
        except lmdb.Error as error:
            raise OSError(f"{self.path}: cannot be read as LMDB ({error})") from error
        if content is None:
            raise FileNotFoundError(f"{self.path}: meta_info.txt lists {key}, but the database does not hold it")
        return bytes(content)


_open: dict[str, tuple[int, Any]] = {}
_opening = threading.Lock()


def _environment(path: str) -> Any:
    """The open database: one per file and process, because LMDB neither opens a file twice nor outlives a fork."""
    import lmdb

    path = os.path.realpath(path)
    with _opening:
        process, environment = _open.get(path, (0, None))
        if process != os.getpid():
            if environment is not None:
                environment.close()  # the parent's, inherited by a loader worker; the parent keeps its own
            environment = lmdb.open(path, readonly=True, lock=False, readahead=False, meminit=False, create=False)
            try:
                check_whole_lmdb(path, environment)
            except OSError:
                environment.close()
                raise
            _open[path] = (os.getpid(), environment)
        return environment


def check_whole_lmdb(path: str, environment: Any) -> None:
    """Check whether the file of an open database is as long as it says: reading beyond its end would kill the process.

    Raises:
        OSError: If it is shorter.
    """
    file = os.path.join(path, "data.mdb")
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = os.path.getsize(file)
    if size < needed:
        raise OSError(f"{file} is cut off: it has {size} bytes of {needed}; copy it again")


def open_folder(path: str | Path) -> ImageFolder:
    """The images at `path`: an LMDB folder if its name ends in `.lmdb`, else the files inside."""
    path = Path(path)
    return LmdbFolder(path) if path.suffix == LMDB_SUFFIX else DiskFolder(path)


@dataclass(frozen=True)
class ImageStore:
    """Images below a root, by their path relative to it with forward slashes.

    Attributes:
        root: The root folder; may itself be an LMDB folder.
    """

    root: Path

    def read(self, path: str) -> bytes:
        """The whole image file; raises what `ImageFolder.read` does."""
        relative = PurePosixPath(path)
        return open_folder(self.root / relative.parent).read(relative.name)

    def inspect(self, path: str) -> tuple[int, int]:
        """`(height, width)` of an image in pixels; raises what `ImageFolder.inspect` does."""
        relative = PurePosixPath(path)
        return open_folder(self.root / relative.parent).inspect(relative.name)

    def location(self, path: str) -> str:
        """Path of an image, for messages."""
        return str(self.root / path)


def list_images(folder: str | Path) -> list[Path]:
    """The image files directly inside a folder, as `DiskFolder.keys` finds them.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    store = DiskFolder(Path(folder))
    return [store.path / name for name in store.keys()]  # noqa: SIM118 - not a dict
