"""`iqa-sr table`: the table of a paper from evaluations, as Markdown, LaTeX or CSV."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import split_names

if TYPE_CHECKING:
    from iqa_sr.selection.sources import CandidateCheckpoints

__all__ = ["add_arguments", "run"]

ENDINGS = {".md": "markdown", ".tex": "latex", ".csv": "csv"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: rows, columns and output."""
    parser.add_argument("sources", nargs="+", metavar="RESULTS", help="results/RUN, experiments/NAME or a score table")
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="its metrics are the columns, scored by its rules: realsr-dm, ntire2026, paper, ...",
    )
    parser.add_argument(
        "--metric",
        dest="metrics",
        metavar="NAMES",
        help="by commas, with --protocol on top of its own (default: all that were scored)",
    )
    parser.add_argument(
        "--baseline", action="store_true", help="a row for bicubic, at scale 1 for the untouched input, too"
    )
    parser.add_argument("--images", metavar="PATTERN", help="only those, by their names in the scores, e.g. 'Set5/*'")
    parser.add_argument("--common", action="store_true", help="use the images that all checkpoints have")
    parser.add_argument("--exclude", action="append", default=[], metavar="LABEL", help="a checkpoint without a row")
    parser.add_argument(
        "--format",
        choices=[*ENDINGS.values()],
        help="default: by the ending of --output (.md, .tex, .csv), else markdown",
    )
    parser.add_argument("--output", metavar="FILE", help="where it is written (default: it is printed)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(args: argparse.Namespace) -> int:
    """Print or write the table; what a file of CSV has no place for goes to the standard error."""
    from iqa_sr.io.files import atomic_write
    from iqa_sr.scores.protocols import find_protocol
    from iqa_sr.table.content import make_table
    from iqa_sr.table.formats import FORMATS
    from iqa_sr.table.set_columns import read_set_columns

    output = None if args.output is None else Path(args.output)
    form = _format(args.format, output)
    if output is not None:
        _check_output(output, args.overwrite)
    protocol = find_protocol(args.protocol) if args.protocol else None
    metrics = None if args.metrics is None else split_names(args.metrics)
    folders = all(Path(path).is_dir() for path in args.sources)
    source = _read(args)
    sets = read_set_columns(source) if args.images is None else None  # numbers of all images of a data set
    table = make_table(source, protocol, metrics, folders, args.common, args.baseline, sets)
    text = FORMATS[form](table)
    if output is None:
        print(text, end="")
    else:
        atomic_write(output, text)
        rows = sum(len(block.rows) for block in table.blocks)
        print(f"wrote {output} ({form}); rows: {rows}, columns: {len(table.columns)}")
    if form == "csv":
        for note in table.notes:
            print(f"note: {note}", file=sys.stderr)
    return 0


def _format(asked: str | None, output: Path | None) -> str:
    if asked is not None or output is None:
        return asked or "markdown"
    if output.suffix.lower() not in ENDINGS:
        endings = ", ".join(f"{ending} ({name})" for ending, name in ENDINGS.items())
        raise ValueError(
            f"--output: expected a file that ends in {endings}, got {output}; --format names another one's"
        )
    return ENDINGS[output.suffix.lower()]


def _check_output(output: Path, overwrite: bool) -> None:
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"--output: the folder {output.parent} does not exist")
    if output.is_dir():
        raise IsADirectoryError(f"--output: expected a file, got the folder {output}")
    if output.exists() and not overwrite:
        raise FileExistsError(f"--output: {output} exists; --overwrite replaces it")


def _read(args: argparse.Namespace) -> "CandidateCheckpoints":
    from iqa_sr.selection.sources import read_sources

    source = read_sources(args.sources)
    source.leave_out(args.exclude, "--exclude")
    if args.images is not None:
        source.keep_images(args.images)
    if not source.files:
        found = ", ".join(f"{label} ({reason})" for label, reason in list(source.left_out.items())[:5])
        raise ValueError(f"{', '.join(args.sources)}: no checkpoint for a row; found {found or 'no scores'}")
    return source
