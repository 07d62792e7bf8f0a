"""What `iqa-sr weights list|pull|verify|where|import` print and return."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from iqa_sr.io.atomic import atomic_write
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics import metric_info, metric_names
from iqa_sr.weights.checksums import compute_hash, first_hash, remember_first, remember_hash
from iqa_sr.weights.locations import cache_path, find_local, search_folders
from iqa_sr.weights.registry import WEIGHT_FILES, WeightFile
from iqa_sr.weights.store import find_all, near_names, size_text, weight_file

__all__ = ["import_weights", "list_weights", "pull_weights", "show_places", "verify_weights"]


def list_weights(as_json: bool) -> int:
    """Every file: size, licence, where it lies, the metrics that use it."""
    users = _users()
    if as_json:
        print(json.dumps([_facts(file, users[file.name]) for file in WEIGHT_FILES.values()], indent=1))
        return 0
    rows = [("file", "about", "licence of the weights", "on this machine", "used by")]
    for file in WEIGHT_FILES.values():
        local = find_local(file)
        where = str(local.path.parent) if local else "no"
        rows.append((file.name, size_text(file), file.license, where, ", ".join(users[file.name]) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _users() -> dict[str, list[str]]:
    """File name: the metrics that need it."""
    users: dict[str, list[str]] = {name: [] for name in WEIGHT_FILES}
    for metric in metric_names():
        for name in metric_info(metric).weights:
            users.setdefault(name, []).append(metric)
    return users


def _facts(file: WeightFile, metrics: list[str]) -> dict[str, object]:
    local = find_local(file)
    recorded = file.sha256 or first_hash(file.name)
    return {
        **asdict(file),
        "sha256": recorded,
        "sha256_published": bool(file.sha256),
        "path": str(local.path) if local else None,
        "put_at": str(cache_path(file.name)),
        "metrics": metrics,
    }


def pull_weights(names: Sequence[str], everything: bool) -> int:
    """Download what is missing of the named files, and of those that the named metrics need.

    Raises:
        ValueError: If nothing is named, or there is no such file or metric.
        FileNotFoundError: If some cannot be had.
    """
    if everything == bool(names):
        raise ValueError("weights pull: expected names of files or metrics, or --all")
    if everything:
        wanted = [file.name for file in WEIGHT_FILES.values() if file.sources]
    else:
        wanted = [file for name in names for file in _files_of(name)]
    before = {name for name in wanted if find_local(WEIGHT_FILES[name])}
    for name, path in find_all(wanted).items():
        print(f"{name}: {'was there already, ' if name in before else ''}{path}")
    if everything:
        for file in WEIGHT_FILES.values():
            if not file.sources and find_local(file) is None:
                print(f"{file.name}: no download; {file.page}")
    return 0


def _files_of(name: str) -> tuple[str, ...]:
    if name in WEIGHT_FILES:
        return (name,)
    if name in metric_names():
        return metric_info(name).weights
    raise ValueError(f"no weights file and no metric is called {name!r}; {near_names(name, metric_names())}")


def verify_weights(names: Sequence[str]) -> int:
    """Hash the named files, or all that are on this machine, anew; 1 if one is not what it should be.

    Raises:
        ValueError: If there is no file of that name in the table.
    """
    files = [weight_file(name) for name in names] or [file for file in WEIGHT_FILES.values() if find_local(file)]
    fine = True
    for file in files:
        ok, text = _verify(file)
        fine = fine and ok
        print(f"{file.name}: {text}", file=sys.stdout if ok else sys.stderr)
    if not files:
        print("no weights file is on this machine")
    return 0 if fine else 1


def _verify(file: WeightFile) -> tuple[bool, str]:
    local = find_local(file)
    if local is None:
        return False, f"not on this machine; `iqa-sr weights pull {file.name}`"
    found = remember_hash(local.path, compute_hash(local.path))
    expected = file.sha256 or ("" if local.chosen else first_hash(file.name))
    if not expected:
        if not local.chosen:
            remember_first(file.name, found)
        return True, f"no published hash; here {found[:16]}... ({local.path})"
    kind = "published" if file.sha256 else "recorded"
    if found.startswith(expected):
        return True, f"ok, the {kind} hash {expected[:16]}... ({local.path})"
    return False, f"SHA-256 {found[:16]}... is not the {kind} {expected[:16]}... ({local.path})"


def show_places(name: str | None) -> int:
    """The folders in the order in which they are searched, or the path of one file.

    Raises:
        ValueError: If there is no file of that name in the table.
        FileNotFoundError: If it is not on this machine.
    """
    if name is None:
        for label, folder in search_folders():
            print(f"{label}: {folder}{'' if folder.is_dir() else ' (does not exist)'}")
        return 0
    file = weight_file(name)
    local = find_local(file)
    if local is None:
        raise FileNotFoundError(f"{name} is not on this machine; its place would be {cache_path(name)}")
    print(local.path)
    return 0


def import_weights(paths: Sequence[str], name: str | None) -> int:
    """Copy files into our own cache under their published names, after checking what they hold.

    Raises:
        ValueError: If a file is none of the table, holds no tensors, or has another hash than the published one.
        FileNotFoundError: If there is no such file.
    """
    if name is not None and len(paths) != 1:
        raise ValueError(f"weights import --as {name}: expected one file, got {len(paths)}")
    for path in map(Path, paths):
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist")
        sha256 = compute_hash(path)
        file = weight_file(name) if name else _recognise(path, sha256)
        if not sha256.startswith(file.sha256):
            raise ValueError(
                f"{path} is not the published {file.name}: its SHA-256 is {sha256[:16]}..., expected "
                f"{file.sha256[:16]}...\nIf you trust it, put it into a folder named by IQA_SR_WEIGHTS instead."
            )
        read_tensor_file(path, mmap=True)
        _copy(path, file.name, sha256)
    return 0


def _recognise(path: Path, sha256: str) -> WeightFile:
    """By name, else by hash."""
    if path.name in WEIGHT_FILES:
        return WEIGHT_FILES[path.name]
    for file in WEIGHT_FILES.values():
        if file.sha256 and sha256.startswith(file.sha256):
            return file
    raise ValueError(
        f"{path}: neither its name nor its hash is that of a published file; {near_names(path.name)}\n"
        "Name it with --as NAME."
    )


def _copy(path: Path, name: str, sha256: str) -> None:
    target = cache_path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or not target.samefile(path):
        atomic_write(target, lambda temporary: shutil.copyfile(path, temporary))
    remember_hash(target, sha256)
    remember_first(name, sha256)
    print(f"{name}: {target}")
