"""A report's content to one HTML page that needs nothing else: no network, no server."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from iqa_sr.web.assets import as_script_text, asset

__all__ = ["SCRIPTS", "make_page", "plot_library"]

SHARED = ("elements.js", "theme.js", "zoom.js", "divider.js")
"""Files of `iqa_sr/web/assets/` that come before them."""

SCRIPTS = (
    "page.js",
    "table.js",
    "plots.js",
    "labels.js",
    "plane.js",
    "curves.js",
    "sets.js",
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
    scripts = [asset("iqa_sr.web", name) for name in SHARED] + [asset("iqa_sr.report", name) for name in SCRIPTS]
    script = "\n".join(scripts)
    parts = {
        "title": escape(str(content["title"])),
        "style": asset("iqa_sr.web", "base.css") + asset("iqa_sr.report", "page.css"),
        "data": as_script_text(content),
        "library": plot_library(),
        "script": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], asset("iqa_sr.report", "page.html"))


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
