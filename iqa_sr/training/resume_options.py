"""Options that were changed since a training state was made: found, shown, applied, or refused by name."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from iqa_sr.archs.spandrel_loader import FROM_FILE
from iqa_sr.basicsr_compat import build_network
from iqa_sr.config.sections import Section
from iqa_sr.errors import OptionError
from iqa_sr.runtime import rng_state

if TYPE_CHECKING:
    from iqa_sr.training.run_config import RunConfig

__all__ = [
    "Change",
    "check_changes",
    "flat_options",
    "log_changes",
    "option_changes",
    "recorded_options",
    "resume_optimizers",
]

logger = logging.getLogger(__name__)

# What a run is called and where it writes, what BasicSR's `opt` adds, and what is compared by those who keep it.
_NOT_COMPARED = frozenset(
    ("name", "path", "manual_seed", "is_train", "dist", "rank", "world_size", "root_path", "auto_resume")
    + ("base_network", "dist_params", "num_gpu")
)
_NOT_SET = "(not set)"
_OPTIMIZERS = ("g", "d")
_TOLD_BY_STATE = ("optim_g", "optim_d", "scheduler")
_HOW_COMPUTED = ("fused", "foreach", "capturable", "differentiable")
_OF_TYPE = (*_HOW_COMPUTED, "decoupled_weight_decay")  # the last one tells AdamW from Adam
_SCHEDULE = ("milestones", "gamma", "restarts", "restart_weights", "periods", "eta_min")
_LINES = 12  # of one message; longer ones go to the file only


@dataclass(frozen=True)
class Change:
    """An option that is another one than when a state was made.

    Attributes:
        option: Path of the option, for example `train:optim_g:lr`.
        before: Value of the option when the state was made.
        now: Value of the option in this run.
    """

    option: str
    before: Any
    now: Any


# --- What a state was made with ---------------------------------------------------------------------------------------


def recorded_options(config: "RunConfig") -> dict[str, Any]:
    """The options as they were understood, with their defaults, in what a training state can keep."""
    options = {key: value for key, value in config.options.items() if key not in _NOT_COMPARED}
    sections: list[tuple[str, Any]] = [("train", config.model.train), ("logger", config.file.logger)]
    for key, typed in sections:
        options[key] = {**(options.get(key) or {}), **typed.model_dump()}
    options["train"].pop("lora", None)
    options["datasets"] = {
        key: section.model_dump() if isinstance(section, Section) else dict(section)
        for key, section in config.datasets.items()
    }
    plain = _plain(options)
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts alone: what is read back without running code."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, int) else str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def flat_options(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every option below a section by its path."""
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from flat_options(inner, f"{path}:{key}" if path else str(key))
    else:
        yield path, value


def option_changes(config: "RunConfig", state: Mapping[str, Any]) -> list[Change]:
    """Differences between the option file and that of the state; empty where the state does not say it.

    Optimizers' and schedules' numbers are left out: of those the state itself tells, see `resume_optimizers`.
    """
    recorded = (state.get("iqa_sr") or {}).get("options")
    if not recorded:
        return []
    before, now = dict(flat_options(recorded)), dict(flat_options(recorded_options(config)))
    given = dict(flat_options(_plain(config.options)))
    changes = []
    for option in dict.fromkeys([*before, *now]):
        keys = option.split(":")
        told_by_state = keys[0] == "train" and keys[1] in _TOLD_BY_STATE and keys[-1] != "type"
        # An option that came with a later version is at its default, unless the file has it.
        if told_by_state or (option not in before and option not in given):
            continue
        old, new = (_NOT_SET if found.get(option) is None else found[option] for found in (before, now))
        if repr(old) != repr(new) and old != new:  # NaN is not itself
            changes.append(Change(option, old, new))
    return changes


# --- What cannot be changed -------------------------------------------------------------------------------------------


def check_changes(changes: Sequence[Change], config: "RunConfig", state: Mapping[str, Any], ignored: list[str]) -> None:
    """Refuse what a resumed run cannot take up; everything at once.

    Args:
        changes: Changed options, as `option_changes` finds them.
        config: Parsed option file.
        state: Content of the training state.
        ignored: Networks that are not resumed, as `network_d`.

    Raises:
        OptionError: With each such option, and the way out.
    """
    refused = [
        one
        for one in changes
        if one.option == "train:objective:type"
        or (
            (one.option in ("train:optim_g:type", "train:optim_d:type") and one.now != _NOT_SET != one.before)
            and f"network_{one.option[len('train:optim_')]}" not in ignored
        )
    ]
    for key in dict.fromkeys(one.option.split(":")[0] for one in changes):
        if key.startswith("network_") and key not in ignored and isinstance(config.options.get(key), Mapping):
            of_network = [one for one in changes if one.option.split(":")[0] == key]
            before = state["iqa_sr"]["options"].get(key)
            if before and not _same_weights(before, config.options[key]):
                refused += of_network
    if refused:
        raise OptionError(_refusal(f"the state of iteration {state['iter']} was made with other options", refused))


def _same_weights(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Check whether two sections `network_*` describe networks with weights of the same names and shapes."""
    if before.get("type") != now.get("type"):
        return False
    shapes = []
    with rng_state.preserved():
        for section in (before, now):
            try:
                state = build_network(dict(section)).state_dict()
            except Exception:  # whatever a constructor raises that is given wrong options: building the run tells it
                return section is now or section["type"] == FROM_FILE  # the file was moved; its weights are compared
            shapes.append({name: value.shape for name, value in state.items()})
    return shapes[0] == shapes[1]


# --- Showing ----------------------------------------------------------------------------------------------------------


def log_changes(changes: Sequence[Change]) -> None:
    """A table of what differs; nothing where nothing does."""
    if not changes:
        return
    rows = [("option", "state", "now")] + [(one.option, _short(one.before), _short(one.now)) for one in changes]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"  {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows]
    lines = ["Changed since the state was made; what the option file says now is used:", *lines]
    for start in range(0, len(lines), _LINES):
        logger.info("\n".join(lines[start : start + _LINES]))


def _short(value: Any) -> str:
    text = value if value == _NOT_SET else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- Optimizers and schedules -----------------------------------------------------------------------------------------


def resume_optimizers(model: Any, state: Mapping[str, Any], ignored: Sequence[str]) -> list[Change]:
    """Give the optimizers their moments and the schedules their place; numbers that the options have changed are set.

    Where nothing has changed, all comes from the state, bit by bit. A changed optimizer keeps its moments alone; its
    schedule is computed anew up to the iteration of the state.

    Args:
        model: Model as it was built from the options.
        state: Content of the training state.
        ignored: Networks that are not resumed, as `network_d`: their optimizers begin anew.

    Returns:
        What has changed, of what the state itself tells.

    Raises:
        ValueError: If the state has not the optimizers of the run; says which, and the ways out.
        OptionError: If an optimizer cannot go on with its moments.
    """
    changes: list[Change] = []
    for number, (optimizer, scheduler) in enumerate(zip(model.optimizers, model.schedulers, strict=True)):
        letter = _OPTIMIZERS[number] if number < len(_OPTIMIZERS) else str(number)
        if f"network_{letter}" in ignored:
            logger.info(f"network_{letter} is not resumed (path:ignore_resume_networks): its optimizer begins anew.")
            _set_schedule(scheduler, _groups(optimizer), state["iter"])
            continue
        if number >= min(len(state["optimizers"]), len(state["schedulers"])):
            raise ValueError(
                f"cannot resume from iteration {state['iter']}: the run trains network_{letter}, the state is of one "
                f"that did not.\npath:ignore_resume_networks: [network_{letter}] begins it as the options say."
            )
        changes += _resume_one(optimizer, scheduler, number, letter, state)
    for number in range(len(model.optimizers), len(state["optimizers"])):
        logger.warning(f"The state has an optimizer (number {number + 1}) that this run has not; it is left out.")
    return list({one.option: one for one in changes}.values())


def _resume_one(
    optimizer: torch.optim.Optimizer, scheduler: Any, number: int, letter: str, state: Mapping[str, Any]
) -> list[Change]:
    saved, saved_schedule = state["optimizers"][number], state["schedulers"][number]
    fresh, section = _groups(optimizer), f"train:optim_{letter}"
    changes = [
        Change(f"{section}:{'lr' if key == 'initial_lr' else key}", _plain(before[key]), _plain(value))
        for before, group in zip(saved["param_groups"], fresh, strict=False)
        for key, value in group.items()
        if key != "lr" and key in before and not _equal(before[key], value)
    ]
    known = bool((state.get("iqa_sr") or {}).get("options"))  # else it may be BasicSR's, which chooses otherwise
    changes = [one for one in changes if known or one.option.rpartition(":")[2] not in _HOW_COMPUTED]
    _check_moments(optimizer, saved, changes, section)
    try:
        optimizer.load_state_dict(saved)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"cannot resume: the optimizer in the state does not fit network_{letter} ({error}).\nWas the network "
            f"changed? path:ignore_resume_networks: [network_{letter}] begins it as the options say."
        ) from error
    for group, values in zip(optimizer.param_groups, fresh, strict=True) if changes else ():
        group.update({key: value for key, value in values.items() if key not in _HOW_COMPUTED})
    schedules = [
        {key: _shown(one[key]) for key in _SCHEDULE if key in one} for one in (saved_schedule, vars(scheduler))
    ]
    turned = [
        Change(f"train:scheduler:{key}", *(_plain(one.get(key, _NOT_SET)) for one in schedules))
        for key in _SCHEDULE
        if not _equal(*(one.get(key) for one in schedules))
    ]
    if changes or turned:
        _set_schedule(scheduler, fresh, state["iter"])
    else:
        scheduler.load_state_dict(saved_schedule)
    return [*changes, *turned]


def _groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Options of each group of parameters."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def _shown(value: Any) -> Any:
    """A scheduler counts its milestones, which a file lists."""
    return sorted(value.elements()) if hasattr(value, "elements") else value


def _equal(one: Any, other: Any) -> bool:
    return bool(_plain(one) == _plain(other))  # a tuple is a list


def _check_moments(
    optimizer: torch.optim.Optimizer, saved: Mapping[str, Any], changes: Sequence[Change], section: str
) -> None:
    """Check whether the saved moments are those that the optimizer keeps, which a step of a small one like it shows."""
    group = _groups(optimizer)[0]
    refused = [one for one in changes if one.option.rpartition(":")[2] in _OF_TYPE]
    unknown = sorted(set(saved["param_groups"][0]) - set(group) - {"params", "initial_lr"})
    kept = {key for key, value in next(iter(saved["state"].values()), {}).items() if value is not None}
    missing = _moments(optimizer, group) - kept - {"momentum_buffer"} if saved["state"] else ()  # SGD begins it anew
    if unknown or (missing and not changes):
        refused.append(Change(f"{section}:type", f"one with {', '.join(unknown or kept)}", type(optimizer).__name__))
    elif missing:
        refused += changes
    if refused:
        raise OptionError(_refusal("the moments in the state are of another optimizer", refused))


def _moments(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> set[str]:
    """State that an optimizer keeps of each parameter; nothing of one that steps in another way, as LBFGS."""
    parameter = torch.nn.Parameter(torch.zeros(1, 1))
    parameter.grad = torch.zeros(1, 1)
    try:
        trial = type(optimizer)([parameter], **{key: group[key] for key in group if key in optimizer.defaults})
        trial.step()
    except Exception:  # whatever it raises that is built or stepped otherwise
        return set()
    return {key for key, value in trial.state[parameter].items() if value is not None}


def _refusal(what: str, refused: Sequence[Change]) -> str:
    return (
        f"cannot resume: {what}:\n"
        + "\n".join(f"{one.option}: expected {one.before!r} as in the state, got {one.now!r}" for one in refused)
        + "\nPut it back; or begin another run, of another name, with the network that this one has reached "
        "(path:pretrain_network_g)."
    )


def _set_schedule(scheduler: Any, fresh: Sequence[Mapping[str, Any]], iteration: int) -> None:
    """Bring a schedule that has just been built to where it is after so many iterations.

    Its rates are multiplied at milestones, in the order in which a run does it: the result is the same to the last bit.
    """
    for group, values in zip(scheduler.optimizer.param_groups, fresh, strict=True):
        group.update({key: values[key] for key in ("lr", "initial_lr") if key in values})
    steps = iteration - 1  # none before the first iteration
    known = type(scheduler).__name__ in ("MultiStepRestartLR", "CosineAnnealingRestartLR")
    turns = {*getattr(scheduler, "milestones", ()), *getattr(scheduler, "restarts", ()), steps}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
        for step in sorted(turn for turn in turns if 0 < turn <= steps) if known else range(1, steps + 1):
            scheduler.last_epoch = step - 1
            scheduler.step()
    if steps > 0:
        scheduler._step_count = iteration
