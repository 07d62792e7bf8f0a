"""Shows on a user's own options that a resumed run is the uninterrupted one, bit by bit."""

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.runtime.new_process import python_command
from iqa_sr.scores.experiment_folder import ExperimentFolder

__all__ = ["ResumeCheck", "differences", "verify_resume"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResumeCheck:
    """Result of comparing a resumed run with an uninterrupted one.

    Attributes:
        files: Networks and training state, relative to the run's folder.
        differences: One line for each tensor or number that is not the same, bit by bit.
    """

    files: tuple[Path, ...]
    differences: tuple[str, ...]


def verify_resume(
    option_file: str,
    interrupt_at: int,
    overrides: Sequence[str] = (),
    work: Path | None = None,
    progress: Callable[[str], object] = logger.info,
) -> ResumeCheck:
    """Train twice as far as `interrupt_at`, once without and once with an interruption there, and compare everything.

    The second run is a new process that resumes from the training state of the first. Validation and TensorBoard are
    switched off; nothing is written outside a temporary folder, but for a base that is missing (`path:pretrain_opt_g`),
    which is trained first.

    Args:
        option_file: The user's option file.
        interrupt_at: Iteration at which the second run is interrupted.
        overrides: Changes of the option file, each `section:key=value`.
        work: Folder for the two runs; None for a temporary one.
        progress: Gets a line as each run begins.

    Returns:
        What differs of the networks and of the training state: nothing, if a resumed run is the uninterrupted one.

    Raises:
        ValueError: If a run fails; the text has its last lines.
    """
    name = apply_overrides(read_option_file(option_file), overrides).get("name")
    with tempfile.TemporaryDirectory() as temporary:
        root = work or Path(temporary)
        total = 2 * interrupt_at
        progress(f"1/2: {total} iterations without an interruption")
        _train(option_file, root / "whole", interrupt_at, overrides, [])
        whole, resumed = (ExperimentFolder(root / folder / str(name)) for folder in ("whole", "resumed"))
        shutil.copytree(whole.models, resumed.models)
        shutil.copytree(whole.training_states, resumed.training_states)
        for path in resumed.files_of(total):
            path.unlink()
        progress(f"2/2: resuming from iteration {interrupt_at} in a new process")
        _train(option_file, root / "resumed", interrupt_at, overrides, ["--auto_resume"])
        files = [path.relative_to(whole.path) for path in whole.files_of(total)]
        found = [line for file in files for line in _compare(whole.path / file, resumed.path / file)]
    return ResumeCheck(tuple(files), tuple(found))


def _train(option_file: str, root: Path, interrupt_at: int, overrides: Sequence[str], more: list[str]) -> None:
    forced = [
        *overrides,
        f"path:experiments_root={root}",
        f"train:total_iter={2 * interrupt_at}",
        f"logger:save_checkpoint_freq={interrupt_at}",
        "logger:use_tb_logger=false",
        "val=none",
    ]
    command = python_command("iqa_sr.cli.main:main", "train", "-opt", option_file, *more, "--force_yml", *forced)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-4:])
        raise ValueError(f"the training run ended with code {done.returncode}:\n{tail}")


def _compare(one: Path, other: Path) -> list[str]:
    if not other.is_file():
        return [f"{one.name}: the resumed run did not write it"]
    return [f"{one.name}: {line}" for line in differences(read_tensor_file(one), read_tensor_file(other))]


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Differences of two contents of tensor files, bit by bit; yields nothing when they are identical."""
    if type(one) is not type(other):
        yield f"{path}: {type(one).__name__} and {type(other).__name__}"
    elif isinstance(one, torch.Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            yield f"{path}: {tuple(one.shape)} {one.dtype} and {tuple(other.shape)} {other.dtype}"
        elif not torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8)):
            yield f"{path}: largest difference {(one.double() - other.double()).abs().max().item():.3g}"
    elif isinstance(one, dict):
        if list(one) != list(other):
            yield f"{path}: other keys"
        for key in [key for key in one if key in other]:
            yield from differences(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, (list, tuple)):
        if len(one) != len(other):
            yield f"{path}: {len(one)} and {len(other)} entries"
        for position, pair in enumerate(zip(one, other, strict=False)):
            yield from differences(*pair, f"{path}/{position}")
    elif one != other and not (one != one and other != other):  # two NaN are the same
        yield f"{path}: {one!r} and {other!r}"
