"""Complete training states: what an exact resume needs, which files make one, which is the newest that is whole."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from iqa_sr.config.sections import read_section
from iqa_sr.datasets.sample_order import Place
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.lora.injection import LoRAOptions
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.options import base_network
from iqa_sr.runtime import distributed, rng_state
from iqa_sr.scores.experiment_folder import ExperimentFolder, network_file
from iqa_sr.training.state_checks import check_state

__all__ = ["POOL", "attach_extras", "find_state", "load_state_file", "point_at_networks", "restore_extras"]

logger = logging.getLogger(__name__)

# The pool of training pairs that the stock Real-ESRGAN models keep.
POOL = ("queue_lr", "queue_gt", "queue_ptr")


def attach_extras(model: Any, place: Place, order_seed: int) -> None:
    """Make every training state that the model writes from now on a complete one.

    Added to BasicSR's content, under `iqa_sr`: the place in the data, every random generator of every process, the
    best values so far, the pool of a stock Real-ESRGAN model, and what the model itself wants kept.
    """

    def extras() -> dict[str, Any]:
        state = vars(model)  # what only some models of BasicSR have
        return {
            "iqa_sr": {
                "epoch": place.epoch,
                "iteration_in_epoch": place.iteration,
                "seed": order_seed,
                "random": distributed.gather_objects(rng_state.capture()),
                "best": state.get("best_metric_results", {}),
                "pool": {name: state[name] for name in POOL if name in state},
                "model": model.training_extras() if isinstance(model, ModelBase) else {},
            }
        }

    model.extra_training_state = extras


def restore_extras(model: Any, state: Mapping[str, Any], rank: int) -> None:
    """Give the model back what `attach_extras` kept, the random generators last; call it right before going on."""
    extras = state.get("iqa_sr")
    if extras is None:
        logger.warning("The state was written by another trainer: the resumed run will not be exact.")
        return
    if extras["best"]:
        model.best_metric_results = extras["best"]
    for name, value in extras["pool"].items():
        setattr(model, name, value.to(model.device) if isinstance(value, torch.Tensor) else value)
    if extras["model"]:
        model.load_training_extras(extras["model"])
    if rank < len(extras["random"]):
        rng_state.restore(extras["random"][rank])
    else:
        logger.warning("The run had fewer processes: the resumed run will not be exact.")


def find_state(experiment: ExperimentFolder, networks: list[str]) -> Path | None:
    """The newest training state that is complete: readable, and with a readable file of each network beside it.

    Args:
        experiment: The folder of the run.
        networks: Their short names, for example `g`, `d`.

    Returns:
        Its path, or None when there is none. States that are skipped are named in the log.
    """
    states = experiment.states()
    for iteration in sorted(states, reverse=True):
        try:
            read_tensor_file(states[iteration])
            for network in networks:
                read_tensor_file(network_file(experiment.models, network, iteration))
        except (FileNotFoundError, ValueError) as error:
            logger.warning(f"--auto_resume skips {states[iteration]}: {error}")
            continue
        return states[iteration]
    return None


def load_state_file(path: str | Path) -> dict[str, Any]:
    """Read one training state.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is not a training state, or a damaged one.
    """
    state = read_tensor_file(path)
    if not isinstance(state, dict) or not {"iter", "optimizers", "schedulers"} <= set(state):
        raise ValueError(f"{path} is not a training state (a file from experiments/<name>/training_states)")
    check_state(state, path)
    return state


def point_at_networks(opt: dict[str, Any], state: Mapping[str, Any], experiment: ExperimentFolder) -> None:
    """Let the networks be loaded from the checkpoints beside a training state, as BasicSR does when it resumes.

    With `train:lora` the generator is still loaded from its base: the training state has its adapter.

    Args:
        opt: The options, changed in place.
        state: The training state.
        experiment: The folder that the state lies in.

    Raises:
        FileNotFoundError: If a network's checkpoint is not there.
        ValueError: If `train:lora` is another one than when the state was saved.
    """
    adapted = _check_adapter(opt["train"].get("lora"), state.get("iqa_sr", {}).get("model", {}).get("lora"))
    given = opt["path"]
    opt["base_network"] = base_network(opt)
    ignored = given.get("ignore_resume_networks") or []
    for key in [key for key in opt if key.startswith("network_")]:
        if key in ignored or (adapted and key == "network_g"):
            continue
        path = network_file(experiment.models, key.removeprefix("network_"), state["iter"])
        if not path.is_file():
            raise FileNotFoundError(f"cannot resume from iteration {state['iter']}: {path} does not exist")
        opt["path"][f"pretrain_{key}"] = str(path)
    for key in list(opt["path"]):
        if adapted and key == "param_key_g":
            continue
        if key.startswith("param_key") and opt["path"][key] == "params_ema":
            opt["path"][key] = "params"
    for key in list(opt["path"]):
        if key.startswith("strict_load"):
            opt["path"][key] = True


def _check_adapter(section: Any, saved: Mapping[str, Any] | None) -> bool:
    """Whether the run is with LoRA, which the options and what was saved must agree on."""
    if bool(section) != (saved is not None):
        words = ("with", "without") if section else ("without", "with")
        raise ValueError(f"cannot resume {words[0]} train:lora: the training state is of a run {words[1]} it")
    if saved is not None:
        options = read_section(LoRAOptions, section, "train:lora").model_dump()
        for key, then in saved["options"].items():
            if options[key] != then:
                raise ValueError(
                    f"cannot resume: train:lora:{key} was {then!r} when the run was saved, and is {options[key]!r} now"
                )
    return saved is not None
