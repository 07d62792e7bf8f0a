"""The pages' parts: files of `assets/` as text, and values that can stand in a page."""

import json
from importlib import resources
from typing import Any

__all__ = ["as_script_text", "asset"]


def asset(package: str, name: str) -> str:
    """Text of a file in the `assets/` of a package.

    Args:
        package: Name of the package, as `iqa_sr.web`.
        name: Name of the file.
    """
    return (resources.files(package) / "assets" / name).read_text(encoding="utf-8")


def as_script_text(content: Any) -> str:
    """JSON that can stand in a script element whatever the names hold: no `<`, which alone could end the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").encode("utf-8", "replace").decode("utf-8")
