"""What `train_sr.py` and `iqa-sr train` do: options read, processes started, the run trained."""

import logging
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from iqa_sr import plugin
from iqa_sr.basicsr_compat import BASICSR_VERSION
from iqa_sr.config.option_files import read_option_file
from iqa_sr.data.creation.sample_dataset import make_sample
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.models.options import QualityConfig, section_of
from iqa_sr.runtime import distributed
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions, build_softmax
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.training.dry_run import dry_run
from iqa_sr.training.experiment import Experiment
from iqa_sr.training.loop import build_run, train
from iqa_sr.training.progress_log import start_logging
from iqa_sr.training.resume import find_state, load_state_file, point_at_networks
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
) -> int:
    """Train as an option file says.

    Args:
        option_file: Its path.
        overrides: `section:key=value`, which replaces what the file says.
        auto_resume: Whether to resume from the newest complete training state.
        dry: Whether to build everything, run two steps, report and stop.
        launcher: `pytorch` where torchrun has started this process; it is found by itself.

    Returns:
        0 at the end, 128 + the signal's number after a signal.

    Raises:
        OptionError: With all that is wrong with the option file.
    """
    rank, world_size = distributed.start_processes(launcher)
    try:
        plugin.register()
        config = distributed.all_or_none(lambda: RunConfig.from_yaml(option_file, overrides))
        opt = config.basicsr_opt(rank, world_size, torch.cuda.device_count(), auto_resume)
        if isinstance(config.model, QualityConfig):
            _check_start(config.model, opt)
        distributed.on_rank_zero(lambda: _provide(config, opt), "what the run needs")
        start_logging(rank)
        base, made_by = opt["path"].get("pretrain_network_g"), opt["path"].get("pretrain_opt_g")
        needed = any(getattr(config.model.train, key, None) for key in ("lora", "guard"))  # also by a run that resumes
        if dry:
            if base and made_by and not needed and not Path(base).is_file():
                logger.info(
                    f"{base} does not exist; the run would train it first, the dry run begins with random values."
                )
                opt["path"]["pretrain_network_g"] = None
            return dry_run(build_run(config, opt), opt)
        state = _resume_state(opt) if auto_resume or opt["path"].get("resume_state") else None
        if base and made_by and (needed or state is None):
            sampler = getattr(config.datasets["train"], "sampler", None)
            if isinstance(sampler, SoftmaxOptions):
                build_softmax(sampler, "datasets:train:sampler")  # missing scores are told before hours of training
            if code := _train_base_where_missing(base, made_by, overrides, getattr(sampler, "type", None)):
                return code
        content = yaml.safe_dump(opt, sort_keys=False, allow_unicode=True, width=120)
        logger.info(f"BasicSR {BASICSR_VERSION}, torch {torch.__version__}, options:\n{textwrap.indent(content, '  ')}")
        return train(config, opt, Experiment(opt, option_file), state)
    finally:
        distributed.stop_processes()


def _check_start(model: QualityConfig, opt: Mapping[str, Any]) -> None:
    """An objective of several stages begins with the network of the stage before, or resumes its own."""
    name, path = model.objective_options.type, opt["path"]
    start = model.objective.needed_start(model.objective_options)
    resumed = opt["auto_resume"] and bool(ExperimentFolder(Path(path["experiments_root"])).states())
    if start is not None and not (resumed or path.get("pretrain_network_g") or path.get("resume_state")):
        raise OptionError(f"path:pretrain_network_g: expected {start}, with which {name} begins here, got nothing")


def _provide(config: RunConfig, opt: Mapping[str, Any]) -> None:
    """Make the sample data set where the options name it, and download weights: nothing is fetched during a run."""
    roots = [Path(str(section.get("dataroot_gt"))) for section in opt["datasets"].values()]
    if any(SAMPLE in (root, *root.parents) for root in roots) and not SAMPLE.exists():
        print(f"{SAMPLE} does not exist: making it from the photographs that come with scikit-image.", flush=True)
        make_sample(SAMPLE)
    if files := config.weight_files():
        find_all(files)


def _train_base_where_missing(checkpoint: str, option_file: str, overrides: Sequence[str], sampler: str | None) -> int:
    """Train the network that this run begins with, where its file is missing.

    Args:
        checkpoint: The file.
        option_file: How it is made.
        overrides: Of this run; what they say about data sets holds for the base as well, and about the sampler where
            it has the same one.
        sampler: The type of this run's sampler.

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
    command = [sys.executable, "-m", "iqa_sr.cli", "train", "-opt", option_file, "--auto_resume"]
    code = _run_to_its_end([*command, *(["--force_yml", *data] if data else [])])
    if code < 128 and (code or not Path(checkpoint).is_file()):
        told = f"ended with code {code}" if code else f"did not write {checkpoint}"
        raise TrainingStopped(f"the training of the base, {option_file}, {told}; this run has not begun")
    return code


def _run_to_its_end(command: Sequence[str]) -> int:
    """Run a training that saves when it is asked to stop: this process waits for it. Returns its exit code."""
    child = subprocess.Popen(command)
    # A terminal's Ctrl-C reaches the child by itself, and a second one would end it without saving.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: child.send_signal(number)),
    }
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """The state to go on from, its networks put into `path`; None for a fresh start."""
    path: Path | str | None = opt["path"].get("resume_state")
    if opt["auto_resume"]:
        networks = [key.removeprefix("network_") for key in opt if key.startswith("network_")]
        path = find_state(ExperimentFolder(Path(opt["path"]["experiments_root"])), networks)
        if path is None:
            logger.info("--auto_resume: no complete training state; starting from the beginning.")
    if not path:
        return None
    state = load_state_file(path)
    if state["iter"] >= opt["train"]["total_iter"]:
        logger.info(f"{path} is of the last iteration; raise train:total_iter to train on.")
    opt["path"]["resume_state"] = str(path)
    seed = state.get("iqa_sr", {}).get("seed", opt["manual_seed"])
    if seed != opt["manual_seed"]:  # an option file without a seed draws another one at every start
        logger.info(f"manual_seed {seed} of the run that is resumed is used, not {opt['manual_seed']}.")
        opt["manual_seed"] = seed
    # The state's own folder holds its networks, also when it belongs to another experiment.
    point_at_networks(opt, state, ExperimentFolder(Path(path).resolve().parent.parent))
    return state
