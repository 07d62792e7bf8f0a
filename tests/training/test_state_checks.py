"""A damaged training state is an error that names the file and what is wrong in it."""

import pytest
import torch

from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.runtime import rng_state
from iqa_sr.training.resume import load_state_file
from iqa_sr.training.state_checks import check_state, errors_of_state


def whole_state():
    extras = {
        "epoch": 1,
        "iteration_in_epoch": 0,
        "seed": 3,
        "random": [rng_state.capture()],
        "best": {"val": {"psnr": {"val": 30.0, "iter": 2}}},
        "pool": {},
        "model": {},
    }
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-3}]}
    return {"epoch": 1, "iter": 2, "optimizers": [optimizer], "schedulers": [{"last_epoch": 2}], "iqa_sr": extras}


def changed(path, value):
    state = whole_state()
    *sections, key = path.split(":")
    section = state
    for one in sections:
        section = section[one]
    if value is KeyError:
        del section[key]
    else:
        section[key] = value
    return state


def test_a_whole_state_and_one_of_basicsr_are_taken(tmp_path):
    write_tensor_file(whole_state(), tmp_path / "2.state")
    assert load_state_file(tmp_path / "2.state")["iter"] == 2
    check_state(changed("iqa_sr", KeyError), "2.state")
    check_state({**whole_state(), "more": "of a later version"}, "2.state")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("iter", "two", "2.state:iter: .*got 'two'"),
        ("iter", -5, "2.state:iter: .*greater than or equal to 0, got -5"),
        ("iter", True, "2.state:iter: "),
        ("iter", 2.5, "2.state:iter: "),
        ("epoch", None, "2.state:epoch: "),
        ("optimizers", 5, "2.state:optimizers: .*got 5"),
        ("optimizers", [5], "2.state:optimizers:0: expected a section with keys, got 5"),
        ("schedulers", {}, "2.state:schedulers: "),
        ("iqa_sr", 5, "2.state:iqa_sr: expected a section with keys, got 5"),
        ("iqa_sr", {}, "2.state:iqa_sr:epoch: this key is required and missing\n.*iteration_in_epoch"),
        ("iqa_sr:epoch", -1, "2.state:iqa_sr:epoch: .*got -1"),
        ("iqa_sr:seed", "x", "2.state:iqa_sr:seed: .*got 'x'"),
        ("iqa_sr:random", [5], "2.state:iqa_sr:random:0: expected a section with keys, got 5"),
        ("iqa_sr:random", [{}], "2.state:iqa_sr:random:0:python: this key is required"),
        ("iqa_sr:best", [1], r"2.state:iqa_sr:best: expected a section with keys, got \[1\]"),
        ("iqa_sr:best", {"val": 3}, "2.state:iqa_sr:best:val: expected a section with keys, got 3"),
        ("iqa_sr:pool", None, "2.state:iqa_sr:pool: "),
        ("iqa_sr:model", KeyError, "2.state:iqa_sr:model: this key is required and missing"),
        ("iqa_sr:iteration_in_epoch", 10**9, "after 2 iterations a run cannot be in epoch 1, at its iteration 10{9}"),
        ("iqa_sr:epoch", 3, "after 2 iterations a run cannot be in epoch 3"),
    ],
)
def test_what_is_wrong_with_a_state_is_named(path, value, text):
    with pytest.raises(ValueError, match=text):
        check_state(changed(path, value), "2.state")


@pytest.mark.parametrize(
    "error", [AssertionError("Wrong lengths of optimizers"), KeyError("x"), TypeError("x"), IndexError("x")]
)
def test_what_a_run_stumbles_over_in_a_state_names_the_file(error):
    text = r"a/2\.state does not fit this run, or is damaged \(\w+: .*\n.*resume_state"
    with pytest.raises(ValueError, match=text), errors_of_state("a/2.state"):
        raise error


def test_errors_that_say_all_themselves_stay():
    for error, text in (
        (ValueError("different number of parameter groups"), r"^2\.state: different number"),
        (ValueError("cannot resume: x"), "^cannot resume: x$"),
        (TrainingStopped("x"), "^x$"),
        (torch.OutOfMemoryError("x"), "^x$"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "^DefaultCPUAllocator"),
    ):
        with pytest.raises((ValueError, RuntimeError), match=text), errors_of_state("2.state"):
            raise error
    assert issubclass(OptionError, ValueError)
