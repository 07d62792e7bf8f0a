"""The console command `iqa-sr`: one module for each command, of which only the chosen one's is imported."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from iqa_sr.runtime.threads import prepare_cpu_threads

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "train": "train a network, as train_sr.py does",
    "verify-resume": "prove that an interrupted run goes on bit by bit",
    "merge": "merge adapters of LoRA into their base, at any strength",
    "upscale": "make pictures larger with a trained network",
    "check-data": "check the data sets of an option file, list every problem",
    "make-sample": "make the sample data set from scikit-image's photographs",
    "make-gts": "make enhanced ground truths from a folder of pictures",
    "select-patches": "cut pictures into detailed patches (HGGT's rule)",
    "make-triplets": "make lists of triplets for A-FINE's training",
    "score": "score pictures, alone or against references",
    "evaluate": "evaluate checkpoints on data sets, into a result folder",
    "agree": "measure how well metrics agree with people",
    "pick": "choose a checkpoint by several metrics, with limits, and say why",
    "metrics": "list the metrics",
    "report": "make a page from evaluations and trainings: scores, plots, pictures",
    "weights": "list, download, check and import weight files",
}
"""Each command and its help; `verify-resume` lives in `iqa_sr.cli.verify_resume`, as `add_arguments` and `run`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `iqa-sr`.

    Args:
        arguments: Words of the command line; None for the process's own.

    Returns:
        The exit code: 0 when all went well, 1 after an error, 128 + a signal's number.
    """
    prepare_cpu_threads()
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="iqa-sr", description="Super-resolution training guided by image quality.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}
    name = next((word for word in words if not word.startswith("-")), None)
    if name in parsers:
        command = importlib.import_module(f"iqa_sr.cli.{name.replace('-', '_')}")
        command.add_arguments(parsers[name])
        parsers[name].add_argument("--debug", action="store_true", help="show the stack trace of an error")
    args = parser.parse_args(words)  # ends here where no command is named

    from iqa_sr.cli.errors import report_errors

    return report_errors(lambda: command.run(args), args.debug, parsers[args.command])


if __name__ == "__main__":
    sys.exit(main())
