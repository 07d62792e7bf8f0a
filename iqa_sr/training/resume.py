"""Complete training states: what an exact resume needs, which files make one, which is the newest that is whole."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iqa_sr.archs.spandrel_loader import FROM_FILE
from iqa_sr.config.sections import read_section
from iqa_sr.datasets.sample_order import DataCursor
from iqa_sr.errors import OptionError
from iqa_sr.guard.options import disjoint
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.injection import LoRAOptions
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.options import IQASRConfig, base_network, section_of
from iqa_sr.runtime import rng_state
from iqa_sr.scores.experiment_folder import ExperimentFolder, network_file
from iqa_sr.training.option_checks import sampler_metrics
from iqa_sr.training.resume_options import check_changes, log_changes, option_changes, resume_optimizers
from iqa_sr.training.state_checks import check_state

if TYPE_CHECKING:
    from iqa_sr.training.run_config import RunConfig

__all__ = [
    "POOL",
    "attach_extras",
    "prepare_resume",
    "restore_extras",
    "restore_random",
    "resume_model",
    "with_held_out_of",
]

logger = logging.getLogger(__name__)

# The pool of training pairs that the stock Real-ESRGAN models keep.
POOL = ("queue_lr", "queue_gt", "queue_ptr")


def attach_extras(
    model: Any,
    cursor: DataCursor,
    order_seed: int,
    options: Mapping[str, Any],
    random_states: Callable[[], list[dict[str, Any]]],
) -> None:
    """Make every training state that the model writes from now on a complete one.

    Added to BasicSR's content, under `iqa_sr`: the cursor in the data, every random generator of every process (what
    `random_states` gives), the best values so far, the pool of a stock Real-ESRGAN model, the options, and what the
    model itself wants kept.
    """

    def extras() -> dict[str, Any]:
        state = vars(model)  # what only some models of BasicSR have
        return {
            "iqa_sr": {
                "epoch": cursor.epoch,
                "iteration_in_epoch": cursor.iteration,
                "seed": order_seed,
                "random": random_states(),
                "best": state.get("best_metric_results", {}),
                "pool": {name: state[name] for name in POOL if name in state},
                "model": model.training_extras() if isinstance(model, ModelBase) else {},
                "options": options,
            }
        }

    model.extra_training_state = extras


def prepare_resume(config: "RunConfig", opt: dict[str, Any]) -> dict[str, Any] | None:
    """The training state that a run resumes from, its networks put into `opt['path']`; None where it begins anew.

    With `auto_resume` the newest that is whole, else `path:resume_state`. Nothing is written.

    Args:
        config: Parsed option file.
        opt: Options as BasicSR reads them, derived from `config`; changed in place.

    Raises:
        FileNotFoundError: If the state or a network's checkpoint is not there.
        ValueError: If there are states, and none can be used; or the one that is named cannot.
        OptionError: If the options ask for what a resumed run cannot do: fewer iterations than are done, another
            network or optimizer.
    """
    given = opt["path"].get("resume_state")
    found = find_state(ExperimentFolder(Path(opt["path"]["experiments_root"])), opt) if opt["auto_resume"] else None
    if opt["auto_resume"] and found is None:
        logger.info(
            "--auto_resume: no complete training state; "
            + (f"resuming from path:resume_state {given}." if given else "starting from the beginning.")
        )
    if found is None and not given:
        return None
    path, state = found or (Path(given), load_state_file(given))
    total = opt["train"]["total_iter"]
    if state["iter"] > total:
        raise OptionError(
            f"train:total_iter: expected at least the {state['iter']} iterations that are done ({path}), got {total}\n"
            "Raise it; or name an earlier state: path:resume_state, without --auto_resume."
        )
    if state["iter"] == total:
        logger.info(f"{path} is of the last iteration; raise train:total_iter to train on.")
    own = ExperimentFolder(Path(opt["path"]["experiments_root"]))
    if later := [number for number in own.states() if number > state["iter"] and found is None]:
        logger.warning(
            f"{own.training_states} holds states of up to iteration {max(later)}, which this run does not resume from; "
            "--auto_resume would. Move them away, or give this run another name."
        )
    check_changes(option_changes(config, state), config, state, _ignored(opt))
    opt["path"]["resume_state"] = str(path)
    seed = state.get("iqa_sr", {}).get("seed", opt["manual_seed"])
    if seed != opt["manual_seed"]:  # an option file without a seed draws another one at every start
        logger.info(f"manual_seed {seed} of the run that is resumed is used, not {opt['manual_seed']}.")
        opt["manual_seed"] = seed
    # The state's own folder holds its networks, also when it belongs to another experiment.
    point_at_networks(opt, state, ExperimentFolder(path.resolve().parent.parent))
    return state


def with_held_out_of(config: "RunConfig", state: Mapping[str, Any] | None) -> "RunConfig":
    """The option file whose guard, where it names no metrics to hold out, goes on with those of a state.

    What is held out by default depends on the weights that are on the machine: those that have come since the run began
    must not change its tests.

    Raises:
        OptionError: If a loss or the sampler goes by one of these now.
    """
    guard = section_of(section_of(config.options, "train"), "guard")
    model = section_of(section_of(state or {}, "iqa_sr"), "model")
    kept = section_of(model, "guard").get("held_out")
    train = config.model.train if isinstance(config.model, IQASRConfig) else None
    if guard.get("held_out") is not None or kept is None or train is None or train.guard is None:
        return config
    taken = [name for loss in config.model.losses.values() for name in (*loss.metrics, *loss.distances)]
    disjoint([*taken, *sampler_metrics({"train": config.datasets["train"]})], kept)
    if kept != train.guard.held_out:
        logger.info(f"train:guard:held_out: {', '.join(kept)}, as when the run began; none are named.")
    return replace(config, model=replace(config.model, train=train.holding_out(kept)))


def resume_model(model: Any, state: Mapping[str, Any], config: "RunConfig", opt: Mapping[str, Any]) -> None:
    """Give a model the optimizers and schedules of a state, with what the option file says otherwise, which is told.

    Raises:
        ValueError: If they do not fit the run.
    """
    of_state = resume_optimizers(model, state, _ignored(opt))
    log_changes([*option_changes(config, state), *of_state])


def restore_extras(model: Any, state: Mapping[str, Any]) -> None:
    """Give the model back what `attach_extras` kept of it; before anything of the run's folder is touched.

    Raises:
        ValueError: If it does not fit the run.
    """
    extras = state.get("iqa_sr")
    if extras is None:
        logger.warning("The state was written by another trainer: the resumed run will not be exact.")
        return
    if extras["best"]:
        model.best_metric_results = extras["best"]
    for name, value in extras["pool"].items():
        setattr(model, name, value.to(model.device) if isinstance(value, torch.Tensor) else value)
    if extras["model"] and isinstance(model, ModelBase):
        model.load_training_extras(extras["model"])


def restore_random(state: Mapping[str, Any], rank: int) -> None:
    """Put the random generators of a process back to where they were; call it right before going on."""
    extras = state.get("iqa_sr")
    if extras is None:
        return
    if rank >= len(extras["random"]):
        logger.warning("The run had fewer processes: the resumed run will not be exact.")
        return
    rng_state.restore(extras["random"][rank])


# --- Which state ------------------------------------------------------------------------------------------------------


def find_state(experiment: ExperimentFolder, opt: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The newest training state that is whole: readable, and with a readable file of each network that is resumed.

    Args:
        experiment: Folder of the run.
        opt: Options of the run, which say which networks are resumed.

    Returns:
        Its path and content; None where there is no state at all. Newer states that are skipped are named in the log.

    Raises:
        ValueError: If there are states, and none can be used; says why, and the ways out.
    """
    states = experiment.states()
    skipped: dict[Path, str] = {}
    for iteration in sorted(states, reverse=True):
        path = states[iteration]
        try:
            state = load_state_file(path)
            if state["iter"] != iteration:
                raise ValueError(f"{path} is of iteration {state['iter']}, not of that of its name")
            for network in _resumed_networks(opt, state):
                read_tensor_file(network_file(experiment.models, network.removeprefix("network_"), iteration))
        except (FileNotFoundError, ValueError) as error:
            skipped[path] = str(error).splitlines()[0]
            continue
        for newer, reason in skipped.items():
            logger.warning(f"--auto_resume skips {newer}: {reason}")
        if skipped:
            lost = max(states) - iteration
            logger.warning(f"--auto_resume resumes from {path}, which is older: {lost} iterations are done again.")
        return path, state
    if not skipped:
        return None
    path, reason = next(iter(skipped.items()))
    more = f" (and {len(skipped) - 1} older, likewise)" if len(skipped) > 1 else ""
    new_d = ", or set path:ignore_resume_networks: [network_d] where the discriminator is new"
    if not any("net_d_" in text for text in skipped.values()):
        new_d = ""
    raise ValueError(
        f"--auto_resume: no training state of {experiment.training_states} can be used.\n{path}{more}: {reason}\n"
        f"Put back what is missing{new_d}; or begin anew, without --auto_resume: {experiment.path} is then kept under "
        "another name."
    )


def load_state_file(path: str | Path) -> dict[str, Any]:
    """Read one training state, checked.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is not a training state, or a damaged one.
    """
    state = read_tensor_file(path)
    if not isinstance(state, dict) or not {"iter", "optimizers", "schedulers"} <= set(state):
        raise ValueError(f"{path} is not a training state (a file from experiments/<name>/training_states)")
    check_state(state, path)
    return state


def _ignored(opt: Mapping[str, Any]) -> list[str]:
    return opt["path"].get("ignore_resume_networks") or []


def _resumed_networks(opt: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """The networks, as `network_g`, whose checkpoints beside a state a resumed run loads.

    Not those that are left to the options; a LoRA's base, as the state has the adapter; a discriminator that is not
    trained: ours is by `gan_opt`, and a model of BasicSR has an optimizer of it.
    """
    train = opt["train"]
    trained = bool(train.get("gan_opt")) if opt["model_type"] == "IQASRModel" else len(state["optimizers"]) > 1
    networks = [key for key in opt if key.startswith("network_") and key not in _ignored(opt) and opt[key]]
    return [key for key in networks if (not train.get("lora") if key == "network_g" else trained)]


def point_at_networks(opt: dict[str, Any], state: Mapping[str, Any], experiment: ExperimentFolder) -> None:
    """Let the networks be loaded from the checkpoints beside a training state, as BasicSR does when it resumes.

    With `train:lora` the generator is still loaded from its base: the training state has its adapter. A network of
    `path:ignore_resume_networks` begins as the options say.

    Args:
        opt: The options, changed in place.
        state: The training state.
        experiment: The folder that the state lies in.

    Raises:
        FileNotFoundError: If a network's checkpoint is not there.
        ValueError: If `train:lora` is another one than when the state was saved.
    """
    _check_adapter(opt["train"].get("lora"), state.get("iqa_sr", {}).get("model", {}).get("lora"))
    opt["base_network"] = base_network(opt)
    for key in _resumed_networks(opt, state):
        letter = key.removeprefix("network_")
        path = network_file(experiment.models, letter, state["iter"])
        if not path.is_file():
            raise FileNotFoundError(
                f"cannot resume from iteration {state['iter']}: {path} does not exist.\n"
                f"Put it back; or let {key} begin as the options say: path:ignore_resume_networks: [{key}]"
            )
        param_key = None if opt[key]["type"] == FROM_FILE else "params"  # which has the form of the file it came from
        opt["path"] |= {f"pretrain_{key}": str(path), f"param_key_{letter}": param_key, f"strict_load_{letter}": True}


def _check_adapter(section: Any, saved: Mapping[str, Any] | None) -> None:
    """The options and what was saved must agree on LoRA."""
    if bool(section) != (saved is not None):
        prepositions = ("with", "without") if section else ("without", "with")
        raise ValueError(
            f"cannot resume {prepositions[0]} train:lora: the training state is of a run {prepositions[1]} it"
        )
    if saved is not None:
        options = read_section(LoRAOptions, section, "train:lora").model_dump()
        for key, then in saved["options"].items():
            if options[key] != then:
                raise ValueError(
                    f"cannot resume: train:lora:{key} was {then!r} when the run was saved, and is {options[key]!r} now"
                )
