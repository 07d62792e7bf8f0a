"""The options of a training run: BasicSR's `opt` mapping made from an option file, our sections checked strictly."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, field_validator

from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import OptionError
from iqa_sr.guard.options import GuardOptions
from iqa_sr.lora.injection import LoRAOptions

__all__ = [
    "AMP_TYPES",
    "QualitySection",
    "QualityValSection",
    "SchedulerOptions",
    "TrainSection",
    "ValSection",
    "base_network",
    "losses_of",
    "read_quality_section",
    "read_train_section",
]

AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What `train:amp` can be."""


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
