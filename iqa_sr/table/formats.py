"""A paper's table as text: Markdown, LaTeX, CSV."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from iqa_sr.scores.result_folder import GOLD_STANDARD
from iqa_sr.table.columns import Column
from iqa_sr.table.content import DataSetBlock, Means, PaperTable

__all__ = ["FORMATS", "csv_table", "latex_table", "markdown_table"]

GOLD_TITLE = "Gold standard"
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def markdown_table(table: PaperTable) -> str:
    """The table in Markdown with its notes below: the best mean bold, the second best underlined (`<u>`, HTML)."""
    heading = [*_first_titles(table), *(f"{_markdown(one.title)} {one.arrow}" for one in table.columns)]
    rows = [heading, ["---"] * len(_first_titles(table)) + ["---:"] * len(table.columns)]
    for block in table.blocks:
        first = _first_cells(table, block, _markdown)
        rows += [
            [*first, _markdown(name), *cells] for name, cells in _marked(block, table.columns, "**{}**", "<u>{}</u>")
        ]
        if block.gold is not None:
            rows.append([*first, GOLD_TITLE, *_texts(block.gold, table.columns)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    notes = ["Bold: best; underlined: second best; ↑ higher is better, ↓ lower is better.", *table.notes]
    return "\n".join([*lines, "", *(f"{_markdown(note)}  " for note in notes[:-1]), _markdown(notes[-1]), ""])


def latex_table(table: PaperTable) -> str:
    r"""The table as a `tabular` of the package booktabs, its notes above as comments.

    The best mean is `\textbf`, the second best `\underline`.
    """
    first = _first_titles(table)
    heading = [*first, *(f"{one.title} {one.arrow}" for one in table.columns)]
    lines = [
        f"% {note}" for note in ("needs \\usepackage{booktabs}", *(" ".join(note.split()) for note in table.notes))
    ]
    lines += [f"\\begin{{tabular}}{{{'l' * len(first)}{'r' * len(table.columns)}}}", "\\toprule"]
    lines.append(_latex_row([_latex(cell) for cell in heading]))
    for block in table.blocks:
        lines.append("\\midrule")
        before = _first_cells(table, block, _latex)
        for name, cells in _marked(block, table.columns, "\\textbf{{{}}}", "\\underline{{{}}}"):
            lines.append(_latex_row([*before, _latex(name), *cells]))
        if block.gold is not None:
            lines.append(_latex_row([*before, GOLD_TITLE, *_texts(block.gold, table.columns)]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def csv_table(table: PaperTable) -> str:
    """The table as CSV under the metrics' own names, without marks and notes; a cell without a mean is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["data set", "checkpoint", *(one.metric for one in table.columns)])
    for block in table.blocks:
        golds = {} if block.gold is None else {GOLD_STANDARD: block.gold}
        for name, means in (*block.rows.items(), *golds.items()):
            cells = ["" if mean is None else one.text(mean) for one, mean in zip(table.columns, means, strict=True)]
            writer.writerow([block.dataset, name, *cells])
    return text.getvalue()


FORMATS: dict[str, Callable[[PaperTable], str]] = {
    "markdown": markdown_table,
    "latex": latex_table,
    "csv": csv_table,
}
"""What writes each format."""


# --- Cells ------------------------------------------------------------------------------------------------------------


def _first_titles(table: PaperTable) -> list[str]:
    return ["Data set", "Method"] if len(table.blocks) > 1 else ["Method"]


def _first_cells(table: PaperTable, block: DataSetBlock, escaped: Callable[[str], str]) -> list[str]:
    return [escaped(block.dataset)] if len(table.blocks) > 1 else []


def _texts(means: Means, columns: Sequence[Column]) -> list[str]:
    return [column.text(mean) for column, mean in zip(columns, means, strict=True)]


def _marked(block: DataSetBlock, columns: Sequence[Column], best: str, second: str) -> list[tuple[str, list[str]]]:
    """Each row's name and cells, the best and the second best of each column in their patterns."""
    by_column = []
    for column, means in zip(columns, zip(*block.rows.values(), strict=True), strict=True):
        patterns = [("{}", best, second)[rank] for rank in column.ranks(means)]
        by_column.append([pattern.format(column.text(mean)) for pattern, mean in zip(patterns, means, strict=True)])
    return [(name, list(cells)) for name, cells in zip(block.rows, zip(*by_column, strict=True), strict=True)]


def _markdown(text: str) -> str:
    """A text whose signs are not read as Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
