"""Where weight files may lie on this machine, in the order in which they are looked for."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from iqa_sr.weights.cache import cache_folder, user_cache
from iqa_sr.weights.registry import WeightFile, hub_file

__all__ = [
    "FOLDER_VARIABLE",
    "LocalFile",
    "cache_path",
    "find_local",
    "search_folders",
]

FOLDER_VARIABLE = "IQA_SR_WEIGHTS"


@dataclass(frozen=True)
class LocalFile:
    """A copy of a published file on this machine.

    Attributes:
        path: Where it lies.
        chosen: Whether the user put it there himself (`IQA_SR_WEIGHTS`), so that it may differ from the published one.
    """

    path: Path
    chosen: bool = False


def cache_path(name: str) -> Path:
    """Where a downloaded or imported file is kept."""
    return cache_folder() / "weights" / name


def search_folders() -> list[tuple[str, Path]]:
    """What each folder is, and its path; they need not exist."""
    hub = Path(torch.hub.get_dir())
    folders = [
        ("own cache", cache_folder() / "weights"),
        ("torch hub", hub / "checkpoints"),
        ("pyiqa", hub / "pyiqa"),
        ("Hugging Face hub", _hugging_face_hub()),
        ("CLIP", Path("~/.cache/clip").expanduser()),
    ]
    chosen = os.environ.get(FOLDER_VARIABLE)
    return [(FOLDER_VARIABLE, Path(chosen).expanduser()), *folders] if chosen else folders


def find_local(file: WeightFile) -> LocalFile | None:
    """The first copy of a file in the search order; nothing is read."""
    for label, folder in search_folders():
        paths = _in_hub(folder, file) if label == "Hugging Face hub" else iter([folder / file.name])
        for path in paths:
            if path.is_file():
                return LocalFile(path, chosen=label == FOLDER_VARIABLE)
    return None


def _in_hub(hub: Path, file: WeightFile) -> Iterator[Path]:
    """Copies in Hugging Face's cache: in the repositories that the sources name, then by the file's name alone."""
    for on_hub in filter(None, map(hub_file, file.sources)):
        folder = "models--" + on_hub.repository.replace("/", "--")
        yield from sorted(hub.glob(f"{folder}/snapshots/*/{on_hub.name}"))
    yield from sorted(hub.glob(f"models--*/snapshots/*/{file.name}"))


def _hugging_face_hub() -> Path:
    for variable, below in (("HF_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser() / below
    return user_cache() / "huggingface" / "hub"
