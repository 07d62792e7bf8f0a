"""The training loop behind train_sr.py: BasicSR's parts, exact resume, signals, progress, evaluation hooks."""

import copy
import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from iqa_sr.basicsr_compat import (
    DATASET_REGISTRY,
    MODEL_REGISTRY,
    build_dataset,
    build_loss,
    build_model,
    build_network,
    set_random_seed,
)
from iqa_sr.config.sections import Section, errors_of_options
from iqa_sr.data.leakage import check_together
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.datasets.sample_order import Place, build_train_loader
from iqa_sr.errors import OptionError
from iqa_sr.guard.monitor import RewardGuard
from iqa_sr.models.iqa_sr_model import IQASRModel
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.options import IQASRConfig, QualityConfig
from iqa_sr.models.stock_models import stop_at_nonfinite
from iqa_sr.runtime import distributed
from iqa_sr.training.experiment import Experiment
from iqa_sr.training.network_checks import check_networks
from iqa_sr.training.progress_log import ProgressLog
from iqa_sr.training.resume import attach_extras, restore_extras
from iqa_sr.training.state_checks import errors_of_state
from iqa_sr.training.validation_checks import check_images, validation_notes

if TYPE_CHECKING:
    from iqa_sr.training.run_config import RunConfig

__all__ = ["Interrupts", "build_run", "train"]

logger = logging.getLogger(__name__)


@dataclass
class Interrupts:
    """SIGINT and SIGTERM ask the loop to stop after the iteration; a second one stops at once."""

    received: int | None = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, the two signals are received; outside, they do what they did before."""
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class Run:
    """Everything that a training run consists of.

    Attributes:
        model: Of ours or of BasicSR.
        place: Where it stands in its data.
        val_loaders: The validation sets.
        reward_guard: The model's guard against reward hacking, or None.
    """

    model: Any
    place: Place
    val_loaders: list[Any]
    reward_guard: RewardGuard | None = None


def build_run(config: "RunConfig", opt: dict[str, Any]) -> Run:
    """Data sets, loaders and model, seeded; a guard has its windows.

    Args:
        config: The option file.
        opt: What BasicSR reads, derived from it.

    Raises:
        OptionError, ValueError, FileNotFoundError: What the parts find wrong with their options or data.
    """
    torch.backends.cudnn.benchmark = True
    set_random_seed((opt["manual_seed"] + opt["rank"]) % 2**32)  # numpy takes no larger one
    keys = ["train", *(key for key in config.datasets if key.split("_")[0] == "val")]
    datasets = {key: _build_dataset(config.datasets[key], opt["datasets"][key], key) for key in keys}
    if hasattr(datasets["train"], "contents"):  # whichever model learns from it
        check_together(datasets)
    train_set, *val_sets = datasets.values()
    loader, order = build_train_loader(train_set, opt)
    mode = opt["datasets"]["train"].get("prefetch_mode")
    if mode is not None:
        logger.info(f"prefetch_mode {mode} is not used: the loader's workers prefetch already.")
    if isinstance(config.model, IQASRConfig | QualityConfig):  # from its typed sections; BasicSR takes `opt` apart
        model = MODEL_REGISTRY.get(opt["model_type"])(copy.deepcopy(opt), config.model)
        logger.info(f"Model [{opt['model_type']}] is created.")
    else:
        model = _build_stock_model(opt)
        stop_at_nonfinite(model)
    for note in validation_notes(opt):
        logger.warning(note)
    sides: list[int] = []
    if opt.get("val") is not None and opt.get("scale") is not None:
        named = dict(zip(keys[1:], val_sets, strict=True))
        sides = check_images(named, config.model.metrics, opt["scale"], not isinstance(model, ModelBase))
    check_networks(model, opt, sides)
    if isinstance(model, IQASRModel) and isinstance(train_set, MultiGTDataset):
        model.use_dataset(train_set)
    place = Place(loader, order)
    epochs = math.ceil(opt["train"]["total_iter"] / len(loader))
    logger.info(
        f"{len(train_set)} training samples, {len(loader)} iterations an epoch, "
        f"{epochs} epochs, {opt['train']['total_iter']} iterations."
    )
    # One whole image after the other; the loader would draw a base seed from the run's generator otherwise.
    val_loaders = [DataLoader(val_set, generator=torch.Generator()) for val_set in val_sets]
    guard = model.reward_guard if isinstance(model, ModelBase) else None
    if guard is not None:
        guard.prepare(val_loaders[0], opt["scale"])
    return Run(model, place, val_loaders, guard)


def _build_stock_model(opt: dict[str, Any]) -> Any:
    """A model of BasicSR; where that fails, its parts are built one by one to find out which."""
    try:
        return build_model(opt)
    except (OptionError, OSError, ImportError):
        raise
    except Exception as error:
        for key in [key for key in opt if key.startswith("network_") and opt[key]]:
            build_network(opt[key], key)
        for key in [key for key, value in opt["train"].items() if key.endswith("_opt") and value]:
            build_loss(opt["train"][key], f"train:{key}")
        with errors_of_options({"type": opt["model_type"]}, "train"):
            raise error


def _build_dataset(section: Any, opt: dict[str, Any], key: str) -> Any:
    """A data set of ours from its typed section, one of BasicSR's as BasicSR builds it."""
    if not isinstance(section, Section):
        return build_dataset(opt, f"datasets:{key}")
    dataset = DATASET_REGISTRY.get(opt["type"])(section)
    logger.info(f"Dataset [{opt['type']}] - {opt['name']} is built.")
    return dataset


def train(config: "RunConfig", opt: dict[str, Any], experiment: Experiment, state: dict[str, Any] | None = None) -> int:
    """Train to the end, or until a signal.

    Args:
        config: The option file.
        opt: What BasicSR reads, derived from it.
        experiment: Where its results go.
        state: A training state to go on from, its networks already named in `opt['path']`.

    Returns:
        0 at the end, 128 + the signal's number after a signal.
    """
    run = build_run(config, opt)
    iteration = 0
    attach_extras(run.model, run.place, opt["manual_seed"])
    if state is not None:
        with errors_of_state(opt["path"].get("resume_state", "the training state")):
            run.model.resume_training(state)
        iteration = state["iter"]
        extras = state.get("iqa_sr", {"epoch": state.get("epoch", 0), "iteration_in_epoch": 0})
        run.place.epoch, run.place.iteration = extras["epoch"], extras["iteration_in_epoch"]
        logger.info(f"Resumed at iteration {iteration}.")
    if run.reward_guard is not None:
        run.reward_guard.begin()
    experiment.begin(iteration, fresh=state is None)
    progress = ProgressLog(opt, iteration, experiment.tensorboard, enabled=opt["rank"] == 0)
    interrupts = Interrupts()
    try:
        if state is not None:
            with errors_of_state(opt["path"].get("resume_state", "the training state")):
                restore_extras(run.model, state, opt["rank"])
        with interrupts.watched():
            iteration = _iterate(opt, run, experiment, progress, interrupts, iteration)
    finally:
        run.place.close()
        progress.close()
        experiment.close()
    if interrupts.received is not None and iteration < opt["train"]["total_iter"]:
        return 128 + interrupts.received
    return 0


def _iterate(
    opt: dict[str, Any],
    run: Run,
    experiment: Experiment,
    progress: ProgressLog,
    interrupts: Interrupts,
    iteration: int,
) -> int:
    """The iterations from here to the end or to a signal; returns the last one done."""
    model, total = run.model, opt["train"]["total_iter"]
    batches = run.place.batches()
    stop = ended = iteration >= total or (run.reward_guard is not None and run.reward_guard.stopped)
    while iteration < total and not stop:
        asked_at = time.monotonic()
        batch = next(batches)
        progress.step_began(time.monotonic() - asked_at)
        iteration += 1
        model.update_learning_rate(iteration, warmup_iter=opt["train"].get("warmup_iter", -1))
        model.feed_data(batch)
        model.optimize_parameters(iteration)
        progress.step_done()
        if iteration % opt["logger"]["print_freq"] == 0:
            values = model.get_current_log()
            progress.report(iteration, run.place.epoch, model.get_current_learning_rate(), values)
        stop = distributed.any_process(interrupts.received is not None, model.device)
        with progress.paused():
            ended = _keep(opt, run, experiment, iteration, stop)
        stop = stop or ended
    if ended:
        experiment.finish(model, iteration)
    else:
        experiment.tell_how_to_resume(iteration)
    return iteration


def _keep(opt: dict[str, Any], run: Run, experiment: Experiment, iteration: int, stop: bool) -> bool:
    """Look, validate and save where it is due, the state last, so that it holds what the others found.

    Returns:
        Whether the run is at its end, or the guard ends it.
    """
    total = opt["train"]["total_iter"]
    last = iteration >= total
    due_save = iteration % opt["logger"]["save_checkpoint_freq"] == 0
    try:
        last = _look(opt, run, experiment, iteration) or last
        wanted = experiment.validation is not None and run.val_loaders and (last or not stop)
        if wanted and (due_save or last or iteration % opt["val"]["val_freq"] == 0):
            experiment.validate(run.model, run.val_loaders, iteration)
    finally:  # a look or a validation that fails loses no training
        if due_save or (iteration < total and (stop or last)):
            logger.info(f"Saving networks and training state of iteration {iteration}.")
            run.model.save(run.place.epoch, iteration)
            distributed.barrier()  # torchrun ends all processes when one fails: not before the files are whole
    return last


def _look(opt: dict[str, Any], run: Run, experiment: Experiment, iteration: int) -> bool:
    """Let the guard look where it is due; returns whether it ends the run."""
    guard = run.reward_guard
    if guard is None:
        return False
    if iteration % guard.options.every == 0 or iteration >= opt["train"]["total_iter"]:
        guard.look(iteration, experiment.tensorboard)
    return bool(guard.stopped)
