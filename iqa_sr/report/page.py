"""A report's content to one HTML page that needs nothing else: no network, no server."""

import json
import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

__all__ = ["SCRIPTS", "make_page", "plot_library"]

SCRIPTS = (
    "page.js",
    "table.js",
    "plots.js",
    "labels.js",
    "plane.js",
    "curves.js",
    "zoom.js",
    "browser.js",
    "extremes.js",
    "main.js",
)
"""Files of `assets/` in the order in which they are joined to one script."""


def make_page(content: Mapping[str, Any]) -> str:
    """HTML text of the page, with its style, scripts, data and plotly inside.

    Args:
        content: Content of the page, as `content.page_content` gives it.

    Raises:
        ModuleNotFoundError: If plotly is not installed.
    """
    script = "\n".join(_asset(name) for name in SCRIPTS)
    parts = {
        "title": escape(str(content["title"])),
        "style": _asset("page.css"),
        "data": as_script_text(content),
        "library": plot_library(),
        "script": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def as_script_text(content: Any) -> str:
    """JSON that can stand in a script element whatever the names hold: no `<`, which alone could end the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").encode("utf-8", "replace").decode("utf-8")


def plot_library() -> str:
    """plotly.js, as it comes with the Python package.

    Raises:
        ModuleNotFoundError: If plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'the plots of a report need plotly; install it with `pip install "iqa-sr[report]"` or `pip install plotly`'
        ) from None
    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return (resources.files("iqa_sr.report") / "assets" / name).read_text(encoding="utf-8")
