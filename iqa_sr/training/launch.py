"""What `train_sr.py` and `iqa-sr train` do: options read, processes started, the run trained."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat.host import basicsr_version, get_root_logger
from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.data.creation.sample_dataset import make_sample
from iqa_sr.errors import TrainingStopped
from iqa_sr.models.validation import declare_directions
from iqa_sr.runtime import distributed
from iqa_sr.training.dry_run import dry_run
from iqa_sr.training.experiment import Experiment
from iqa_sr.training.loop import train
from iqa_sr.training.option_checks import check_options
from iqa_sr.training.progress_log import options_text, start_logging
from iqa_sr.training.required_weights import check_policy, find_run_weights
from iqa_sr.training.resume import find_state, load_state_file, point_at_networks
from iqa_sr.training.run_options import complete_options

__all__ = ["LaunchArguments", "load_options", "run_training"]

SAMPLE = Path("datasets") / "sample"


@dataclass(frozen=True)
class LaunchArguments:
    """Which run, and how it is started.

    Attributes:
        option_file: YAML.
        overrides: Changes of it, each `section:key=value`.
        auto_resume: Whether to go on from the newest complete training state.
        launcher: `pytorch` where torchrun's processes must be found; `none` finds them, too.
        dry_run: Whether to stop after two steps and a report.
    """

    option_file: str
    overrides: tuple[str, ...] = ()
    auto_resume: bool = False
    launcher: str = "none"
    dry_run: bool = False


def load_options(args: LaunchArguments, rank: int = 0, world_size: int = 1) -> dict[str, Any]:
    """The checked options of a run."""
    plugin.register()
    options = apply_overrides(read_option_file(args.option_file), args.overrides)
    opt = complete_options(options, rank, world_size, torch.cuda.device_count())
    opt["auto_resume"] = args.auto_resume
    check_options(opt)
    check_policy(opt)
    declare_directions(opt)
    return opt


def run_training(args: LaunchArguments) -> int:
    """Train; 0 at the end, 128 + the signal's number after a signal."""
    rank, world_size = distributed.start_processes(args.launcher)
    try:
        opt = load_options(args, rank, world_size)
        if rank == 0:
            _make_sample_where_named(opt)
            find_run_weights(opt)  # one process downloads what is missing; nothing is fetched in the middle of a run
        distributed.barrier()
        start_logging(rank)
        if args.dry_run:
            return dry_run(opt)
        code = _train_base_where_missing(opt, args.overrides)
        if code:
            return code
        state = _resume_state(opt)
        get_root_logger().info(f"BasicSR {basicsr_version()}, torch {torch.__version__}, options:\n{options_text(opt)}")
        return train(opt, Experiment(opt, args.option_file), state)
    finally:
        distributed.stop_processes()


def _make_sample_where_named(opt: dict[str, Any]) -> None:
    """Make the sample data set when the options name it and it is not there."""
    roots = [Path(str(section.get("dataroot_gt"))) for section in opt["datasets"].values()]
    if any(SAMPLE in (root, *root.parents) for root in roots) and not SAMPLE.exists():
        print(f"{SAMPLE} does not exist: making it from the photographs that come with scikit-image.", flush=True)
        make_sample(SAMPLE)


def _train_base_where_missing(opt: dict[str, Any], overrides: Sequence[str]) -> int:
    """Train the network that this run begins with, where its file is missing and the options say how it is made.

    What the overrides say about data sets holds for the base as well.

    Returns:
        0 if it is there, 128 + a signal's number if its training was stopped; it goes on when this run is begun again.
    """
    checkpoint, option_file = opt["path"].get("pretrain_network_g"), opt["path"].get("pretrain_opt_g")
    if not checkpoint or not option_file:
        return 0
    if Path(checkpoint).is_file():
        get_root_logger().info(f"The run begins with {checkpoint}, which is there already; it is not trained anew.")
        return 0
    if opt["dist"]:
        raise FileNotFoundError(f"{checkpoint} does not exist; make it first: train_sr.py -opt {option_file}")
    get_root_logger().info(f"{checkpoint} does not exist: training it first, by {option_file}.")
    data = [override for override in overrides if override.startswith("datasets:")]
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
        path = find_state(Path(opt["path"]["training_states"]), networks)
        if path is None:
            get_root_logger().info("--auto_resume: no complete training state; starting from the beginning.")
    if not path:
        return None
    state = load_state_file(path)
    if state["iter"] >= opt["train"]["total_iter"]:
        get_root_logger().info(f"{path} is of the last iteration; raise train:total_iter to train on.")
    opt["path"]["resume_state"] = str(path)
    seed = state.get("iqa_sr", {}).get("seed", opt["manual_seed"])
    if seed != opt["manual_seed"]:  # an option file without a seed draws another one at every start
        get_root_logger().info(f"manual_seed {seed} of the run that is resumed is used, not {opt['manual_seed']}.")
        opt["manual_seed"] = seed
    # The state's own folder holds its networks, also when it belongs to another experiment.
    point_at_networks(opt, state, Path(path).resolve().parent)
    return state
