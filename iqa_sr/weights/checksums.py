"""SHA-256 of weight files, computed once for each and remembered between runs."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from iqa_sr.io.files import atomic_write, compute_hash
from iqa_sr.io.json_files import read_json
from iqa_sr.weights.cache import cache_folder

__all__ = ["first_hash", "known_hash", "remember_first", "remember_hash"]

logger = logging.getLogger(__name__)
_known: dict[tuple[str, int, int], str] = {}  # this process's own memory: it also serves where no file can be written


def known_hash(path: Path) -> str:
    """SHA-256 of a file: as remembered while its size and time of change are the same, else computed now."""
    stamp = _stamp(path)
    if stamp not in _known:
        entry = _read()["hashes"].get(stamp[0])
        if not isinstance(entry, list) or len(entry) != 3 or tuple(entry[:2]) != stamp[1:]:
            return remember_hash(path, compute_hash(path))
        _known[stamp] = str(entry[2])
    return _known[stamp]


def remember_hash(path: Path, sha256: str) -> str:
    """Keep what `compute_hash` gave for a file; returns it."""
    stamp = _stamp(path)
    _known[stamp] = sha256
    _update("hashes", stamp[0], [*stamp[1:], sha256])
    return sha256


def first_hash(name: str) -> str:
    """The hash that a published file had when it was first used here; empty if it was not."""
    return str(_read()["first_use"].get(name, ""))


def remember_first(name: str, sha256: str) -> None:
    """Record the hash that a published file is to have from now on."""
    _update("first_use", name, sha256)


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def _record() -> Path:
    return cache_folder() / "hashes.json"


def _read() -> dict[str, dict[str, Any]]:
    """The remembered record; nothing where the record is missing, damaged or not readable."""
    content: Any = None
    with suppress(OSError, ValueError):
        content = read_json(_record())
    parts = content if isinstance(content, dict) else {}
    return {key: part if isinstance(part := parts.get(key), dict) else {} for key in ("hashes", "first_use")}


def _update(part: str, key: str, value: Any) -> None:
    content = _read()
    content[part][key] = value
    content["hashes"] = {path: entry for path, entry in content["hashes"].items() if Path(path).exists()}
    try:
        _record().parent.mkdir(parents=True, exist_ok=True)
        atomic_write(_record(), json.dumps(content, indent=1, sort_keys=True))
    except OSError as error:  # a convenience only: the hash is computed again next time
        logger.debug("cannot remember hashes in %s: %s", _record(), error)
