"""`iqa-sr doctor`: what this machine has, what is missing, and what to do about it."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iqa_sr.runtime.environment import Check

__all__ = ["add_arguments", "run"]

_VARIABLES = ("IQA_SR_WEIGHTS", "IQA_SR_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HUB_OFFLINE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(args: argparse.Namespace) -> int:
    """Print one line for each check, what to do below it; 1 if something will fail."""
    from iqa_sr import __version__
    from iqa_sr.runtime.environment import environment_checks

    print(f"iqa_sr {__version__}")
    problems = 0
    for check in _all(environment_checks(Path.cwd())):
        problems += check.state == "problem"
        print(f"{_MARKS[check.state]:8} {check.name}: {check.found}", flush=True)
        if check.cure:
            print(f"{'':8}   -> {check.cure}")
    print(f"{problems} problem{'s' * (problems != 1)}; lines marked `note` are for those who need what they name")
    return 1 if problems else 0


_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def _all(first: Iterator["Check"]) -> Iterator["Check"]:
    """The checks of the environment, and where torch can be used those of what it is used for."""
    usable = True
    for check in first:
        usable = usable and check.state != "problem"
        yield check
    if usable:
        yield from _weights()
    yield from _variables()


def _weights() -> Iterator["Check"]:
    """Metrics that have their weights here, and those that would be downloaded."""
    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.runtime.environment import Check
    from iqa_sr.weights.locations import search_folders
    from iqa_sr.weights.store import WEIGHT_FILES, is_present

    files = {name: [WEIGHT_FILES[file] for file in metric_info(name).weights] for name in metric_names()}
    barred = {name: file.package.problem() for name, own in files.items() for file in own if file.package}
    barred = {name: problem for name, problem in barred.items() if problem}
    whole = [name for name, own in files.items() if all(is_present(file.name) for file in own)]
    ready = [name for name in whole if name not in barred]
    text = f"{len(ready)} of {len(files)} metrics have all that they need: {', '.join(ready)}"
    cure = (
        ""
        if len(whole) == len(files)
        else "the others' weights: iqa-sr weights pull METRIC; all but folders of 16 GB come at first use, too"
    )
    yield Check("metrics", "ok", text, cure)
    if barred:
        yield Check(", ".join(barred), "note", "cannot be used", "; ".join(dict.fromkeys(barred.values())))
    folders = (
        ", ".join(str(folder) for _, folder in search_folders() if folder.is_dir()) or "none of the folders exists"
    )
    yield Check("weights", "ok", f"searched in {folders}")


def _variables() -> Iterator["Check"]:
    from iqa_sr.runtime.environment import Check

    for name in _VARIABLES:
        if value := os.environ.get(name):
            missing = name == "IQA_SR_WEIGHTS" and not Path(value).is_dir()
            yield Check(name, "note" if missing else "ok", value, "there is no such folder" if missing else "")
