"""`best.pth`: the chosen checkpoint, copied byte by byte, and beside it `best.json`, which says why."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_sr.io.files import atomic_write, check_file
from iqa_sr.io.json_files import read_json, write_json
from iqa_sr.selection.sources import CheckpointFile

__all__ = ["write_best"]

NAME = "best"
_CHUNK = 1 << 20  # bytes


def write_best(checkpoint: CheckpointFile, reason: Mapping[str, Any], folder: str | Path, overwrite: bool) -> Path:
    """Copy a checkpoint to `best` with its own ending, and write the reason to `best.json`.

    A copy with another ending that the `best.json` before was about is removed.

    Args:
        checkpoint: Checkpoint to copy. Where the hash of what was evaluated is known, the copy must have it.
        reason: Content of `best.json`, beside the file's hash.
        folder: Folder of both files; made if need be.
        overwrite: Whether to replace what is there.

    Returns:
        The copy.

    Raises:
        FileExistsError: If one of the files exists and may not be replaced.
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If it is not the file that was evaluated, or is itself the file to be written.
    """
    folder = Path(folder)
    path, note = folder / f"{NAME}{checkpoint.path.suffix}", folder / f"{NAME}.json"
    if not checkpoint.path.exists():
        raise FileNotFoundError(f"the chosen checkpoint {checkpoint.path} does not exist; nothing was written")
    check_file(checkpoint.path, "checkpoint")
    present = [str(file) for file in (path, note) if file.exists()]
    if path.exists() and path.samefile(checkpoint.path):
        raise ValueError(f"{path} is the chosen checkpoint itself; choose another `folder`")
    if present and not overwrite:
        raise FileExistsError(
            f"{' and '.join(present)} {'exist' if len(present) > 1 else 'exists'}; nothing was written\n"
            "`overwrite` replaces, another `folder` is written to instead, `no_copy` only shows the choice."
        )
    folder.mkdir(parents=True, exist_ok=True)
    digest, before = "", _named_in(note)

    def copy(temporary: Path) -> None:
        nonlocal digest
        sha256 = hashlib.sha256()
        with checkpoint.path.open("rb") as reader, temporary.open("wb") as writer:
            while chunk := reader.read(_CHUNK):
                sha256.update(chunk)
                writer.write(chunk)
        digest = sha256.hexdigest()
        if checkpoint.sha256 and digest != checkpoint.sha256:
            raise ValueError(
                f"{checkpoint.path} is not the file that was evaluated: expected the SHA-256 "
                f"{checkpoint.sha256[:16]}..., got {digest[:16]}...; nothing was written\n"
                "Evaluate it again, or give the file that was: `checkpoints` LABEL=FILE."
            )
        note.unlink(missing_ok=True)  # from here on it would be about another file

    atomic_write(path, copy)
    if before is not None and before.name != path.name:
        before.unlink(missing_ok=True)
    write_json(note, {"file": path.name, "sha256": digest, **reason}, indent=1)
    return path


def _named_in(note: Path) -> Path | None:
    """The copy that a `best.json` of ours is about."""
    try:
        name = str(read_json(note)["file"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return note.with_name(name) if Path(name).name == name and Path(name).stem == NAME else None
