"""The options of a training run: BasicSR's `opt` mapping made from an option file, our sections checked strictly."""

import inspect
import os
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator

from iqa_sr.config.option_files import OptionError, Section, nearest, read_section
from iqa_sr.guard.probe import GuardOptions
from iqa_sr.lora.injection import LoRAOptions

__all__ = [
    "AMP_TYPES",
    "QualitySection",
    "QualityValSection",
    "SchedulerOptions",
    "TrainSection",
    "ValSection",
    "base_network",
    "check_arguments",
    "complete_options",
    "losses_of",
    "read_quality_section",
    "read_train_section",
]

REQUIRED = ("name", "model_type", "datasets", "network_g", "path", "train", "logger")
OPTIONAL = (
    "scale",
    "num_gpu",
    "manual_seed",
    "network_d",
    "val",
    "dist_params",
    "find_unused_parameters",
    "license_policy",
)
AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What `train:amp` can be."""
PATH_SWITCHES = ("strict_load", "pretrain_network", "pretrain_opt", "resume", "param_key")


class OptimizerOptions(Section):
    """An optimiser of `torch.optim`; every other key is an argument of it."""

    model_config = {**Section.model_config, "extra": "allow"}
    type: str = "Adam"
    lr: float = Field(gt=0)


class SchedulerOptions(Section):
    """BasicSR's schedules and their arguments."""

    type: Literal["MultiStepLR", "MultiStepRestartLR", "CosineAnnealingRestartLR"]
    milestones: list[int] | None = None
    gamma: float | None = None
    restarts: list[int] | None = None
    restart_weights: list[float] | None = None
    periods: list[int] | None = None
    eta_min: float | None = None


class _LoopOptions(Section):
    """What every model of ours reads under `train`."""

    total_iter: int = Field(gt=0)
    warmup_iter: int = -1
    ema_decay: float = Field(0.0, ge=0, lt=1)
    optim_g: OptimizerOptions
    scheduler: SchedulerOptions
    amp: Literal["bf16", "fp16"] | None = None
    grad_clip: float | None = Field(None, gt=0)
    channels_last: bool = False
    max_nonfinite: int = Field(10, ge=1)

    @field_validator("scheduler")
    @classmethod
    def _long_enough(cls, scheduler: SchedulerOptions, info: Any) -> SchedulerOptions:
        total = info.data.get("total_iter")
        if scheduler.periods is not None and total is not None and sum(scheduler.periods) < total:
            raise ValueError(f"periods add up to {sum(scheduler.periods)}, which is less than total_iter {total}")
        return scheduler


class TrainSection(_LoopOptions):
    """`train` of an IQASRModel, without the losses (every further key that ends in `_opt`)."""

    optim_d: OptimizerOptions | None = None
    net_d_iters: int = Field(1, ge=1)
    net_d_init_iters: int = Field(0, ge=0)
    accumulate: int = Field(1, ge=1)
    compile: bool | str = False
    grad_log_freq: int = Field(0, ge=0)
    lora: LoRAOptions | None = None
    guard: GuardOptions | None = None


class QualitySection(_LoopOptions):
    """`train` of a QualityModel; see `iqa_sr.objectives` for `objective`."""

    objective: dict[str, Any]


class ValSection(Section):
    """`val`: when to validate, what to keep, which metrics."""

    val_freq: int = Field(gt=0)
    save_img: bool = False
    pbar: bool = False
    suffix: str | None = None
    baseline: Literal["bicubic"] | None = "bicubic"
    metrics: dict[str, dict[str, Any]] = {}


class QualityValSection(Section):
    """`val` of a QualityModel: its objective knows what to measure."""

    val_freq: int = Field(gt=0)
    save_img: Literal[False] = False


def base_network(opt: Mapping[str, Any]) -> dict[str, Any]:
    """The network that a run begins with: its `file` and the key of the weights that are tested in the first iteration.

    That is the averaged one where BasicSR begins the average with it.
    """
    if "base_network" in opt:  # a resumed run begins with its own checkpoint
        return dict(opt["base_network"])
    path, train = opt["path"], opt["train"]
    averaged = (train.get("ema_decay") or 0) > 0 and not train.get("lora")
    return {
        "file": path.get("pretrain_network_g"),
        "param_key": "params_ema" if averaged else path.get("param_key_g", "params"),
    }


def losses_of(train: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The loss sections of `train` by name: every key `<name>_opt` that is not null."""
    return {key.removesuffix("_opt"): dict(value) for key, value in train.items() if key.endswith("_opt") and value}


def check_arguments(
    target: Callable[..., Any], values: Mapping[str, Any], path: str, given: Iterable[str] = ()
) -> None:
    """Check the keys of a section against the arguments of the class or function that it describes.

    Args:
        target: A registered class or function.
        values: The section; its `type` is left out of the check.
        path: Where the section is.
        given: Names of the arguments that the caller supplies.

    Raises:
        OptionError: On the first unknown key, and on required arguments that are missing.
    """
    parameters = inspect.signature(target).parameters
    plain = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in plain if p.name not in given]
    open_ended = not names and len(plain) < len(parameters)
    for key in values:
        if key != "type" and key not in names and not open_ended:
            raise OptionError(f"{path}:{key}: unknown key for {values['type']}; {nearest(key, names)}")
    missing = [p.name for p in plain if p.default is p.empty and p.name not in values and p.name in names]
    if missing:
        raise OptionError(f"{path}: {values['type']} requires {', '.join(missing)}")


def complete_options(options: Mapping[str, Any], rank: int, world_size: int, cuda_devices: int) -> dict[str, Any]:
    """BasicSR's `opt` mapping: the option file plus what BasicSR's own parser adds.

    Args:
        options: The option file's content after `--force_yml`.
        rank: This process.
        world_size: Number of processes.
        cuda_devices: Number of CUDA devices, for `num_gpu: auto`.

    Raises:
        OptionError: If a section that training cannot do without is missing or has the wrong form.
    """
    opt = _copy(options)
    missing = [key for key in REQUIRED if key not in opt]
    if missing:
        raise OptionError(f"option file: the section{'s' * (len(missing) > 1)} {', '.join(missing)} must be there")
    for key in ("datasets", "network_g", "train", "logger"):
        if not isinstance(opt[key], dict):
            raise OptionError(f"{key}: expected a section with keys, got {opt[key]!r}")
    _add_run(opt, rank, world_size, cuda_devices)
    _add_datasets(opt)
    _add_paths(opt)
    _check_frequencies(opt)
    return opt


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _add_run(opt: dict[str, Any], rank: int, world_size: int, cuda_devices: int) -> None:
    if not isinstance(opt["name"], str) or not opt["name"] or {"/", "\\"} & set(opt["name"]):
        raise OptionError(f"name: expected a folder name, got {opt['name']!r}")
    opt.update(is_train=True, dist=world_size > 1, rank=rank, world_size=world_size, root_path=os.getcwd())
    one_device = opt["dist"] or opt["model_type"] == "QualityModel"  # DataParallel cannot join losses that are scalars
    wanted = opt.setdefault("num_gpu", "auto")
    if wanted == "auto":
        opt["num_gpu"] = min(cuda_devices, 1) if one_device else cuda_devices
    elif not isinstance(wanted, int) or wanted < 0:
        raise OptionError(f"num_gpu: expected auto or a number, got {wanted!r}")
    elif wanted > cuda_devices:
        raise OptionError(
            f"num_gpu: {wanted} asked for, {cuda_devices} found; on a machine without CUDA set num_gpu to 0 or auto"
        )
    elif wanted > 1 and one_device and not opt["dist"]:
        raise OptionError(
            f"num_gpu: expected auto, 0 or 1 for a QualityModel, got {wanted}; with several GPUs, a process each:\n"
            f"torchrun --nproc_per_node={wanted} train_sr.py -opt ..."
        )
    if opt.get("manual_seed") is None:
        opt["manual_seed"] = random.randint(1, 10000)
    elif not isinstance(opt["manual_seed"], int) or opt["manual_seed"] < 0:
        raise OptionError(f"manual_seed: expected a number of at least 0, got {opt['manual_seed']!r}")


def _add_datasets(opt: dict[str, Any]) -> None:
    if "train" not in opt["datasets"]:
        raise OptionError("datasets: expected a section train, found " + (", ".join(opt["datasets"]) or "nothing"))
    for key, section in opt["datasets"].items():
        phase = key.split("_")[0]
        if phase not in ("train", "val") or not isinstance(section, dict):
            raise OptionError(f"datasets:{key}: expected sections named train, val, val_2, ...")
        for required in ("name", "type"):
            if required not in section:
                raise OptionError(f"datasets:{key}:{required}: this key is required and missing")
        section["phase"] = phase
        if "scale" in opt:
            section["scale"] = opt["scale"]
        for root in ("dataroot_gt", "dataroot_lq"):
            if isinstance(section.get(root), str):
                section[root] = str(Path(section[root]).expanduser())
    train = opt["datasets"]["train"]
    batch = train.get("batch_size_per_gpu")
    if not isinstance(batch, int) or batch < 1:
        raise OptionError(f"datasets:train:batch_size_per_gpu: expected a number of at least 1, got {batch!r}")


def _add_paths(opt: dict[str, Any]) -> None:
    """Folders of the run, absolute. What a user puts under `path` stays: only ours are made as folders."""
    path = opt["path"] = dict(opt["path"] or {})
    for key, value in path.items():
        if isinstance(value, str) and any(switch in key for switch in PATH_SWITCHES):
            path[key] = str(Path(value).expanduser())
    root = Path(path.get("experiments_root") or Path(opt["root_path"]) / "experiments") / opt["name"]
    path["experiments_root"] = str(root)
    path["log"] = str(root)
    for folder in ("models", "training_states", "visualization"):
        path[folder] = str(root / folder)


def _check_frequencies(opt: dict[str, Any]) -> None:
    logger = opt["logger"]
    logger.setdefault("use_tb_logger", False)
    for key in ("print_freq", "save_checkpoint_freq"):
        value = logger.get(key)
        try:
            logger[key] = int(float(value))
        except (TypeError, ValueError):
            raise OptionError(f"logger:{key}: expected a number of iterations, got {value!r}") from None
        if logger[key] < 1:
            raise OptionError(f"logger:{key}: expected at least 1, got {value!r}")
    total = opt["train"].get("total_iter")
    try:
        opt["train"]["total_iter"] = int(float(total))
    except (TypeError, ValueError):
        raise OptionError(f"train:total_iter: expected a number of iterations, got {total!r}") from None
    if opt.get("val") is not None:
        opt["val"].setdefault("save_img", False)
        if not opt["val"].get("val_freq"):
            raise OptionError("val:val_freq: this key is required and missing")
        opt["val"]["val_freq"] = int(float(opt["val"]["val_freq"]))


def read_train_section(train: Mapping[str, Any]) -> TrainSection:
    """`train` of an IQASRModel, checked; the losses are taken out and must each be a section with a `type`."""
    plain = {key: value for key, value in train.items() if not key.endswith("_opt")}
    for key, value in train.items():
        if key.endswith("_opt") and value is not None and not (isinstance(value, Mapping) and "type" in value):
            raise OptionError(f"train:{key}: expected a loss section with a `type`, got {value!r}")
    return read_section(TrainSection, plain, "train")


def read_quality_section(train: Mapping[str, Any]) -> QualitySection:
    """`train` of a QualityModel, checked but for the keys of its objective."""
    return read_section(QualitySection, train, "train")
