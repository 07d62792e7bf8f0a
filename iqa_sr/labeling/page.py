"""The page on which images are compared, as one HTML text: its style and scripts are inside."""

import re

from iqa_sr.web.assets import asset

__all__ = ["make_page"]

_SHARED = ("elements.js", "theme.js", "zoom.js", "divider.js")
_SCRIPTS = (
    "modes.js",
    "stage.js",
    "connection.js",
    "viewing.js",
    "questions.js",
    "answers.js",
    "keys.js",
    "label.js",
)


def make_page(nonce: str) -> str:
    """HTML text of the page.

    Args:
        nonce: Number used once, by which the page's own style and script are told from any other.
    """
    scripts = [asset("iqa_sr.web", name) for name in _SHARED] + [asset("iqa_sr.labeling", name) for name in _SCRIPTS]
    script = "\n".join(scripts)
    parts = {
        "nonce": nonce,
        "style": asset("iqa_sr.web", "base.css") + asset("iqa_sr.labeling", "label.css"),
        "script": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], asset("iqa_sr.labeling", "label.html"))
