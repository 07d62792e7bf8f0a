"""Runs `train_sr.py` on toy option files in the working directory, and reads what a run named `toy` has left."""

import re
from pathlib import Path

import numpy as np
import pytest

from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.verify_resume import differences
from tests.helpers.sr_datasets import write_options

RUN = Path("experiments/toy")


def train(section, *more):
    """Train by a mapping of options; returns the exit status."""
    return main(["-opt", write_options("options.yml", section), *more])


def finished_run(folder, section):
    """Train in a folder; returns it and the run's log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert train(section) == 0
    return folder, "".join(path.read_text() for path in (folder / RUN).glob("*.log"))


def losses_of(log, name):
    """A loss or figure of every line that has it."""
    return np.array([float(value) for value in re.findall(rf"(?<!\w){name}: (\S+)", log)])


def resume(whole, section, *, stored, extra=()):
    """Go on here from what a finished run stored at iteration `stored`; where the two ends differ.

    `extra` names further files of the run to compare.
    """
    total = section["train"]["total_iter"]
    for file in _checkpoint(stored):
        (RUN / file).parent.mkdir(parents=True, exist_ok=True)
        (RUN / file).write_bytes((whole / RUN / file).read_bytes())
    assert train(section, "--auto_resume") == 0
    return [
        difference
        for file in (*_checkpoint(total), *extra)
        for difference in differences(read_tensor_file(whole / RUN / file), read_tensor_file(RUN / file), file)
    ]


def _checkpoint(iteration):
    return f"models/net_g_{iteration}.pth", f"training_states/{iteration}.state"
