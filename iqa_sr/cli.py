"""The console command `iqa-sr`; each command imports what it needs when it runs."""

import argparse
import sys
from collections.abc import Callable, Sequence

from iqa_sr.cpu_threads import prepare_cpu_threads

__all__ = ["main"]

Add = Callable[[argparse.ArgumentParser], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `iqa-sr`.

    Args:
        arguments: Words of the command line; None for the process's own.

    Returns:
        The exit code: 0 when all went well, 1 after an error, 128 + a signal's number.
    """
    prepare_cpu_threads()
    parser = argparse.ArgumentParser(prog="iqa-sr", description="Super-resolution training guided by image quality.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (add, _, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        add(command)
        if name != "train":
            command.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    chosen = parser.parse_args(arguments)

    from iqa_sr.command_errors import report_errors

    return report_errors(lambda: COMMANDS[chosen.command][1](chosen), chosen.debug)


# --- train, verify-resume ---------------------------------------------------------------------------------------------


def _add_train(parser: argparse.ArgumentParser) -> None:
    from iqa_sr.train_arguments import add_train_arguments

    add_train_arguments(parser)


def _train(chosen: argparse.Namespace) -> int:
    from iqa_sr.train_command import run_training

    return run_training(chosen)


def _add_verify_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--at", type=int, default=5, metavar="N", help="interrupt after N iterations of 2N (default 5)")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="as for training")


def _verify_resume(chosen: argparse.Namespace) -> int:
    from iqa_sr.verify_resume import verify_resume

    if chosen.at < 1:
        raise ValueError(f"--at: expected at least 1, got {chosen.at}")
    return verify_resume(chosen.opt, chosen.at, chosen.force_yml)


COMMANDS: dict[str, tuple[Add, Callable[[argparse.Namespace], int], str]] = {
    "train": (_add_train, _train, "train a network, as train_sr.py does"),
    "verify-resume": (_add_verify_resume, _verify_resume, "prove that an interrupted run goes on bit by bit"),
}

if __name__ == "__main__":
    sys.exit(main())
