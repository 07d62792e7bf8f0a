"""The weights store: for the name of a published file, a local copy, or exactly what is missing and where to put it."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from iqa_sr.errors import did_you_mean
from iqa_sr.io.json_files import read_json
from iqa_sr.io.network_states import few, select_state_dict
from iqa_sr.io.tensor_files import foreign_kind, read_tensor_file
from iqa_sr.weights.checksums import first_hash, known_hash, remember_first
from iqa_sr.weights.download import download
from iqa_sr.weights.folders import download_folder
from iqa_sr.weights.locations import FOLDER_VARIABLE, LocalFile, cache_path, find_local
from iqa_sr.weights.missing import UNASKED, missing_text, size_text
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.shards import CONFIG, find_index, folder_hash, shard_names

__all__ = [
    "FOLDER_VARIABLE",
    "WEIGHT_FILES",
    "WeightFile",
    "check_packages",
    "did_you_mean_weights",
    "find_all",
    "find_weights",
    "is_present",
    "read_weight_folder",
    "read_weights",
    "size_text",
    "weight_file",
    "weights_hash",
]

MAP_FROM = 32 * 2**20  # bytes; smaller files are copied, so that what a metric keeps of them depends on no file

logger = logging.getLogger(__name__)
_warned: set[Path] = set()


def weight_file(name: str) -> WeightFile:
    """The facts of a published file.

    Raises:
        ValueError: If there is no file of that name in the table; the text has the nearest names.
    """
    if name not in WEIGHT_FILES:
        raise ValueError(f"no weights file is called {name!r}; {did_you_mean_weights(name)}")
    return WEIGHT_FILES[name]


def did_you_mean_weights(name: str, more: Iterable[str] = ()) -> str:
    """Text naming the files (or others) nearest to a wrong name, or where all are listed."""
    text = did_you_mean(name, [*WEIGHT_FILES, *more])
    return text if text.startswith("did you mean") else "`iqa-sr weights list` shows all"


def find_weights(name: str) -> Path:
    """A local copy of a published file or folder.

    It is looked for in the folder that `IQA_SR_WEIGHTS` names, our own cache, and the caches of torch hub, Hugging
    Face and CLIP; then downloaded into our own cache, unless it is a folder. Its SHA-256 is checked when it is first
    used: against the published one, or else against the one that it had at its first use here.

    Args:
        name: A key of `WEIGHT_FILES`.

    Returns:
        Path of the file, or of the folder, which has all its files.

    Raises:
        ValueError: If there is no file of that name in the table, or the copy has another hash.
        FileNotFoundError: If it is not on the machine and cannot be downloaded; the text says where to put it.
        ModuleNotFoundError: If a package is missing or too old that it is of no use without.
    """
    return find_all([name])[name]


def find_all(names: Iterable[str], asked: bool = False) -> dict[str, Path]:
    """Local copies of several published files: each as `find_weights` gives it.

    Args:
        names: Keys of `WEIGHT_FILES`.
        asked: Whether the user asked for their download, and not for something that needs them. Only then folders,
            which take hours and much of a disk, are downloaded, and needed packages may be missing.

    Raises:
        ValueError: As `find_weights`.
        FileNotFoundError: One for all files that are missing, with their sizes, sources and places. Or, before anything
            is downloaded, for the folders.
        ModuleNotFoundError: As `find_weights`, before anything is downloaded.
    """
    files = [weight_file(name) for name in dict.fromkeys(names)]
    if not asked:
        check_packages(file.name for file in files)
    missing = [file for file in files if find_local(file) is None]
    failures: dict[WeightFile, str] = {}
    if folders := [file for file in missing if file.is_folder and not asked]:
        raise FileNotFoundError(missing_text({file: f"{UNASKED} {file.name}`" for file in folders}))
    dead_hosts: set[str] = set()
    for file in missing:
        try:
            (download_folder if file.is_folder else download)(file, cache_path(file.name), dead_hosts)
        except OSError as error:
            failures[file] = str(error)
    if failures:
        raise FileNotFoundError(missing_text(failures))
    return {file.name: _checked(file, find_local(file)) for file in files}


def check_packages(names: Iterable[str], user: str = "") -> None:
    """Check that the packages are there that weights are of no use without.

    Args:
        names: Keys of `WEIGHT_FILES`.
        user: What uses them, for the error; empty: the file's own name.

    Raises:
        ModuleNotFoundError: If one is missing or too old.
    """
    for file in map(weight_file, names):
        if file.package and (problem := file.package.problem()):
            raise ModuleNotFoundError(f"{user or f'the network of {file.name}'} {problem}")


def is_present(name: str) -> bool:
    """Check whether a published file is on this machine; nothing is read or downloaded.

    Raises:
        ValueError: If there is no file of that name in the table.
    """
    return find_local(weight_file(name)) is not None


def read_weights(name: str) -> Any:
    """Read a published file: tensors in dicts, read without running code; on the CPU, not to be written to.

    Raises:
        ValueError: As `find_weights`; or if the file is damaged.
        FileNotFoundError: As `find_weights`.
    """
    path = find_weights(name)
    return read_tensor_file(path, mmap=path.stat().st_size >= MAP_FROM)


def read_weight_folder(name: str) -> tuple[Any, dict[str, Tensor]]:
    """Read a published folder: its shards one after the other, without running code.

    Large shards are mapped, not copied: their tensors take memory where they are used, and none twice.

    Args:
        name: A key of `WEIGHT_FILES` whose weights are a folder.

    Returns:
        The content of `config.json`, and the tensors of all shards by name, in the types of the files; on the CPU, not
        to be written to.

    Raises:
        ValueError: As `find_weights`; or if a file is damaged, holds something else, or a tensor is in two shards.
        FileNotFoundError: As `find_weights`.
    """
    folder = find_weights(name)
    index = find_index(folder)
    assert index is not None  # else it would not have been found
    tensors: dict[str, Tensor] = {}
    for path in [folder / shard for shard in shard_names(index)]:
        state = select_state_dict(read_tensor_file(path, mmap=path.stat().st_size >= MAP_FROM), path, None)
        if twice := [key for key in state if key in tensors]:
            raise ValueError(f"{path}: expected tensors of its own, got {few(twice)} of another shard, too")
        tensors |= state
    return read_json(folder / CONFIG), tensors


def weights_hash(name: str) -> str:
    """SHA-256 of the local copy of a published file, in hexadecimal digits; of a folder, of the names and hashes in it.

    Raises:
        ValueError: As `find_weights`.
        FileNotFoundError: As `find_weights`.
    """
    path = find_weights(name)
    return folder_hash(path) if weight_file(name).is_folder else known_hash(path)


def _checked(file: WeightFile, local: LocalFile | None) -> Path:
    """The path of a copy whose hash is the expected one; a copy that the user chose himself may differ."""
    if local is None:
        raise FileNotFoundError(f"{file.name} vanished while it was looked for")
    expected = file.sha256 or ("" if local.chosen else first_hash(file.name))
    if local.chosen and not expected:
        return local.path
    found = folder_hash(local.path) if file.is_folder else known_hash(local.path)
    if not expected:
        remember_first(file.name, found)
    if not expected or found.startswith(expected):
        return local.path
    published = "the published file" if file.sha256 else "the file that was first used under this name"
    text = f"{local.path} is not {published}: its SHA-256 is {found[:16]}..., expected {expected[:16]}..."
    if kind := foreign_kind(local.path):
        text += f"; it is {kind}"
    if not local.chosen:
        raise ValueError(
            f"{text}\nDelete it to have it fetched again. If you trust it, put it into a folder named by "
            f"{FOLDER_VARIABLE}"
            + ("." if file.sha256 or file.is_folder else f", or run `iqa-sr weights import` with it ({file.name}).")
        )
    if local.path not in _warned:
        _warned.add(local.path)
        logger.warning("%s It is used because you chose it (%s).", text, FOLDER_VARIABLE)
    return local.path
