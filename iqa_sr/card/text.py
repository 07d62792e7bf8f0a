"""Small parts of a page in Markdown."""

import re
from collections.abc import Sequence

__all__ = ["code", "joined", "table"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table, the heading first; what would end a cell is escaped.

    Args:
        rows: Rows of cells in Markdown, all of the same length.
    """
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def code(text: str) -> str:
    """A text as it is, whatever it holds: between as many backticks as it needs."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def joined(names: Sequence[str]) -> str:
    """Names with commas and an "and" before the last one."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
