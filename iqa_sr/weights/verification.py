"""Weight files checked anew, and files that the user has taken into the cache."""

import shutil
from pathlib import Path

from iqa_sr.io.files import atomic_write, check_file, compute_hash
from iqa_sr.io.tensor_files import foreign_kind, read_tensor_file
from iqa_sr.weights.checksums import first_hash, remember_first, remember_hash
from iqa_sr.weights.locations import cache_path, find_local
from iqa_sr.weights.matlab_files import read_matlab
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.registry import WEIGHT_FILES
from iqa_sr.weights.shards import folder_hash, folder_parts
from iqa_sr.weights.store import did_you_mean_weights, weight_file

__all__ = ["import_file", "verify_file"]


def verify_file(file: WeightFile) -> tuple[bool, str]:
    """Hash the local copy of a published file or folder anew.

    Returns:
        Whether it is what it should be, and a line about it.
    """
    local = find_local(file)
    if local is None:
        return False, f"not on this machine; `iqa-sr weights pull {file.name}`"
    for path in [local.path / name for name in folder_parts(local.path)] if file.is_folder else [local.path]:
        found = remember_hash(path, compute_hash(path))
    if file.is_folder:
        found = folder_hash(local.path)
    expected = file.sha256 or ("" if local.chosen else first_hash(file.name))
    if not expected:
        if not local.chosen:
            remember_first(file.name, found)
        return True, f"no published hash; here {found[:16]}... ({local.path})"
    kind = "published" if file.sha256 else "recorded"
    if found.startswith(expected):
        return True, f"ok, the {kind} hash {expected[:16]}... ({local.path})"
    return False, f"SHA-256 {found[:16]}... is not the {kind} {expected[:16]}... ({local.path})"


def import_file(path: Path, name: str | None = None) -> tuple[str, Path]:
    """Copy a file into our own cache under its published name, after checking what it holds.

    Args:
        path: Path of the file.
        name: Published name of the file; None: recognized by its own name, else by its hash.

    Returns:
        The published name and the copy.

    Raises:
        ValueError: If the file is no ordinary one or none of the table, holds no tensors or arrays, or has another hash
            than the published one.
        FileNotFoundError: If there is no such file.
    """
    if path.is_dir():
        raise ValueError(
            f"weights import: expected a file, got the folder {path}\nPut a folder of shards under its published name "
            f"into {cache_path('')} or a folder named by IQA_SR_WEIGHTS, or link it there."
        )
    check_file(path, "weights file")
    sha256 = compute_hash(path)
    file = weight_file(name) if name else _recognize(path, sha256)
    if not sha256.startswith(file.sha256):
        kind = foreign_kind(path)
        seems = f"; it is {kind}" if kind else ""
        raise ValueError(
            f"{path} is not the published {file.name}: its SHA-256 is {sha256[:16]}..., expected "
            f"{file.sha256[:16]}...{seems}\nIf you trust it, put it into a folder named by IQA_SR_WEIGHTS instead."
        )
    if not file.sha256 and (other := _by_hash(sha256)):
        raise ValueError(f"{path} is not {file.name}: its SHA-256 is that of the published {other.name}")
    if file.name.endswith(".mat"):
        read_matlab(path)
    else:
        read_tensor_file(path, mmap=True)
    target = cache_path(file.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or not target.samefile(path):
        atomic_write(target, lambda temporary: shutil.copyfile(path, temporary))
    remember_hash(target, sha256)
    remember_first(file.name, sha256)
    return file.name, target


def _recognize(path: Path, sha256: str) -> WeightFile:
    """The published file that a file is, recognized by name, else by hash."""
    if path.name in WEIGHT_FILES:
        return WEIGHT_FILES[path.name]
    if file := _by_hash(sha256):
        return file
    raise ValueError(
        f"{path}: neither its name nor its hash is that of a published file; {did_you_mean_weights(path.name)}\n"
        "Give its published name: `name`."
    )


def _by_hash(sha256: str) -> WeightFile | None:
    return next((one for one in WEIGHT_FILES.values() if one.sha256 and sha256.startswith(one.sha256)), None)
