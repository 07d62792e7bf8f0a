"""The console command `iqa-sr`: one module for each command, of which only the chosen one's is imported.

When something is wrong it ends with one clear error of five lines, or all of an option file; exit code 1.
"""

import argparse
import errno
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from iqa_sr.cli.terminal import safe_output
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.runtime.threads import prepare_cpu_threads

__all__ = ["COMMANDS", "main", "report_errors"]

COMMANDS = {
    "train": "train a network, as train_sr.py does",
    "schema": "write the JSON Schema of option files, for completion and checks in an editor",
    "verify-resume": "prove that an interrupted run resumes bit by bit",
    "merge": "merge adapters of LoRA into their base, at any strength",
    "export": "write a network for other programs: plain weights or ONNX, compared with the checkpoint",
    "average": "average the weights of checkpoints that began with the same weights",
    "inspect": "show which network a file holds, and how its weights lie there",
    "upscale": "make images larger with a trained network, or restore them with one of scale 1",
    "check-data": "check the data sets of an option file, list every problem",
    "make-sample": "make the sample data set from scikit-image's photographs",
    "make-gts": "make enhanced ground truths from a folder of images",
    "select-patches": "cut images into detailed patches (HGGT's rule)",
    "make-triplets": "make lists of triplets for A-FINE's training",
    "score": "score images, alone or against references",
    "evaluate": "evaluate checkpoints on data sets, into a result folder",
    "label": "let people compare images in the browser, and show what their answers are worth",
    "agree": "measure how well metrics agree with human ratings",
    "pick": "choose a checkpoint by several metrics, with limits, and say why",
    "table": "make the table of a paper from evaluations: Markdown, LaTeX or CSV",
    "metrics": "list the metrics",
    "attack": "measure how far invisible changes raise the scores of metrics",
    "report": "make a page from evaluations and trainings: scores, plots, images",
    "card": "write the model card of an experiment, and its entry for OpenModelDB",
    "weights": "list, download, check and import weight files",
    "doctor": "show what this machine has and what is missing",
}
"""Each command and its help; `verify-resume` lives in `iqa_sr.cli.verify_resume`, as `add_arguments` and `run`."""

_EXPECTED = (ValueError, OSError, ModuleNotFoundError, TrainingStopped, KeyError, AssertionError, MemoryError)
_ELSEWHERE = "change to a folder of yours, or name one (--output, in an option file path:experiments_root)"
_WRITING = {
    errno.EACCES: f"no permission to read or write it; {_ELSEWHERE}",
    errno.EPERM: f"the system does not allow it; {_ELSEWHERE}",
    errno.EROFS: f"the file system is read-only; {_ELSEWHERE}",
    errno.ENOSPC: "the disk is full; free some space and give the same command again",
}
_SHARING_VIOLATION = 32  # of Windows, where what somebody has open cannot be replaced or removed
_LINES = 5
_LONGEST = 1000  # characters of a line: what is longer quotes a value that nobody reads to its end


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `iqa-sr`.

    Args:
        arguments: Arguments of the command line; None for the process's own.

    Returns:
        The exit code: 0 when all went well, 1 after an error, 128 + a signal's number.
    """
    prepare_cpu_threads()
    argv = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="iqa-sr", description="Super-resolution training guided by image quality.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}
    name = next((word for word in argv if not word.startswith("-")), None)
    if name in parsers:
        command = importlib.import_module(f"iqa_sr.cli.{name.replace('-', '_')}")
        command.add_arguments(parsers[name])
        parsers[name].add_argument("--debug", action="store_true", help="show the stack trace of an error")
    # Ends here where no command is named.
    with safe_output():  # of an error about an argument, too
        args = parser.parse_args(argv, argparse.Namespace(argv=argv))
    return report_errors(lambda: command.run(args), args.debug, parsers[args.command], getattr(args, "quiet", False))


def report_errors(command: Callable[[], int], debug: bool, parser: argparse.ArgumentParser, quiet: bool = False) -> int:
    """Run a command; errors that a user can fix are printed without their stack trace.

    Args:
        command: Returns the exit code.
        debug: Let every error through with its stack trace.
        parser: Parser of the command. Where a text names one of its arguments in backticks, as the library's errors do
            (`overwrite`), the flag is printed (--overwrite).
        quiet: Draw no progress bars.

    Returns:
        The command's exit code, 1 after an error, 130 after a keyboard interrupt.
    """
    with safe_output(quiet):
        return _reported(command, debug, parser)


def _reported(command: Callable[[], int], debug: bool, parser: argparse.ArgumentParser) -> int:
    try:
        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that what is still to be flushed fails no more
        return 141
    except (*_EXPECTED, ImportError, RuntimeError) as error:
        from iqa_sr.runtime.environment import import_cure

        if not debug and (cure := import_cure(error)):
            print(cure, file=sys.stderr)
            return 1
        from iqa_sr.runtime.memory import is_out_of_memory  # torch is there: its lack was told above

        if debug or not (isinstance(error, _EXPECTED) or is_out_of_memory(error)):
            raise
        flags = _flags(parser)
        text = re.sub(r"`(\w+)`", lambda match: flags.get(match[1], match[0]), _text(error))
        print(text, file=sys.stderr)
        return 1


def _flags(parser: argparse.ArgumentParser) -> dict[str, str]:
    """The flag of each argument by its name, subcommands included."""
    found: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                found |= _flags(part)
        elif action.option_strings:
            found[action.dest] = action.option_strings[0]
    return found


def _text(error: BaseException) -> str:
    """The message, that of a loader's worker without the stack trace that it was sent with."""
    text = str(error)
    if "Original Traceback" in text:
        rows = text.rstrip().splitlines()
        start = max((i for i, row in enumerate(rows) if row and not row.startswith((" ", "Traceback"))), default=0)
        # The message begins at the last line of the form `SomeError: text` and may go on below it.
        for i in range(len(rows) - 1, -1, -1):
            head = rows[i].split(":", 1)[0]
            if head.replace(".", "").isidentifier() and head.endswith(("Error", "Stopped", "Exception")):
                start = i
                break
        text = "\n".join([rows[start].split(": ", 1)[-1], *rows[start + 1 :]])
    if isinstance(error, KeyError):  # BasicSR looks its options up without a default
        text = text.strip("'\"")
        text = f"an option is missing or unknown: {text}"
    elif isinstance(error, OSError) and error.errno in _WRITING:
        text = _WRITING[error.errno]
        if getattr(error, "winerror", None) == _SHARING_VIOLATION:  # to Python a lack of permission
            text = "another program has it open; close that, and give the same command again"
        text = f"{_written_file(error)}{text}"
    elif not isinstance(error, _EXPECTED) or isinstance(error, MemoryError):
        text = f"memory does not suffice{f': {text}' if text else ''}"
    elif isinstance(error, AssertionError):
        text = f"BasicSR refused an option or an image: {text or 'no reason given; --debug shows where'}"
    lines = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in f"error: {text}".split("\n")]
    return "\n".join(lines if isinstance(error, OptionError) else lines[:_LINES])  # all that is wrong with a file


def _written_file(error: OSError) -> str:
    """The file that could not be written, by its own name where it was about to be renamed to it; with a colon."""
    if error.filename is None:
        return ""
    path = Path(os.fsdecode(error.filename))
    temporary = re.fullmatch(r"\.(.+)\.[0-9a-f]{32}\.tmp", path.name)
    return f"{path.with_name(temporary[1]) if temporary else path}: "


if __name__ == "__main__":
    sys.exit(main())
