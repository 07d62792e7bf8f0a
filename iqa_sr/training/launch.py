"""Entry point of `train_sr.py` and `iqa-sr train`: options read, processes started, the run trained."""

import logging
import signal
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
import yaml

from iqa_sr import plugin
from iqa_sr.basicsr_compat import BASICSR_VERSION
from iqa_sr.config.option_files import read_option_file
from iqa_sr.data.creation.sample_dataset import make_sample
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.io.files import remove_temporaries
from iqa_sr.models.options import IQASRConfig, QualityConfig, section_of
from iqa_sr.runtime import distributed
from iqa_sr.runtime.command_line import ON_WINDOWS, command_text
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.runtime.memory_limits import LITTLE_MEMORY, available_memory
from iqa_sr.runtime.new_process import python_command
from iqa_sr.runtime.signals import STOPPING
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions, build_softmax
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.training.dry_run import dry_run
from iqa_sr.training.experiment import Experiment, check_folder
from iqa_sr.training.loop import build_run, train
from iqa_sr.training.option_checks import without_effect
from iqa_sr.training.progress_log import start_logging
from iqa_sr.training.resume import prepare_resume, with_held_out_of
from iqa_sr.training.run_config import RunConfig
from iqa_sr.weights.store import find_all

__all__ = ["run_training"]

logger = logging.getLogger(__name__)

SAMPLE = Path("datasets") / "sample"


def run_training(
    option_file: str,
    overrides: Sequence[str] = (),
    auto_resume: bool = False,
    dry: bool = False,
    launcher: Literal["none", "pytorch"] = "none",
    command: Sequence[str] | None = None,
    quiet: bool = False,
) -> int:
    """Train as an option file says.

    Args:
        option_file: Path of the option file.
        overrides: Overrides `section:key=value`, which replace what the file says.
        auto_resume: Whether to resume from the newest complete training state.
        dry: Whether to build everything, run two steps, report and stop.
        launcher: `pytorch` where torchrun has started this process; it is found by itself.
        command: The arguments of the command line, for the messages on how to resume; made of the other arguments if
            None.
        quiet: Warnings and errors alone on the console, but for the report of a dry run; the log file gets everything.

    Returns:
        0 at the end, 128 + the signal's number after a signal.

    Raises:
        OptionError: With all that is wrong with the option file.
        TrainingStopped: If another run is going on in the same folder.
    """
    if command is None:
        command = ["python", "train_sr.py", "-opt", option_file, "--launcher", launcher]
        command += ["--force_yml", *overrides] if overrides else []
        command += ["--auto_resume"] if auto_resume else []
    resume = command_text([*command, *([] if auto_resume else ["--auto_resume"])])
    rank, world_size = distributed.start_processes(launcher)
    held = ExitStack()
    try:
        plugin.register()
        config = distributed.all_or_none(lambda: RunConfig.from_yaml(option_file, overrides))
        opt = config.basicsr_opt(rank, world_size, torch.cuda.device_count(), auto_resume)
        if isinstance(config.model, QualityConfig):
            _check_start(config.model, opt)
        distributed.on_rank_zero(lambda: _provide(config, opt, quiet), "what the run needs")
        start_logging(rank, quiet and not dry)
        _tell_of_little_memory()
        for line in without_effect(config.options, config.model):
            logger.warning(line)
        base, made_by = opt["path"].get("pretrain_network_g"), opt["path"].get("pretrain_opt_g")
        needed = isinstance(config.model, IQASRConfig) and bool(config.model.needing_base)  # also by a run that resumes
        if dry:
            if base and made_by and not needed and not Path(base).is_file():
                logger.info(
                    f"{base} does not exist; the run would train it first, the dry run begins with random values."
                )
                opt["path"]["pretrain_network_g"] = None
            return dry_run(build_run(config, opt), opt)
        check_folder(opt, fresh=False)  # nothing is removed from one that is not the run's
        distributed.on_rank_zero(lambda: _take_folder(held, opt, command_text(command)), "the start")
        state = prepare_resume(config, opt)
        config = with_held_out_of(config, state)
        check_folder(opt, fresh=state is None)
        if base and made_by and (needed or state is None):
            sampler = getattr(config.datasets["train"], "sampler", None)
            if isinstance(sampler, SoftmaxOptions):
                build_softmax(sampler, "datasets:train:sampler")  # missing scores are told before hours of training
            theirs = getattr(sampler, "type", None)
            if code := _train_base_where_missing(base, made_by, overrides, theirs, quiet):
                logger.info(f"The run itself has not begun. Resume with:\n  {resume}")
                return code
        content = yaml.safe_dump(opt, sort_keys=False, allow_unicode=True, width=120)
        logger.info(f"BasicSR {BASICSR_VERSION}, torch {torch.__version__}, options:\n{textwrap.indent(content, '  ')}")
        return train(config, opt, Experiment(opt, option_file, resume), state)
    finally:
        held.close()
        distributed.stop_processes()


def _check_start(model: QualityConfig, opt: Mapping[str, Any]) -> None:
    """An objective of several stages begins with the network of the stage before, or resumes its own."""
    name, path = model.objective_options.type, opt["path"]
    start = model.objective.needed_start(model.objective_options)
    resumed = opt["auto_resume"] and bool(ExperimentFolder(Path(path["experiments_root"])).states())
    if start is not None and not (resumed or path.get("pretrain_network_g") or path.get("resume_state")):
        raise OptionError(f"path:pretrain_network_g: expected {start}, with which {name} begins here, got nothing")


def _tell_of_little_memory() -> None:
    free = available_memory()
    if free is not None and free < LITTLE_MEMORY:
        logger.warning(
            f"Only {free / 2**30:.1f} GiB of memory are free, and a run of small networks takes about 1.5; where it is "
            "killed, set num_worker_per_gpu: 0, a smaller batch_size_per_gpu or a smaller gt_size."
        )


def _take_folder(held: ExitStack, opt: Mapping[str, Any], command: str) -> None:
    """Lock the folder of the run, and remove what killed runs have left half written there."""
    folder = Path(opt["path"]["experiments_root"])
    held.enter_context(locked(folder, command))
    if count := remove_temporaries(folder):
        logger.info(f"{folder}: {count} temporary files of a run that was killed are removed.")


def _provide(config: RunConfig, opt: Mapping[str, Any], quiet: bool) -> None:
    """Make the sample data set where the options name it, and download weights: nothing is fetched during a run."""
    roots = [Path(str(section.get("dataroot_gt"))) for section in opt["datasets"].values()]
    if any(SAMPLE in (root, *root.parents) for root in roots) and not SAMPLE.exists():
        if not quiet:
            print(f"{SAMPLE} does not exist: making it from the photographs that come with scikit-image.", flush=True)
        make_sample(SAMPLE)
    if files := config.weight_files():
        find_all(files)


def _train_base_where_missing(
    checkpoint: str, option_file: str, overrides: Sequence[str], sampler: str | None, quiet: bool
) -> int:
    """Train the network that this run begins with, where its file is missing.

    Args:
        checkpoint: Path of the checkpoint file.
        option_file: Path of the option file that trains it.
        overrides: Overrides of this run; what they say about data sets holds for the base as well, and about the
            sampler where it has the same one.
        sampler: Type of this run's sampler.
        quiet: Whether the console gets only the warnings and errors of that training.

    Returns:
        0 if it is there, 128 + a signal's number if its training was stopped; it goes on when this run is begun again.
    """
    if Path(checkpoint).is_file():
        logger.info(f"The run begins with {checkpoint}, which is there already; it is not trained anew.")
        return 0
    if distributed.world_size() > 1:
        raise FileNotFoundError(f"{checkpoint} does not exist; make it first: train_sr.py -opt {option_file}")
    logger.info(f"{checkpoint} does not exist: training it first, by {option_file}.")
    data = [override for override in overrides if override.startswith("datasets:")]
    theirs = section_of(section_of(section_of(read_option_file(option_file), "datasets"), "train"), "sampler")
    if theirs.get("type") != sampler:
        data = [override for override in data if not override.startswith("datasets:train:sampler")]
    command = python_command("iqa_sr.cli.main:main", "train", "-opt", option_file, "--auto_resume")
    command += ["--quiet"] if quiet else []
    code = _run_to_its_end([*command, *(["--force_yml", *data] if data else [])])
    if code < 128 and (code or not Path(checkpoint).is_file()):
        told = f"ended with code {code}" if code else f"did not write {checkpoint}"
        raise TrainingStopped(f"the training of the base, {option_file}, {told}; this run has not begun")
    return code


def _run_to_its_end(command: Sequence[str]) -> int:
    """Run a training that saves when it is asked to stop: this process waits for it. Returns its exit code."""
    child = subprocess.Popen(command)

    def pass_on(number: int, _: FrameType | None) -> None:
        # What reaches both, as a terminal's Ctrl-C does, is one request for the child. Windows can send none, and its
        # terminal has reached the child, which goes on to its save.
        if not ON_WINDOWS:
            child.send_signal(number)

    before = {
        number: signal.signal(number, pass_on) for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
