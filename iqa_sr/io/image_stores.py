"""Where the bytes of pictures come from: ordinary folders, or LMDB folders as BasicSR makes them."""

import os
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from iqa_sr.config.sections import Section
from iqa_sr.io.files import check_inside
from iqa_sr.io.images import IMAGE_SUFFIXES, inspect_image

__all__ = [
    "DiskFolder",
    "IoBackend",
    "LmdbFolder",
    "PictureFolder",
    "PictureStore",
    "check_whole_lmdb",
    "list_images",
    "open_folder",
]

LMDB_SUFFIX = ".lmdb"


class IoBackend(Section):
    """The section `io_backend`: where pictures are read from."""

    type: Literal["disk", "lmdb"] = "disk"


@dataclass(frozen=True)
class PictureFolder(ABC):
    """A flat collection of pictures under one name each.

    Attributes:
        path: The folder on disk.
    """

    path: Path

    @abstractmethod
    def keys(self) -> list[str]:
        """The names of the pictures, sorted: file names on disk, names without suffix in an LMDB."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The whole picture file.

        Raises:
            FileNotFoundError: If there is no such picture.
            OSError: If it cannot be read.
        """

    def inspect(self, key: str) -> tuple[int, int]:
        """`(height, width)` of a picture; see `iqa_sr.io.images.inspect_image`."""
        return inspect_image(self.read(key), str(self.path / key))


class DiskFolder(PictureFolder):
    """Picture files directly inside a folder."""

    def keys(self) -> list[str]:
        """File names with a suffix of pictures, sorted; hidden files are left out.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        if not self.path.is_dir():
            raise FileNotFoundError(f"folder {self.path} does not exist")
        # By entry names: a Path object per file costs half a second for 100,000 of them.
        names = (name for name in os.listdir(self.path) if not name.startswith("."))
        return sorted(name for name in names if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES)

    def read(self, key: str) -> bytes:
        """The file's content."""
        try:
            return (self.path / key).read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(f"picture {self.path / key} does not exist") from None

    def inspect(self, key: str) -> tuple[int, int]:
        """Reads the header alone where that is enough."""
        return inspect_image(self.path / key)


class LmdbFolder(PictureFolder):
    """An LMDB folder in BasicSR's format: encoded pictures, listed in `meta_info.txt`."""

    def keys(self) -> list[str]:
        """The keys listed in `meta_info.txt`, whose lines read `NAME.png (H,W,C) LEVEL`; sorted.

        Raises:
            FileNotFoundError: If the folder or its list is missing.
            ValueError: If a key leads out of the folders that results are written to, or the list is no text.
        """
        listing = self.path / "meta_info.txt"
        if not listing.is_file():
            raise FileNotFoundError(f"{self.path}: expected an LMDB folder of BasicSR's format with meta_info.txt")
        try:
            lines = listing.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{listing}: not a text file ({error})") from error
        keys = (line[: line.rindex(" (") if " (" in line else None].rsplit(".", 1)[0] for line in lines if line)
        return sorted(check_inside(key, str(listing)) for key in keys)

    def read(self, key: str) -> bytes:
        """The encoded picture under this key."""
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
    """Whether the file of an open database is as long as it says: reading beyond its end would kill the process.

    Raises:
        OSError: If it is shorter.
    """
    file = os.path.join(path, "data.mdb")
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = os.path.getsize(file)
    if size < needed:
        raise OSError(f"{file} is cut off: it has {size} bytes of {needed}; copy it again")


def open_folder(path: str | Path) -> PictureFolder:
    """The pictures at `path`: an LMDB folder if its name ends in `.lmdb`, else the files inside."""
    path = Path(path)
    return LmdbFolder(path) if path.suffix == LMDB_SUFFIX else DiskFolder(path)


@dataclass(frozen=True)
class PictureStore:
    """All pictures below a root, by their path relative to it with forward slashes.

    Attributes:
        root: The root folder; may itself be an LMDB folder.
    """

    root: Path

    def read(self, path: str) -> bytes:
        """The whole picture file; raises what `PictureFolder.read` does."""
        relative = PurePosixPath(path)
        return open_folder(self.root / relative.parent).read(relative.name)

    def inspect(self, path: str) -> tuple[int, int]:
        """`(height, width)` of a picture in pixels; raises what `PictureFolder.inspect` does."""
        relative = PurePosixPath(path)
        return open_folder(self.root / relative.parent).inspect(relative.name)

    def location(self, path: str) -> str:
        """Where a picture lies, for messages."""
        return str(self.root / path)


def list_images(folder: str | Path) -> list[Path]:
    """The picture files directly inside a folder, as `DiskFolder.keys` finds them.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    store = DiskFolder(Path(folder))
    return [store.path / name for name in store.keys()]  # noqa: SIM118 - not a dict
