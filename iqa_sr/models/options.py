"""What our models read of an option file, typed: `train`, its losses, `val`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

import torch
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from iqa_sr.basicsr_compat import LOSS_REGISTRY, check_optimizer, registered
from iqa_sr.config.sections import Iterations, OptionProblems, Section, check_arguments, read_section
from iqa_sr.errors import OptionError, nearest, same_name, shown
from iqa_sr.guard.options import GuardOptions, default_held_out
from iqa_sr.lora.injection import LoRAOptions
from iqa_sr.losses.perceptual_slot import LOSSES, PerceptualSlot
from iqa_sr.metrics.registry import metric_names
from iqa_sr.models.metric_options import MetricConfig, ValSection, read_metric
from iqa_sr.objectives import Objective, ObjectiveOptions, read_objective

__all__ = [
    "AMP_TYPES",
    "IQASRConfig",
    "LossConfig",
    "ModelConfig",
    "QualityConfig",
    "QualitySection",
    "QualityValSection",
    "SchedulerOptions",
    "TrainSection",
    "ValSection",
    "base_network",
    "section_of",
]

AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What `train:amp` can be."""

SectionType = TypeVar("SectionType", bound=Section)

OWN = (*LOSSES, PerceptualSlot.__name__)  # losses of ours, by their names in option files


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
        """What BasicSR builds the schedule from: `type`, and the arguments that were given, as numbers."""
        return self.model_dump(exclude_unset=True)

    def too_short(self, total_iter: int) -> str | None:
        """What is wrong with a schedule that ends before the run; None where it does not."""
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
    """What every model of ours reads under `train`."""

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
            raise ValueError(f"expected true, false or a backend of torch.compile; {nearest(str(name), known)}")
        return name


class QualitySection(_LoopOptions):
    """`train` of a QualityModel; see `iqa_sr.objectives` for `objective`."""

    objective: dict[str, Any]


class QualityValSection(Section):
    """`val` of a QualityModel: its objective knows what to measure."""

    val_freq: Iterations = Field(gt=0)
    save_img: Literal[False] = False


@dataclass(frozen=True)
class LossConfig:
    """A section `train:<name>_opt`.

    Attributes:
        section: What builds the loss: `type` and its arguments, as in the file.
        options: The same typed, of a loss of ours; what is inside of a `PerceptualSlot`.
        metrics: The quality metrics that the loss optimizes, and what `create_metric` takes for each.
        distances: Metrics that it uses as a distance to the ground truth; they are no longer impartial.
    """

    section: Mapping[str, Any]
    options: Any
    metrics: Mapping[str, Mapping[str, Any]]
    distances: tuple[str, ...]


@dataclass(frozen=True)
class ModelConfig:
    """What is known of the sections `train` and `val` of any model; of our own models see the classes below.

    Attributes:
        train: `train`, without the losses.
        val: `val`; None without validation.
        losses: The losses by name: every key `train:<name>_opt` that is not null; of a model of BasicSR ours only.
        metrics: `val:metrics` by name.
    """

    train: Any
    val: Any
    losses: Mapping[str, LossConfig]
    metrics: Mapping[str, MetricConfig]

    @classmethod
    def read(cls, options: Mapping[str, Any], problems: OptionProblems) -> Self:
        """Read the sections of an option file.

        Args:
            options: The whole file.
            problems: Where what is wrong goes; a section with an error is None or left out of the result.
        """
        train = section_of(options, "train")
        problems.texts += [
            f"train:{key}: {options.get('model_type')} does not read it; set model_type to IQASRModel"
            for key in ("lora", "guard")
            if train.get(key) and isinstance(options.get("model_type"), str)
        ]
        ours = {key: value for key, value in train.items() if isinstance(value, Mapping) and value.get("type") in OWN}
        section = problems.read(StockTrainSection, options.get("train"), "train", optional=True)
        for key in [key for key in train if str(key).startswith("optim_") and train[key] is not None]:
            _check_optimizer(problems.read(OptimizerOptions, train[key], f"train:{key}"), f"train:{key}", problems)
        if section_of(train, "scheduler").get("type") in SCHEDULES:  # forks of BasicSR have others
            scheduler = problems.read(SchedulerOptions, train["scheduler"], "train:scheduler")
            if section and scheduler and (problem := scheduler.too_short(section.total_iter)):
                problems.texts.append(f"train:scheduler: {problem}")
        losses, metrics = _read_losses(ours, problems), _read_metrics(options, problems)
        problems.texts += [
            f"train:{name}_opt{':loss' if loss.section['type'] == PerceptualSlot.__name__ else ''}:{key}: "
            f"{options.get('model_type')} {why}; set model_type to IQASRModel"
            for name, loss in losses.items()
            for key, why in (
                ("visible", "gives losses no results of a base"),
                ("normalize", "keeps no units in its state"),
            )
            if getattr(loss.options, key, False)
        ]
        problems.texts += [
            f"val:metrics:{name}:against: {options.get('model_type')} keeps no base; set model_type to IQASRModel"
            for name, metric in metrics.items()
            if getattr(metric, "needs_base", False)
        ]
        return cls(
            section,
            problems.read(StockValSection, options.get("val"), "val", optional=True),
            losses,
            metrics,
        )

    @classmethod
    def from_opt(cls, opt: Mapping[str, Any]) -> Self:
        """Read the sections of BasicSR's options, where no `RunConfig` has.

        Raises:
            OptionError: With everything that is wrong with them.
        """
        problems = OptionProblems()
        config = cls.read(opt, problems)
        problems.raise_if_any()
        return config


@dataclass(frozen=True)
class IQASRConfig(ModelConfig):
    """What an IQASRModel reads under `train` and `val`."""

    train: TrainSection
    val: ValSection | None

    @classmethod
    def read(cls, options: Mapping[str, Any], problems: OptionProblems) -> Self:
        """As of `ModelConfig`."""
        train = section_of(options, "train")
        plain = {key: value for key, value in train.items() if not str(key).endswith("_opt")}
        settings: Any = problems.read(TrainSection, plain, "train") if train else None
        for key in ("optim_g", "optim_d"):
            _check_optimizer(getattr(settings, key, None), f"train:{key}", problems)
        val = problems.read(ValSection, options.get("val"), "val", optional=True)
        metrics = {} if options.get("val") is None else _read_metrics(options, problems)
        losses = _read_losses(train, problems)
        if settings is not None and settings.guard is not None and settings.guard.held_out is None:
            with problems.collected():
                settings = settings.holding_out(_held_out(settings.guard, losses, section_of(options, "datasets")))
        return cls(settings, val, losses, metrics)

    @property
    def needing_base(self) -> dict[str, str]:
        """What needs the network that the run begins with, as the file says it, and what it does with that."""
        found = {f"train:{key}": "begins" for key in ("lora", "guard") if getattr(self.train, key, None) is not None}
        for name, loss in self.losses.items():
            if getattr(loss.options, "visible", False):
                found[f"train:{name}_opt:visible"] = "compares"
        for name, metric in self.metrics.items():
            if getattr(metric, "needs_base", False):
                found[f"val:metrics:{name}:against: base"] = "compares"
        return found


def _held_out(guard: GuardOptions, losses: Mapping[str, LossConfig], datasets: Mapping[str, Any]) -> list[str]:
    """What the guard of a file holds out that names nothing; the images are those of the first validation set."""
    taken = [name for loss in losses.values() for name in (*loss.metrics, *loss.distances)]
    sampler = section_of(section_of(datasets, "train"), "sampler").get("metric")
    taken += [same_name(sampler, metric_names())] if isinstance(sampler, str) else []
    val = next((str(key) for key in datasets if str(key).split("_")[0] == "val"), "val")
    return default_held_out(taken, bool(section_of(datasets, val).get("dataroot_gt")), guard.window)


@dataclass(frozen=True)
class QualityConfig(ModelConfig):
    """What a QualityModel reads under `train` and `val`.

    Attributes:
        objective: The class of `train:objective`.
        objective_options: Its options.
    """

    train: QualitySection
    val: QualityValSection | None
    objective: type[Objective[Any]]
    objective_options: ObjectiveOptions

    @classmethod
    def read(cls, options: Mapping[str, Any], problems: OptionProblems) -> Self:
        """As of `ModelConfig`."""
        train = section_of(options, "train")
        settings: Any = problems.read(QualitySection, options.get("train"), "train", optional=True)
        _check_optimizer(getattr(settings, "optim_g", None), "train:optim_g", problems)
        objective: Any = (None, None)
        if isinstance(train.get("objective"), Mapping):  # else `train` says so
            with problems.collected():
                objective = read_objective(train["objective"])
        return cls(
            settings, problems.read(QualityValSection, options.get("val"), "val", optional=True), {}, {}, *objective
        )


def section_of(options: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A section of an option file, empty where there is none; what is no section is told by whoever reads the whole."""
    section = options.get(key)
    return section if isinstance(section, Mapping) else {}


def _check_optimizer(options: OptimizerOptions | None, path: str, problems: OptionProblems) -> None:
    """Whether torch builds the optimizer and it takes a step; None has been told before."""
    if options is not None:
        with problems.collected():
            check_optimizer(options.model_dump(), path)


def _read_losses(train: Mapping[str, Any], problems: OptionProblems) -> dict[str, LossConfig]:
    losses = {}
    known = registered(LOSS_REGISTRY)
    for key, section in train.items():
        if str(key).endswith("_opt") and section is not None:
            with problems.collected():
                losses[key.removesuffix("_opt")] = _read_loss(section, f"train:{key}", known)
    return losses


def _read_loss(section: Any, path: str, known: Iterable[str]) -> LossConfig:
    if not isinstance(section, Mapping) or "type" not in section:
        raise OptionError(f"{path}: expected a loss section with a `type`, got {shown(section)}")
    kind = section["type"]
    if not isinstance(kind, str) or kind not in known:
        raise OptionError(f"{path}:type: there is no loss {shown(kind)}; {nearest(str(kind), known)}")
    loss = LOSS_REGISTRY.get(section["type"])
    check_arguments(loss, section, path)
    if section.get("reduction") == "none":
        raise OptionError(f"{path}:reduction: expected mean or sum, got none: a loss that is trained is one number")
    options = None
    if loss is PerceptualSlot:
        inner = section["loss"]
        kind = inner.get("type") if isinstance(inner, Mapping) else inner
        if not isinstance(inner, Mapping) or str(kind) not in LOSSES:
            near = nearest(str(kind), LOSSES)
            raise OptionError(f"{path}:loss: expected a section with a type, got {kind!r}; {near}")
        options = _read_loss(inner, f"{path}:loss", LOSSES).options
    elif hasattr(loss, "Options"):
        options = read_section(loss.Options, {key: value for key, value in section.items() if key != "type"}, path)
    return LossConfig(section, options, getattr(options, "judges", {}), getattr(options, "distances", ()))


def _read_metrics(options: Mapping[str, Any], problems: OptionProblems) -> dict[str, MetricConfig]:
    metrics = {}
    for name, section in section_of(section_of(options, "val"), "metrics").items():
        with problems.collected():
            metrics[name] = read_metric(section, f"val:metrics:{name}")
    return metrics


def base_network(opt: Mapping[str, Any]) -> dict[str, Any]:
    """The network that a run begins with: its `file` and the key of the weights that are tested in the first iteration.

    That is the averaged one where BasicSR begins the average with it; in a file without it, the key that was `named`.
    """
    if "base_network" in opt:  # a resumed run begins with its own checkpoint
        return dict(opt["base_network"])
    path, train = opt["path"], opt["train"]
    averaged = (train.get("ema_decay") or 0) > 0 and not train.get("lora")
    named = path.get("param_key_g")
    return {
        "file": path.get("pretrain_network_g"),
        "param_key": "params_ema" if averaged else named or "params",
        "named": named,
    }
