"""The fenced blocks of the documents."""

import re
import shlex
from typing import NamedTuple

from tests import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(<!-- run -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Snippet(NamedTuple):
    """One block: where it begins, its language, its text, and whether it is marked with `<!-- run -->`."""

    position: str
    language: str
    text: str
    run: bool


def snippets(language=None):
    """Those of all documents, or of one language."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            found.append(Snippet(f"{document.name}:{line}", match[2], match[3], bool(match[1])))
    return [one for one in found if language in (None, one.language)]


def commands(text):
    """The commands of a shell block, as lists of words; `VARIABLE=value` in front is left out."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                del command[0]
            yield command
