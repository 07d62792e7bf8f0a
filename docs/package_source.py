"""A hook of mkdocs: the sources as they are installed, `losses/` and `samplers/` inside `iqa_sr/`, for mkdocstrings."""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "build" / "docs_sources"  # as in mkdocs.yml


def on_startup(**_: Any) -> None:
    """Copy the sources; nothing is imported."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    others = shutil.ignore_patterns("__pycache__", "data", "assets")
    shutil.copytree(ROOT / "iqa_sr", SOURCES / "iqa_sr", ignore=others)
    for name in ("losses", "samplers"):
        shutil.copytree(ROOT / name, SOURCES / "iqa_sr" / name, ignore=others)
