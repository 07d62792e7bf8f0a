"""Layouts of the images and labels of a data set: HGGT's published layouts, plain folders, LMDB folders."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from iqa_sr.config.sections import Section
from iqa_sr.data.answers.log import LABELS, LOG
from iqa_sr.errors import OptionError, did_you_mean, shown
from iqa_sr.io.image_stores import LMDB_SUFFIX, IoBackend
from iqa_sr.io.image_types import is_image_name

__all__ = ["DatasetPart", "GroundTruthOptions", "find_parts"]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # of a user that does not exist
        raise ValueError(f"{path} begins with the name of no user") from None


def _several(given: Any) -> Any:
    if not isinstance(given, str | Path | list | tuple) or given == "":
        raise ValueError("expected a path or a list of paths")
    return given if isinstance(given, list | tuple) else (given,)


Folder = Annotated[Path, AfterValidator(_expanded)]
Folders = Annotated[tuple[Folder, ...], BeforeValidator(_several), Field(min_length=1)]
"""One folder or several."""


class GroundTruthOptions(Section):
    """The images of a data set; the part of the dataset options that the manifest reads.

    Attributes:
        dataroot_gt: The root. It holds `original/` and a folder per enhanced version; or `images/original/, ...` and
            `labels/`; or `images/RANGE/original/, ...` and `labels/RANGE/`; or images directly (ordinary training).
            A list of such is one data set.
        dataroot_lq: Folder of ready low-quality files; null: made on the fly from the original.
        meta_info_file: BasicSR's list of the originals that are used, a line each: the name below `dataroot_gt`, maybe
            with folders, and what follows after a space is ignored; null: all.
        recursive: Whether images in sub-folders of the versions' folders are meant, too.
        gt_folders: Names of the enhanced versions' folders; null: all that are found.
        original_folder: Name of the originals' folder.
        labels: Folder of the annotators' folders (or of ranges of such); null: HGGT's place if there is one.
        allow_incomplete_groups: Whether an original may lack some of the versions.
        io_backend: `type: disk`, or `type: lmdb` for folders `original.lmdb`, `01.lmdb`, ... in BasicSR's format.
    """

    dataroot_gt: Folders
    dataroot_lq: Folder | None = None
    meta_info_file: Folder | None = None
    recursive: bool = False
    gt_folders: tuple[str, ...] | None = None
    original_folder: str = "original"
    labels: Folder | None = None
    allow_incomplete_groups: bool = False
    io_backend: IoBackend = IoBackend()

    @property
    def root(self) -> Path:
        """The folder that all images lie below: the root, or what several roots have in common."""
        if len(self.dataroot_gt) == 1:
            return self.dataroot_gt[0]
        return Path(os.path.commonpath([root.absolute() for root in self.dataroot_gt]))

    @field_validator("dataroot_gt")
    @classmethod
    def _on_one_drive(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        if len({root.absolute().drive.lower() for root in roots}) > 1:  # Windows has no folder above two of them
            raise ValueError("expected folders on one drive")
        return roots

    @field_validator("gt_folders", mode="before")
    @classmethod
    def _quoted(cls, names: Any) -> Any:
        if isinstance(names, (list, tuple)) and any(isinstance(name, int) for name in names):
            raise ValueError("expected names; put numbers in quotes, for example ['01', '02']")
        return names


@dataclass(frozen=True)
class DatasetPart:
    """One folder of originals with the folders of their versions and their labels.

    Attributes:
        folders: Place of each version by its name; the original first.
        labels: Folder that holds the annotators' folders, if there is one.
    """

    folders: dict[str, Path]
    labels: Path | None = None

    @property
    def path(self) -> Path:
        """The folder of the originals."""
        return next(iter(self.folders.values()))


def find_parts(options: GroundTruthOptions, where: str) -> list[DatasetPart]:
    """The parts of a data set: one, or one for each root and each range of HGGT's layout.

    Args:
        options: Options of the data set: roots, folders, labels.
        where: Place of these options in the option file, for errors.

    Raises:
        FileNotFoundError: If the root or the labels do not exist, or nothing is found in the root.
        OptionError: If a folder of `gt_folders` does not exist.
    """
    if len(options.dataroot_gt) == 1:
        return _parts_of(options.dataroot_gt[0], options, where)
    return [part for root in options.dataroot_gt for part in _parts_of(root.absolute(), options, where)]


def _parts_of(root: Path, options: GroundTruthOptions, where: str) -> list[DatasetPart]:
    original = options.original_folder
    if not _is_folder(root):
        beside = f" (relative to {Path.cwd()})" if not root.is_absolute() else ""
        name = shown(str(root), quotes=False)
        raise FileNotFoundError(f"{where}:dataroot_gt: the folder {name} does not exist{beside}")
    if options.labels and not options.labels.is_dir():
        raise FileNotFoundError(f"{where}:labels: the folder {options.labels} does not exist")
    lmdb = options.io_backend.type == "lmdb"
    images = root / "images" if (root / "images").is_dir() else root
    ranges = sorted(_sub_folders(images)) if images.name == "images" else []
    bases: list[Path] = []  # the folders that hold an `original/`
    for folders in ([root], [images], ranges):
        bases = bases or [folder for folder in folders if _sub_folder(folder, original, lmdb)]
    parts = [DatasetPart(_versions(base, options, where), _labels(base, options.labels)) for base in bases]
    if parts and options.labels and not any(part.labels for part in parts):
        raise FileNotFoundError(f"{where}:labels: no folders with .json files (A/, B/, C/) in {options.labels}")
    if parts:
        return parts
    if root.suffix == LMDB_SUFFIX if lmdb else (options.meta_info_file or _holds_images(root, options.recursive)):
        if options.gt_folders:
            raise _missing_version(options.gt_folders[0], [], root, where)
        return [DatasetPart({original: root})]
    raise _nothing_found(root, original, lmdb, where)


def _nothing_found(root: Path, original: str, lmdb: bool, where: str) -> FileNotFoundError:
    kind = f"{original}.lmdb" if lmdb else original
    return FileNotFoundError(
        f"{where}:dataroot_gt: no images found in {root}; looked for {kind}/, images/{kind}/, images/*/{kind}/ "
        f"{'and meta_info.txt' if lmdb else 'and images directly inside'}"
        + ("" if original == "original" else f" (original_folder: {shown(original, quotes=False)})")
        + ("; for those in sub-folders set recursive: true" if not lmdb and _images_below(root) else "")
        + ("; it holds LMDB folders: set io_backend:type to lmdb" if not lmdb and _lmdb_folders(root) else "")
    )


def _sub_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _lmdb_folders(folder: Path) -> list[Path]:
    return [path for path in _sub_folders(folder) if path.suffix == LMDB_SUFFIX]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or one above it that cannot be entered
        return False


def _images_below(folder: Path) -> bool:
    """Check whether the next folders hold images; deeper ones may be a whole disk."""
    return any(os.access(one, os.R_OK | os.X_OK) and _holds_images(one) for one in _sub_folders(folder)[:50])


def _holds_images(folder: Path, recursive: bool = False) -> bool:
    if not recursive:
        return any(is_image_name(name) for name in os.listdir(folder))
    return any(is_image_name(name) for _, _, names in os.walk(folder, followlinks=False) for name in names)


def _sub_folder(parent: Path, name: str, lmdb: bool) -> Path | None:
    """The folder of a version; the case of its name does not matter (HGGT writes both `original` and `Original`)."""
    wanted = f"{name}{LMDB_SUFFIX}" if lmdb else name
    if _is_folder(parent / wanted):
        return parent / wanted
    return next((path for path in sorted(_sub_folders(parent)) if path.name.lower() == wanted.lower()), None)


def _versions(base: Path, options: GroundTruthOptions, where: str) -> dict[str, Path]:
    """The folders of the versions that are asked for, else all beside the originals.

    Neither that of the ready LQ files is meant, nor that of the labels, which may hold degraded copies.
    """
    lmdb = options.io_backend.type == "lmdb"
    original = _sub_folder(base, options.original_folder, lmdb)
    assert original is not None
    found = {options.original_folder: original}
    recursive = options.recursive
    beside = _lmdb_folders(base) if lmdb else [one for one in _sub_folders(base) if _holds_images(one, recursive)]
    folders = sorted(beside)
    lq = options.dataroot_lq if options.dataroot_lq and options.dataroot_lq.is_dir() else None
    labels = _labels(base, options.labels) or (base / LABELS if any(base.glob(f"{LABELS}/*/{LOG}")) else None)
    others = [one for one in folders if one not in (original, labels) and not (lq and one.samefile(lq))]
    if options.gt_folders is None:
        return found | {path.name.removesuffix(LMDB_SUFFIX): path for path in others}
    for name in options.gt_folders:
        path = _sub_folder(base, name, lmdb)
        if path is None:
            raise _missing_version(name, [one.name.removesuffix(LMDB_SUFFIX) for one in others], base, where)
        found[name] = path
    return found


def _missing_version(name: str, others: Iterable[str], base: Path, where: str) -> OptionError:
    return OptionError(f"{where}:gt_folders: there is no folder {name!r} in {base}; {did_you_mean(name, others)}")


def _labels(base: Path, given: Path | None) -> Path | None:
    """The folder that holds the annotators' folders for the images in `base`."""
    if given:
        folders = [given / base.name, given]
    elif base.name == "images":
        folders = [base.parent / "labels"]
    elif base.parent.name == "images":
        folders = [base.parent.parent / "labels" / base.name]
    else:
        folders = [base / "labels"]
    return next((folder for folder in folders if folder.is_dir() and any(folder.glob("*/*.json"))), None)
