"""`iqa-sr report`: folders of evaluations and trainings to one page."""

import argparse
import time
from pathlib import Path

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: folders of results, and the page's file, title and images."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="of an evaluation or a training, any number")
    parser.add_argument("--output", default="report.html", metavar="FILE", help="the page (default report.html)")
    parser.add_argument("--title", default="Super-resolution report", metavar="TEXT", help="of the page")
    parser.add_argument(
        "--images",
        choices=["auto", "inside", "beside", "none"],
        default="auto",
        help="inside the page, in a folder beside it, or neither (default: inside up to 20 MB)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it exists")
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page and say what is in it."""
    from iqa_sr import __version__
    from iqa_sr.io.files import atomic_write
    from iqa_sr.report.collect import read_report
    from iqa_sr.report.content import page_content
    from iqa_sr.report.images import place_images
    from iqa_sr.report.page import make_page, plot_library

    page = Path(args.output)
    if page.suffix not in (".html", ".htm"):
        raise ValueError(f"--output: expected a file that ends in .html, got {page}")
    if page.exists() and not args.overwrite:
        raise FileExistsError(f"--output: {page} exists; --overwrite replaces it")
    if not page.absolute().parent.is_dir():
        raise FileNotFoundError(f"--output: the folder {page.parent} does not exist")
    plot_library()
    report = read_report(args.folders)
    images = place_images(report, page, args.images)
    made = f"{time.strftime('%Y-%m-%d %H:%M')}, iqa-sr {__version__}"
    text = make_page(page_content(report, images, args.title, made))
    atomic_write(page, text)
    checkpoints = sum(not entry.checkpoint.reserved for entry in report.entries)
    where = f", which lie in {images.folder}" if images.folder else ""
    print(
        f"wrote {page} ({page.stat().st_size / 1e6:.1f} MB); checkpoints: {checkpoints}, "
        f"metrics: {len(report.metrics)}, images: {len(report.images)}{where}"
    )
    for note in (*report.notes, *images.notes):
        print(f"  note: {note}")
    return 0
