"""The words of `iqa-sr report`."""

import argparse

__all__ = ["add_report_arguments"]


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Folders in, a page out."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="of an evaluation or a training, any number")
    parser.add_argument("--output", default="report.html", metavar="FILE", help="the page (default report.html)")
    parser.add_argument("--title", default="Super-resolution report", metavar="TEXT", help="of the page")
    parser.add_argument(
        "--pictures",
        choices=["auto", "inside", "beside", "none"],
        default="auto",
        help="inside the page, in a folder beside it, or neither (default: inside up to 20 MB)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it exists")
