"""JSON files: the one way in which they are read and written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iqa_sr.io.file_kinds import describe_content
from iqa_sr.io.files import atomic_write, read_text

__all__ = ["parse_json", "read_json", "write_json"]


def read_json(path: str | Path, what: str = "JSON file") -> Any:
    """The content of a JSON file.

    Args:
        path: Path of the file.
        what: Kind of the file in error messages.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is no ordinary file, no JSON, nested too deeply, or an object has a key twice.
        OSError: If it cannot be read.
    """
    text = read_text(path, what)
    try:
        return parse_json(text)
    except ValueError as error:
        kind = describe_content(text.encode("utf-8", "replace"))
        other = f"; it is {kind}" if kind and not kind.startswith("text") else ""
        raise ValueError(f"{path}: not valid JSON ({error}){other}") from None


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: If it is no JSON, is nested too deeply, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double[:80]!r} stands there twice")
    return found


def write_json(path: str | Path, content: Any, indent: int | None = None) -> None:
    """Write a value as a JSON file, whole or not at all; raises as `atomic_write`.

    Letters stay what they are, but for what stands for the bytes of names that are not UTF-8: only escaped does JSON
    hold them, and gives them back.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        text = json.dumps(content, indent=indent)
    atomic_write(path, text + "\n")
