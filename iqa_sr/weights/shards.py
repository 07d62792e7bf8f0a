"""Weights that are published as a folder: `config.json`, an index, and the shards of tensors that the index names."""

import hashlib
from pathlib import Path, PurePosixPath

from iqa_sr.io.json_files import read_json
from iqa_sr.weights.checksums import known_hash

__all__ = ["CONFIG", "INDEXES", "find_index", "folder_hash", "folder_parts", "missing_parts", "shard_names"]

AGAIN = "Delete it, and `iqa-sr weights pull` fetches it again."
CONFIG = "config.json"
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Names of the index, in the order in which they are looked for: safetensors are read faster."""


def find_index(folder: Path) -> Path | None:
    """The index in a folder; None if it has none."""
    return next((folder / name for name in INDEXES if (folder / name).is_file()), None)


def shard_names(index: Path) -> list[str]:
    """Names of the shards that an index names, sorted.

    Raises:
        ValueError: If it is no index, or names something else than files of tensors beside it.
    """
    content = read_json(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise ValueError(f"{index}: expected `weight_map` with the shard of each tensor, found none\n{AGAIN}")
    names = sorted(set(shards.values()))
    for name in names:
        beside = name == PurePosixPath(name).name and "\\" not in name and ":" not in name
        if not (beside and name.endswith((".bin", ".safetensors"))):
            raise ValueError(f"{index}: expected shards beside it, *.bin or *.safetensors, got {name!r}\n{AGAIN}")
    return names


def folder_parts(folder: Path) -> list[str]:
    """Names of the files that a folder of weights is made of: `config.json`, its index and the shards.

    Raises:
        OSError, ValueError: If there is no index, or a damaged one.
    """
    index = find_index(folder)
    if index is None:
        raise ValueError(f"{folder}: expected an index, {' or '.join(INDEXES)}, found none")
    return [CONFIG, index.name, *shard_names(index)]


def missing_parts(folder: Path) -> list[str]:
    """Names of the files that a folder lacks, or has damaged; the shards are not known where the index is missing."""
    index = find_index(folder)
    try:
        names = [CONFIG, " or ".join(INDEXES)] if index is None else folder_parts(folder)
    except (OSError, ValueError):
        return [f"{index.name if index else CONFIG} (what is there is damaged)"]
    return [name for name in names if not (folder / name).is_file()]


def folder_hash(folder: Path) -> str:
    """SHA-256 of the names and hashes of the files that a folder of weights is made of, in hexadecimal digits."""
    lines = [f"{known_hash(folder / name)}  {name}\n" for name in folder_parts(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
