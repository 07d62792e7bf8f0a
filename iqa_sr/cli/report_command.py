"""`iqa-sr report`: folders of evaluations and trainings to one page."""

import argparse
import time
from pathlib import Path

from iqa_sr import __version__
from iqa_sr.io.atomic import atomic_write
from iqa_sr.report.collect import read_report
from iqa_sr.report.content import page_content
from iqa_sr.report.images import place_pictures
from iqa_sr.report.page import make_page, plot_library

__all__ = ["run_report"]


def run_report(chosen: argparse.Namespace) -> int:
    """Write the page and say what is in it.

    Args:
        chosen: What `add_report_arguments` describes.

    Returns:
        0.

    Raises:
        FileNotFoundError: If a folder is missing or holds nothing to report.
        FileExistsError: If the page exists and `--overwrite` was not given.
        ModuleNotFoundError: If plotly is not installed.
        ValueError: If a folder's content is damaged, or the page would have another ending.
    """
    page = _checked_output(Path(chosen.output), chosen.overwrite)
    plot_library()
    report = read_report(chosen.folders)
    pictures = place_pictures(report, page, chosen.pictures)
    made = f"{time.strftime('%Y-%m-%d %H:%M')}, iqa-sr {__version__}"
    text = make_page(page_content(report, pictures, chosen.title, made))
    atomic_write(page, text)
    checkpoints = sum(not entry.checkpoint.reserved for entry in report.entries)
    where = f", which lie in {pictures.folder}" if pictures.folder else ""
    print(
        f"wrote {page} ({page.stat().st_size / 1e6:.1f} MB); checkpoints: {checkpoints}, "
        f"metrics: {len(report.metrics)}, pictures: {len(report.pictures)}{where}"
    )
    for note in (*report.notes, *pictures.notes):
        print(f"  note: {note}")
    return 0


def _checked_output(page: Path, overwrite: bool) -> Path:
    if page.suffix not in (".html", ".htm"):
        raise ValueError(f"--output: expected a file that ends in .html, got {page}")
    if page.exists() and not overwrite:
        raise FileExistsError(f"--output: {page} exists; --overwrite replaces it")
    if not page.absolute().parent.is_dir():
        raise FileNotFoundError(f"--output: the folder {page.parent} does not exist")
    return page
