"""The training loop behind train_sr.py: BasicSR's parts, exact resume, signals, progress, evaluation hooks."""

import copy
import logging
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from iqa_sr.config.class_arguments import errors_of_options
from iqa_sr.config.sections import Section
from iqa_sr.data.leakage import check_together
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.datasets.sample_order import DataCursor, build_train_loader
from iqa_sr.errors import OptionError
from iqa_sr.guard.monitor import RewardGuard
from iqa_sr.models.iqa_sr_model import IQASRModel
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.options import IQASRConfig, QualityConfig
from iqa_sr.models.stock_models import stop_at_nonfinite
from iqa_sr.runtime import distributed
from iqa_sr.runtime.signals import Interrupted, Interrupts
from iqa_sr.training.experiment import Experiment
from iqa_sr.training.network_checks import check_networks
from iqa_sr.training.option_checks import model_names
from iqa_sr.training.progress_log import ProgressLog
from iqa_sr.training.resume import attach_extras, restore_extras, restore_random, resume_model
from iqa_sr.training.resume_options import recorded_options
from iqa_sr.training.saving import RunSaver
from iqa_sr.training.state_checks import errors_of_state
from iqa_sr.training.validation_checks import check_images, validation_notes

if TYPE_CHECKING:
    from iqa_sr.training.run_config import RunConfig

__all__ = ["build_run", "train"]

logger = logging.getLogger(__name__)


@dataclass
class TrainingRun:
    """Parts of a training run: model, position in the data, validation sets and guard.

    Attributes:
        model: A model, ours or BasicSR's.
        cursor: Position of the run in its training data.
        val_loaders: The validation sets.
        reward_guard: The model's guard against reward hacking, or None.
    """

    model: Any
    cursor: DataCursor
    val_loaders: list[Any]
    reward_guard: RewardGuard | None = None


def build_run(config: "RunConfig", opt: dict[str, Any]) -> TrainingRun:
    """Data sets, loaders and model, seeded; a guard has its windows.

    Args:
        config: Parsed option file.
        opt: Options as BasicSR reads them, derived from `config`.

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
        results = Path(opt["path"]["visualization"])
        sides = check_images(named, config.model.metrics, opt["scale"], results, not isinstance(model, ModelBase))
    check_networks(model, opt, sides)
    if isinstance(model, IQASRModel) and isinstance(train_set, MultiGTDataset):
        model.use_dataset(train_set)
    cursor = DataCursor(loader, order)
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
    return TrainingRun(model, cursor, val_loaders, guard)


def _build_stock_model(opt: dict[str, Any]) -> Any:
    """A model of BasicSR; where that fails, its parts are built one by one to find out which."""
    try:
        return build_model(opt)
    except (OptionError, OSError, ImportError):
        raise
    except Exception as error:
        if not opt.get("network_d") and model_names(opt["model_type"], "network_d"):
            raise OptionError(f"network_d: expected the discriminator that {opt['model_type']} trains") from error
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
        config: Parsed option file.
        opt: Options as BasicSR reads them, derived from `config`.
        experiment: Experiment folder and TensorBoard curves that the results go to.
        state: A training state to resume from, its networks already named in `opt['path']`.

    Returns:
        0 at the end, 128 + the signal's number after a signal.
    """
    run = build_run(config, opt)
    iteration = 0 if state is None else state["iter"]
    interrupts = Interrupts()
    saver = RunSaver(opt, run.model, run.cursor, iteration, interrupts)
    attach_extras(run.model, run.cursor, opt["manual_seed"], recorded_options(config), lambda: saver.random_states)
    if state is not None:
        with errors_of_state(opt["path"].get("resume_state", "the training state")):
            resume_model(run.model, state, config, opt)
        extras = state.get("iqa_sr", {"epoch": state.get("epoch", 0), "iteration_in_epoch": 0})
        run.cursor.epoch, run.cursor.iteration = extras["epoch"], extras["iteration_in_epoch"]
        logger.info(f"Resumed at iteration {iteration}.")
    if run.reward_guard is not None:
        run.reward_guard.begin()
    if state is not None:
        with errors_of_state(opt["path"].get("resume_state", "the training state")):
            restore_extras(run.model, state)
    experiment.begin(iteration, fresh=state is None)
    progress = ProgressLog(opt, iteration, experiment.tensorboard, enabled=opt["rank"] == 0)
    with ExitStack() as closed:
        for part in (experiment, progress, run.cursor):
            closed.callback(_close, part)
        closed.enter_context(interrupts.watched())
        try:
            if state is not None:
                with errors_of_state(opt["path"].get("resume_state", "the training state")):
                    restore_random(state, opt["rank"])
            _iterate(opt, run, experiment, progress, saver)
        except BaseException as error:
            told = distributed.told_as_lost(error)
            _rescue(saver, experiment, told)
            raise told from (None if told is error else error)
    if interrupts.received is not None and saver.iteration < opt["train"]["total_iter"]:
        return 128 + interrupts.received
    return 0


def _close(part: Any) -> None:
    """Close what a run has opened; what goes wrong with it hides neither its results nor its error."""
    try:
        part.close()
    except Exception as error:
        logger.warning(f"{type(part).__name__} did not close: {error}")


def _rescue(saver: RunSaver, experiment: Experiment, error: BaseException) -> None:
    """Save what the error would lose, and tell what was saved and how to resume."""
    with saver.interrupts.held_back():
        told = saver.rescue(error)
        if told is not None:
            reason = (str(error).splitlines() or [""])[0]
            if saver.resumable():
                told += f"\nResume with:\n  {experiment.resume_command}"
            logger.error(f"The run has failed: {type(error).__name__}: {reason}\n{told}")


def _iterate(
    opt: dict[str, Any], run: TrainingRun, experiment: Experiment, progress: ProgressLog, saver: RunSaver
) -> None:
    """The iterations from here to the end or to a signal."""
    model, total, interrupts = run.model, opt["train"]["total_iter"], saver.interrupts
    batches = run.cursor.batches()
    stop = ended = saver.iteration >= total or (run.reward_guard is not None and run.reward_guard.stopped)
    unscored: bool = saver.iteration >= total and distributed.on_rank_zero(experiment.lacks_scores)
    if unscored and run.val_loaders:
        _validate(run, experiment, saver)  # a run whose last validation failed, or was given up
        saver.save()
    while saver.iteration < total and not stop:
        saver.begin()
        asked_at = time.monotonic()
        batch = distributed.all_or_none(lambda: next(batches))
        progress.step_began(time.monotonic() - asked_at)
        saver.step()
        iteration = saver.iteration + 1
        model.update_learning_rate(iteration, warmup_iter=opt["train"].get("warmup_iter", -1))
        model.feed_data(batch)
        model.optimize_parameters(iteration)
        saver.done()
        progress.step_done()
        if iteration % opt["logger"]["print_freq"] == 0:
            values = model.get_current_log()
            rates = model.get_current_learning_rate()
            distributed.all_or_none(partial(progress.report, iteration, run.cursor.epoch, rates, values))
        stop = distributed.any_process(interrupts.received is not None)
        with progress.paused():
            ended, stop = _keep(opt, run, experiment, saver, stop)
    if ended:
        experiment.finish(model, saver.iteration)
    else:
        experiment.tell_how_to_resume(saver.iteration)


def _keep(
    opt: dict[str, Any], run: TrainingRun, experiment: Experiment, saver: RunSaver, stop: bool
) -> tuple[bool, bool]:
    """Look, validate and save where it is due, the state last, so that it holds what the others found.

    Returns:
        Whether the run is at its end, or the guard ends it; and whether it stops here, for that or another reason.
    """
    iteration = saver.iteration
    last = _run_guard(opt, run, experiment, iteration) or iteration >= opt["train"]["total_iter"]
    due_save = last or iteration % opt["logger"]["save_checkpoint_freq"] == 0
    wanted = experiment.validation is not None and run.val_loaders and not stop
    if wanted and (due_save or iteration % opt["val"]["val_freq"] == 0):
        stop = not _validate(run, experiment, saver)
    if due_save or stop:
        saver.save()
    return last, last or stop


def _validate(run: TrainingRun, experiment: Experiment, saver: RunSaver) -> bool:
    """Validate; a signal gives it up: it changes nothing in the run, and may take longer than there is time.

    Returns:
        Whether it is done.
    """
    failure: BaseException | None = None
    best = copy.deepcopy(vars(run.model).get("best_metric_results", {}))
    try:
        experiment.validate(run.model, run.val_loaders, saver.iteration, saver.interrupts.at_once)
        return True
    except (Exception, Interrupted) as error:
        failure = error
    run.model.best_metric_results = best  # not what was found, but not kept
    if not distributed.any_process(isinstance(failure, Interrupted)):
        raise failure
    logger.info(f"The validation of iteration {saver.iteration} was given up.")
    return False


def _run_guard(opt: dict[str, Any], run: TrainingRun, experiment: Experiment, iteration: int) -> bool:
    """Let the guard look where it is due; returns whether it ends the run."""
    guard = run.reward_guard
    if guard is None:
        return False
    if iteration % guard.options.every == 0 or iteration >= opt["train"]["total_iter"]:
        guard.check(iteration, experiment.tensorboard)
    return bool(guard.stopped)
