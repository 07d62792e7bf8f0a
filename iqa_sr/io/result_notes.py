"""Notes in written images: which file it was made of, and by what; so that no other one is taken for it."""

import hashlib
import os
from pathlib import Path
from typing import Literal

from iqa_sr.io.files import compute_hash
from iqa_sr.io.image_metadata import NOTE_SUFFIXES, read_extras

__all__ = ["ResultState", "result_note", "result_state"]

ResultState = Literal["missing", "ours", "unknown", "changed source", "other source", "made otherwise"]
"""Of the file where a result belongs: it is `ours`; it does not say what it is; its source has been changed since; it
is of another file with such a name; it is of another network, or was made with other settings."""


def result_note(tool: str, source: Path, made: str, target: Path) -> str:
    """Note of a result, for `write_image`; nothing where its format cannot hold it.

    Args:
        tool: Command that makes the result.
        source: Path of the file that the result is made of.
        made: Digest of the network and the settings that make the result.
        target: Path of the result.
    """
    return f"{tool} {_source_of(source)} made={made}" if target.suffix.lower() in NOTE_SUFFIXES else ""


def _source_of(source: Path) -> str:
    """Digests of a file's content and path; not its name, which an image that is passed on need not give away."""
    path_digest = hashlib.sha256(os.fsencode(os.path.abspath(source))).hexdigest()
    return f"source={compute_hash(source)[:16]} place={path_digest[:16]}"


def result_state(tool: str, source: Path, made: str, target: Path) -> ResultState:
    """State of the file where a result belongs; arguments as of `result_note`."""
    if not target.exists():
        return "missing"
    fields = read_extras(target).note.removeprefix(f"{tool} ").split()
    if [field.partition("=")[0] for field in fields] != ["source", "place", "made"]:
        return "unknown"
    if fields[2] != f"made={made}":
        return "made otherwise"
    try:
        content, path = _source_of(source).split()
    except (OSError, ValueError):  # whoever makes the result says what is wrong with its source
        return "changed source"
    if fields[0] == content:
        return "ours"
    return "changed source" if fields[1] == path else "other source"
