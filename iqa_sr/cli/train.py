"""The words of the training command line."""

import argparse
from collections.abc import Sequence

from iqa_sr.cli.errors import report_errors
from iqa_sr.training.launch import run_training

__all__ = ["add_train_arguments", "main"]


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """BasicSR's arguments, and ours."""
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="torchrun is found by itself")
    parser.add_argument("--auto_resume", action="store_true", help="go on from the newest complete training state")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="e.g. train:total_iter=500")
    parser.add_argument("--dry-run", action="store_true", help="build everything, run two steps, report, stop")
    parser.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def run(chosen: argparse.Namespace) -> int:
    """Train as the command line asks."""
    return run_training(chosen.opt, chosen.force_yml, chosen.auto_resume, chosen.dry_run, chosen.launcher)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of train_sr.py.

    Args:
        arguments: Words of the command line; None for the process's own.

    Returns:
        0 at the end, 1 after an error, 128 + the signal's number after a signal.
    """
    parser = argparse.ArgumentParser(
        prog="train_sr.py", description="Train a super-resolution network guided by image quality assessment."
    )
    add_train_arguments(parser)
    chosen = parser.parse_args(arguments)
    return report_errors(lambda: run(chosen), chosen.debug)
