"""What a result says of itself: which image it was made of, and by what; so that no other one is taken for it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from iqa_sr.inference.jobs import UpscaleJob
from iqa_sr.io.files import compute_hash
from iqa_sr.io.image_metadata import read_extras

__all__ = ["ResultState", "made_by", "result_note", "result_state"]

_START = "iqa-sr upscale"

ResultState = Literal["missing", "ours", "unknown", "other image", "other network"]
"""Of the file where a result belongs: `ours` is the very one; `unknown` does not say what it is."""


def made_by(
    checkpoint: str | Path, options: str | Path | None, adapters: Sequence[str | Path], settings: object
) -> str:
    """16 digits that pin down what results are made by.

    Args:
        checkpoint: The network's file.
        options: Its option file, if one is given.
        adapters: Folders of adapters.
        settings: What else changes the results; JSON can hold it.

    Raises:
        FileNotFoundError: If one of them does not exist.
    """
    for path, what in ((checkpoint, ""), *((one, "; expected the folder of an adapter") for one in adapters)):
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist{what}")
    if options is not None and not Path(options).is_file():
        raise FileNotFoundError(f"option file {options} does not exist")
    files = [Path(checkpoint), *([] if options is None else [Path(options)])]
    files += [file for folder in adapters for file in sorted(Path(folder).rglob("*"))]
    hashes = [compute_hash(file) for file in files if file.is_file()]
    return hashlib.sha256(json.dumps([hashes, settings]).encode()).hexdigest()[:16]


def result_note(job: UpscaleJob, made: str) -> str:
    """What the result of a job says of itself; `made` is from `made_by`."""
    return f"{_START} source={compute_hash(job.source)[:16]} made={made}"


def result_state(job: UpscaleJob, made: str) -> ResultState:
    """What lies where the result of a job belongs."""
    if not job.target.exists():
        return "missing"
    note = read_extras(job.target).note
    if not note.startswith(f"{_START} "):
        return "unknown"
    if not note.endswith(f" made={made}"):
        return "other network"
    return "ours" if note == result_note(job, made) else "other image"
