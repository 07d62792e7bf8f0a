"""What the log of a training tells that no other file does: numbers of images, checks of the guard, the last day."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.io.files import read_text

__all__ = ["GuardCheck", "RunLog", "read_run_log"]

_LINE = re.compile(r"(\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d,\d+ [A-Z]+: (.*)")
_SAMPLES = re.compile(r"([\d,]+) training samples, ([\d,]+) iterations an epoch")
_CHECK = re.compile(r"Guard, iteration (\d+): .*?: (?:no alarm|ALARM, (.+))$")
_ACTION = re.compile(r"Guard: ((?:back to |IQA loss weights |the run ends here|train:guard:action).+)")


@dataclass(frozen=True)
class GuardCheck:
    """One check of the guard.

    Attributes:
        iteration: Iteration at which it was made.
        alarm: Reasons for the alarm; empty where there was none.
        actions: Things that the guard did then, as the log says it.
    """

    iteration: int
    alarm: str
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunLog:
    """What the logs of a run tell.

    Attributes:
        day: Day of the last line, as `2030-01-31`; None without a log.
        samples: Number of training images, or groups of them; None where it is not told.
        checks: Checks of the guard in order of their iterations; of one that was made again, the last one.
    """

    day: str | None = None
    samples: int | None = None
    checks: tuple[GuardCheck, ...] = ()


def read_run_log(files: Iterable[Path]) -> RunLog:
    """Read the logs of a run.

    Args:
        files: The logs of all its starts, the first one first.

    Raises:
        ValueError: If one is no text.
        OSError: If one cannot be read.
    """
    day: str | None = None
    samples: int | None = None
    checks: dict[int, GuardCheck] = {}
    last: int | None = None
    for file in files:
        for line in read_text(file, "log of a training", errors="replace").splitlines():
            if (found := _LINE.match(line)) is None:
                continue
            day, text = found[1], found[2]
            if told := _SAMPLES.match(text):
                samples = int(told[1].replace(",", ""))
            elif told := _CHECK.match(text):
                last = int(told[1])
                checks = {number: check for number, check in checks.items() if number < last}  # a resumed run repeats
                checks[last] = GuardCheck(last, told[2] or "")
            elif (told := _ACTION.match(text)) and last is not None:
                before = checks[last]
                checks[last] = GuardCheck(last, before.alarm, (*before.actions, told[1].rstrip(".")))
    return RunLog(day, samples, tuple(checks.values()))
