"""The words of the training command line."""

import argparse

__all__ = ["add_train_arguments"]


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """BasicSR's arguments, and ours."""
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="torchrun is found by itself")
    parser.add_argument("--auto_resume", action="store_true", help="go on from the newest complete training state")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="e.g. train:total_iter=500")
    parser.add_argument("--dry-run", action="store_true", help="build everything, run two steps, report, stop")
    parser.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
