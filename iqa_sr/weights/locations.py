"""Folders where weight files may lie on this machine, in the order in which they are looked for."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from iqa_sr.weights.cache import cache_folder, user_cache
from iqa_sr.weights.published_file import WeightFile, hub_file
from iqa_sr.weights.shards import CONFIG, missing_parts

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
        path: Path of the copy, a file or a folder.
        chosen: Whether the user put it there himself (`IQA_SR_WEIGHTS`), so that it may differ from the published one.
    """

    path: Path
    chosen: bool = False


def cache_path(name: str) -> Path:
    """Path of a downloaded or imported file."""
    return cache_folder() / "weights" / name


def search_folders() -> list[tuple[str, Path]]:
    """Label of each folder, and its path; they need not exist."""
    hub, hugging_face = Path(torch.hub.get_dir()), user_cache() / "huggingface" / "hub"
    if os.environ.get("HF_HUB_CACHE"):
        hugging_face = Path(os.environ["HF_HUB_CACHE"]).expanduser()
    elif os.environ.get("HF_HOME"):
        hugging_face = Path(os.environ["HF_HOME"]).expanduser() / "hub"
    folders = [
        ("own cache", cache_folder() / "weights"),
        ("torch hub", hub / "checkpoints"),
        ("pyiqa", hub / "pyiqa"),
        ("Hugging Face hub", hugging_face),
        ("CLIP", Path("~/.cache/clip").expanduser()),
    ]
    chosen = os.environ.get(FOLDER_VARIABLE)
    return [(FOLDER_VARIABLE, Path(chosen).expanduser()), *folders] if chosen else folders


def find_local(file: WeightFile) -> LocalFile | None:
    """The first copy of a file, or whole copy of a folder, in the search order; of a folder the index alone is read."""
    for label, folder in search_folders():
        paths = [folder / file.name / CONFIG if file.is_folder else folder / file.name]
        if label == "Hugging Face hub":  # in the repositories that the sources name, then by the file's name alone
            named = [(one.repository.replace("/", "--"), one.name) for one in map(hub_file, file.sources) if one]
            anywhere = [] if file.is_folder else [("*", file.name)]
            patterns = [f"models--{repository}/snapshots/*/{name}" for repository, name in [*named, *anywhere]]
            paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
        for path in paths:
            found = path.parent if file.is_folder else path
            if path.is_file() and not (file.is_folder and missing_parts(found)):
                return LocalFile(found, chosen=label == FOLDER_VARIABLE)
    return None
