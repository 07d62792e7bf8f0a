"""The section `train` of our models and of BasicSR's, typed, without its losses; `val` of quality models."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from iqa_sr.basicsr_compat import check_optimizer
from iqa_sr.config.sections import OptionProblems, Section
from iqa_sr.config.values import Iterations
from iqa_sr.errors import did_you_mean
from iqa_sr.guard.options import GuardOptions
from iqa_sr.lora.injection import LoRAOptions

__all__ = [
    "AMP_TYPES",
    "SCHEDULES",
    "OptimizerOptions",
    "QualitySection",
    "QualityValSection",
    "SchedulerOptions",
    "StockTrainSection",
    "StockValSection",
    "TrainSection",
    "check_optimizer_options",
]

AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Values of `train:amp`."""


class OptimizerOptions(Section):
    """An optimizer of `torch.optim`; every other key is an argument of it."""

    model_config = {**Section.model_config, "extra": "allow"}
    type: str = "Adam"
    lr: float = Field(gt=0, le=100)


Schedule = Literal["MultiStepLR", "MultiStepRestartLR", "CosineAnnealingRestartLR"]
SCHEDULES = get_args(Schedule)


class SchedulerOptions(Section):
    """BasicSR's schedules and their arguments."""

    type: Schedule
    milestones: list[Annotated[int, Field(ge=0)]] | None = None
    gamma: float | None = Field(None, gt=0)
    restarts: list[Annotated[int, Field(ge=0)]] | None = None
    restart_weights: list[Annotated[float, Field(ge=0, le=100)]] | None = None
    periods: list[Annotated[int, Field(ge=1)]] | None = None
    eta_min: float | None = Field(None, ge=0)

    @field_validator("milestones", "restarts")
    @classmethod
    def _ascending(cls, iterations: list[int] | None) -> list[int] | None:
        if iterations is not None and sorted(iterations) != iterations:
            raise ValueError(f"expected iterations in ascending order, as {sorted(iterations)}")
        return iterations

    @model_validator(mode="after")
    def _arguments_of_its_type(self) -> Self:
        cosine = self.type == "CosineAnnealingRestartLR"
        needed, others = ("periods", ("eta_min",)) if cosine else ("milestones", ("gamma", "restarts"))
        known = (needed, *others, "restart_weights")
        for key in sorted(self.model_fields_set - {"type", *known}):
            raise ValueError(f"{key} is not an argument of the type {self.type}; valid: {', '.join(known)}")
        for key in (needed, *sorted(self.model_fields_set)):
            if getattr(self, key) is None:
                raise ValueError(f"{self.type} needs a value of {key}, got none")
        counted = "periods" if cosine else "restarts"
        numbers, weights = getattr(self, counted) or [0], self.restart_weights or [1]
        if [] in (self.restart_weights, getattr(self, counted)) or len(numbers) != len(weights):
            came = f"{self.restart_weights} and {getattr(self, counted)}"
            raise ValueError(f"expected as many restart_weights as {counted}, at least one, got {came}")
        return self

    def arguments(self) -> dict[str, Any]:
        """Arguments of BasicSR's schedule: `type`, and the arguments that were given, as numbers."""
        return self.model_dump(exclude_unset=True)

    def too_short(self, total_iter: int) -> str | None:
        """Problem of a schedule that ends before the run; None where it does not."""
        if self.periods is None or sum(self.periods) >= total_iter:
            return None
        return f"periods add up to {sum(self.periods)}, which is less than total_iter {total_iter}"


class StockTrainSection(Section):
    """`train` of a model of BasicSR: what the loop reads; the rest is the model's."""

    model_config = {**Section.model_config, "extra": "allow"}
    total_iter: Iterations = Field(gt=0, le=10**9)


class StockValSection(Section):
    """`val` of a model of BasicSR: what the loop reads; the rest is the model's."""

    model_config = {**Section.model_config, "extra": "allow"}
    val_freq: Iterations = Field(gt=0)


class _LoopOptions(Section):
    """Options that all our models share under `train`."""

    total_iter: Iterations = Field(gt=0, le=10**9)
    warmup_iter: int = Field(-1, ge=-1)
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
        if total is not None and (problem := scheduler.too_short(total)):
            raise ValueError(problem)
        optimizer = info.data.get("optim_g")
        if optimizer is not None and (scheduler.eta_min or 0) > optimizer.lr:
            raise ValueError(f"eta_min is {scheduler.eta_min:g}, which is more than train:optim_g:lr {optimizer.lr:g}")
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

    def holding_out(self, metrics: Sequence[str]) -> Self:
        """The same section, whose guard holds out these metrics."""
        assert self.guard is not None
        guard = self.guard.model_copy(update={"held_out": list(metrics)})
        return self.model_copy(update={"guard": guard})

    @field_validator("compile", mode="before")
    @classmethod
    def _backend(cls, name: Any) -> Any:
        if isinstance(name, bool):
            return name
        known = torch._dynamo.list_backends(exclude_tags=()) if isinstance(name, str) else ["inductor"]
        if name not in known:
            raise ValueError(f"expected true, false or a backend of torch.compile; {did_you_mean(str(name), known)}")
        return name


class QualitySection(_LoopOptions):
    """`train` of a QualityModel; see `iqa_sr.objectives` for `objective`."""

    objective: dict[str, Any]


class QualityValSection(Section):
    """`val` of a QualityModel: its objective knows what to measure."""

    val_freq: Iterations = Field(gt=0)
    save_img: Literal[False] = False


def check_optimizer_options(options: OptimizerOptions | None, path: str, problems: OptionProblems) -> None:
    """Check whether torch builds the optimizer and it takes a step; None has been told before."""
    if options is not None:
        with problems.collected():
            check_optimizer(options.model_dump(), path)
