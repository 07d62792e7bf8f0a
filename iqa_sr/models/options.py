"""Typed options of our models: `train`, its losses, `val`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import Self

from iqa_sr.config.sections import OptionProblems
from iqa_sr.errors import same_name
from iqa_sr.guard.options import GuardOptions, default_held_out
from iqa_sr.losses.perceptual_slot import PerceptualSlot
from iqa_sr.metrics.registry import metric_names
from iqa_sr.models.loss_options import OWN, LossConfig, read_losses
from iqa_sr.models.metric_options import MetricConfig, ValSection, read_metric
from iqa_sr.models.train_options import (
    SCHEDULES,
    OptimizerOptions,
    QualitySection,
    QualityValSection,
    SchedulerOptions,
    StockTrainSection,
    StockValSection,
    TrainSection,
    check_optimizer_options,
)
from iqa_sr.objectives import Objective, ObjectiveOptions, read_objective

__all__ = ["IQASRConfig", "ModelConfig", "QualityConfig", "base_network", "section_of"]


@dataclass(frozen=True)
class ModelConfig:
    """Options of the sections `train` and `val` of any model; of our own models see the classes below.

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
            options: Content of the whole option file.
            problems: Collection that errors are added to; a section with an error is None or left out of the result.
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
            optimizer = problems.read(OptimizerOptions, train[key], f"train:{key}")
            check_optimizer_options(optimizer, f"train:{key}", problems)
        if section_of(train, "scheduler").get("type") in SCHEDULES:  # forks of BasicSR have others
            scheduler = problems.read(SchedulerOptions, train["scheduler"], "train:scheduler")
            if section and scheduler and (problem := scheduler.too_short(section.total_iter)):
                problems.texts.append(f"train:scheduler: {problem}")
        losses, metrics = read_losses(ours, problems), _read_metrics(options, problems)
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
    """Options of an IQASRModel under `train` and `val`."""

    train: TrainSection
    val: ValSection | None

    @classmethod
    def read(cls, options: Mapping[str, Any], problems: OptionProblems) -> Self:
        """Read the sections of an option file, as `ModelConfig` does."""
        train = section_of(options, "train")
        plain = {key: value for key, value in train.items() if not str(key).endswith("_opt")}
        settings: Any = problems.read(TrainSection, plain, "train") if train else None
        for key in ("optim_g", "optim_d"):
            check_optimizer_options(getattr(settings, key, None), f"train:{key}", problems)
        val = problems.read(ValSection, options.get("val"), "val", optional=True)
        metrics = {} if options.get("val") is None else _read_metrics(options, problems)
        losses = read_losses(train, problems)
        if settings is not None and settings.guard is not None and settings.guard.held_out is None:
            with problems.collected():
                settings = settings.holding_out(_held_out(settings.guard, losses, section_of(options, "datasets")))
        return cls(settings, val, losses, metrics)

    @property
    def needing_base(self) -> dict[str, str]:
        """Losses that need the network that the run begins with, as the file says it, and what it does with that."""
        found = {f"train:{key}": "begins" for key in ("lora", "guard") if getattr(self.train, key, None) is not None}
        for name, loss in self.losses.items():
            if getattr(loss.options, "visible", False):
                found[f"train:{name}_opt:visible"] = "compares"
        for name, metric in self.metrics.items():
            if getattr(metric, "needs_base", False):
                found[f"val:metrics:{name}:against: base"] = "compares"
        return found


def _held_out(guard: GuardOptions, losses: Mapping[str, LossConfig], datasets: Mapping[str, Any]) -> list[str]:
    """Metrics that the guard holds out of a file that names none; the images are those of the first validation set."""
    taken = [name for loss in losses.values() for name in (*loss.metrics, *loss.distances)]
    sampler = section_of(section_of(datasets, "train"), "sampler").get("metric")
    taken += [same_name(sampler, metric_names())] if isinstance(sampler, str) else []
    val = next((str(key) for key in datasets if str(key).split("_")[0] == "val"), "val")
    return default_held_out(taken, bool(section_of(datasets, val).get("dataroot_gt")), guard.window)


@dataclass(frozen=True)
class QualityConfig(ModelConfig):
    """Options of a QualityModel under `train` and `val`.

    Attributes:
        objective: The class of `train:objective`.
        objective_options: Options of the objective.
    """

    train: QualitySection
    val: QualityValSection | None
    objective: type[Objective[Any]]
    objective_options: ObjectiveOptions

    @classmethod
    def read(cls, options: Mapping[str, Any], problems: OptionProblems) -> Self:
        """Read the sections of an option file, as `ModelConfig` does."""
        train = section_of(options, "train")
        settings: Any = problems.read(QualitySection, options.get("train"), "train", optional=True)
        check_optimizer_options(getattr(settings, "optim_g", None), "train:optim_g", problems)
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
