"""The images of a report: inside the page while they are few, else as files in a folder beside it."""

import base64
import io
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from PIL import Image
from tqdm import tqdm

from iqa_sr.io.images import inspect_image, read_image
from iqa_sr.report.collect import Report

__all__ = ["LARGEST_INSIDE", "Placement", "ReportImages", "place_images"]

LARGEST_INSIDE = 20 * 1024 * 1024
"""Bytes of all the images together, as text in the page, up to which they go inside."""
Placement = Literal["auto", "inside", "beside", "none"]
_KINDS = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".bmp": "image/bmp"}
_MARK = ".made-by-iqa-sr-report"

_Files = dict[tuple[int, int], Path]


@dataclass(frozen=True)
class ReportImages:
    """Images of a page: their addresses and sizes, and which are left out.

    Attributes:
        addresses: Address of the image, `data:` or path relative to the page, by the numbers of row and image.
        sizes: Size `(width, height)` in px by the number of the image.
        folder: Folder of the files, if they are not inside the page.
        notes: Files that are left out, and why.
    """

    addresses: Mapping[tuple[int, int], str]
    sizes: Mapping[int, tuple[int, int]]
    folder: Path | None = None
    notes: tuple[str, ...] = ()


def place_images(report: Report, page: Path, placement: Placement = "auto") -> ReportImages:
    """Put the images where the page will find them.

    Args:
        report: Report with the rows and images.
        page: Path of the page; files go to `<its stem>_files` beside it, which is replaced if a report made it.
        placement: Place of the images: inside the page, beside it, neither, or what their size suggests.

    Raises:
        FileExistsError: If there is such a folder that no report has made.
    """
    files: _Files = {}
    sizes, notes = {}, []
    for column, image in enumerate(report.images if placement != "none" else ()):
        for row, entry in enumerate(report.entries):
            if (path := entry.image(image)) is None:
                continue
            try:
                height, width = inspect_image(path)
            except (ValueError, OSError) as error:  # a report can do without
                notes.append(f"left out: {error}")
            else:
                files[row, column], sizes[column] = path, (width, height)
    if placement == "auto":
        length = sum(path.stat().st_size for path in files.values()) * 4 / 3
        placement = "inside" if length <= LARGEST_INSIDE else "beside"
    folder = page.with_name(f"{page.stem}_files")
    if placement == "beside":
        return ReportImages(_write_beside(report, files, folder), sizes, folder, tuple(notes))
    _remove(folder)
    addresses = {}
    for position, path in files.items():
        kind, content = _shown(path)
        addresses[position] = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return ReportImages(addresses, sizes, None, tuple(notes))


def _shown(path: Path) -> tuple[str, bytes]:
    """A file's type and content, as PNG if browsers do not know its format."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is not None:
        return kind, path.read_bytes()
    image = read_image(path)
    content = io.BytesIO()
    Image.fromarray((image // 257).astype("uint8") if image.dtype != "uint8" else image).save(content, "PNG")
    return "image/png", content.getvalue()


def _write_beside(report: Report, files: _Files, folder: Path) -> dict[tuple[int, int], str]:
    """Copy the files into a new folder, and put it in the place of an old one when it is whole."""
    if folder.exists() and not (folder / _MARK).exists():
        raise FileExistsError(f"{folder} exists and was not made by `iqa-sr report`; choose another name for `output`")
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    (temporary / _MARK).touch()
    addresses = {}
    try:
        for (row, column), path in tqdm(files.items(), desc="images", unit="image", disable=None):
            kind, content = _shown(path)
            suffix = path.suffix.lower() if path.suffix.lower() in _KINDS else f".{kind.partition('/')[2]}"
            inner = f"{row:03d}_{_plain(report.entries[row].name)}"
            name = f"{column:05d}_{_plain(report.images[column])}{suffix}"
            (temporary / inner).mkdir(exist_ok=True)
            (temporary / inner / name).write_bytes(content)
            addresses[row, column] = f"{quote(os.fsencode(folder.name))}/{inner}/{name}"
        _remove(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return addresses


def _plain(name: str) -> str:
    """A name that is safe as a file's and as part of an address."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]


def _remove(folder: Path) -> None:
    """Remove the images of an earlier report, and nothing else."""
    if (folder / _MARK).exists():
        shutil.rmtree(folder)
