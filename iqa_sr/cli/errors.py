"""How a command ends when something is wrong: one clear error of five lines, or all of an option file; exit code 1."""

import argparse
import re
import sys
from collections.abc import Callable

import torch

from iqa_sr.errors import OptionError, TrainingStopped

__all__ = ["report_errors"]

EXPECTED = (ValueError, OSError, ModuleNotFoundError, torch.OutOfMemoryError)
LINES = 5


def report_errors(command: Callable[[], int], debug: bool, parser: argparse.ArgumentParser) -> int:
    """Run a command; errors that a user can mend are printed without their stack trace.

    Args:
        command: Returns the exit code.
        debug: Let every error through with its stack trace.
        parser: Of the command. Where a text names one of its arguments in backticks, as the library's errors do
            (`overwrite`), the flag is printed (--overwrite).

    Returns:
        The command's exit code, 1 after an error, 130 after a keyboard interrupt.
    """
    try:
        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (*EXPECTED, TrainingStopped, KeyError, AssertionError) as error:
        if debug:
            raise
        flags = _flags(parser)
        text = re.sub(r"`(\w+)`", lambda match: flags.get(match[1], match[0]), _text(error))
        print(text, file=sys.stderr)
        return 1


def _flags(parser: argparse.ArgumentParser) -> dict[str, str]:
    """By the name of each argument, also of actions below the command."""
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
    elif isinstance(error, AssertionError):
        text = f"BasicSR refused an option or a picture: {text or 'no reason given; --debug shows where'}"
    lines = f"error: {text}".splitlines()
    return "\n".join(lines if isinstance(error, OptionError) else lines[:LINES])  # all that is wrong with a file
