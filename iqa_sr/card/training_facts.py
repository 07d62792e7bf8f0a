"""The training of a model as its card tells it: figures, data, losses, what it began with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_sr.card.run_log import GuardCheck, read_run_log
from iqa_sr.config.sections import Section
from iqa_sr.errors import OptionError
from iqa_sr.io.files import compute_hash
from iqa_sr.metrics.license_policy import LicensePolicy
from iqa_sr.models.metric_options import CalculateIQAOptions
from iqa_sr.models.options import base_network, section_of
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.training.card_options import CardOptions
from iqa_sr.training.run_config import RunConfig

__all__ = ["BaseFile", "LossFacts", "TrainingFacts", "read_config", "training_facts"]


@dataclass(frozen=True)
class BaseFile:
    """The file that a training began with.

    Attributes:
        name: Name of the file, without its folder.
        sha256: SHA-256 of the file; None where it is not there any more.
    """

    name: str
    sha256: str | None


@dataclass(frozen=True)
class LossFacts:
    """A loss of the training.

    Attributes:
        name: Name of the loss, as `pixel` of `train:pixel_opt`.
        kind: Class of the loss.
        weight: Weight of the loss; None where it has none.
        metrics: Quality metrics that it optimizes.
    """

    name: str
    kind: str
    weight: float | None
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class TrainingFacts:
    """Facts of a training.

    Attributes:
        name: Name of the run.
        card: Section `card` of its options.
        network: Class of the network in its options.
        total_iter: Iterations that were asked for.
        batch: Samples of a batch, of all processes together.
        crop: Side of a crop of the ground truth in pixels; None where it is not told.
        dataset: Name of the training data.
        day: Day on which it ended, as `2030-01-31`; None where it is not known.
        samples: Number of training images, or groups of them; None where it is not known.
        sampler: Section of the sampler; empty without one.
        degradation: Section of the degradation; empty where LQ images were ready.
        losses: The losses.
        lora: Section `train:lora`; empty without.
        guard: Metrics that the guard held out and its other settings; empty without.
        checks: Checks of the guard.
        base: File that it began with; None for random weights.
        license_policy: License policy of the run.
        uses: Uses of each metric in the training, by its name.
        metric_of: Metric of each name under `val:metrics`.
    """

    name: str
    card: CardOptions
    network: str
    total_iter: int
    batch: int | None
    crop: int | None
    dataset: str
    day: str | None
    samples: int | None
    sampler: Mapping[str, Any]
    degradation: Mapping[str, Any]
    losses: tuple[LossFacts, ...]
    lora: Mapping[str, Any]
    guard: Mapping[str, Any]
    checks: tuple[GuardCheck, ...]
    base: BaseFile | None
    license_policy: LicensePolicy
    uses: Mapping[str, tuple[str, ...]]
    metric_of: Mapping[str, str]


def read_config(experiment: ExperimentFolder, overrides: Mapping[str, Any]) -> RunConfig:
    """The options of a training, from its own copy.

    Args:
        experiment: Folder of the training.
        overrides: Keys of the section `card` that take the place of those in the file.

    Raises:
        FileNotFoundError: If the folder or the option file does not exist.
        OptionError: If the options are damaged or of a quality network.
    """
    if not experiment.path.is_dir():
        raise FileNotFoundError(f"{experiment.path}: expected the folder of a training, as experiments/NAME, got none")
    file = experiment.find_option_file()
    if file is None:
        raise FileNotFoundError(
            f"{experiment.path}: expected the folder of a training with its option file {experiment.option_file.name}, "
            "found none"
        )
    options = dict(experiment.options)
    if overrides:
        options["card"] = {**section_of(options, "card"), **overrides}
    config = RunConfig.from_options(options)
    if config.file.model_type == "QualityModel":
        raise OptionError(f"{file}: model_type: expected the training of a super-resolution network, got QualityModel")
    return config


def training_facts(experiment: ExperimentFolder, config: RunConfig) -> TrainingFacts:
    """The facts of a training.

    Args:
        experiment: Folder of the training.
        config: Its options.

    Raises:
        ValueError: If a log is damaged.
    """
    options, log = config.options, read_run_log(experiment.logs())
    train, data = section_of(options, "train"), section_of(section_of(options, "datasets"), "train")
    typed = config.datasets["train"]
    sampler, degradation = _filled(typed, data, "sampler"), _filled(typed, data, "degradation")
    guard = getattr(config.model.train, "guard", None)
    return TrainingFacts(
        name=config.file.name,
        card=config.file.card or CardOptions(),
        network=str(section_of(options, "network_g").get("type", "")),
        total_iter=int(config.model.train.total_iter),
        batch=_batch(options, data),
        crop=int(data["gt_size"]) if data.get("gt_size") else None,
        dataset=str(data.get("name", "train")),
        day=log.day,
        samples=log.samples,
        sampler=sampler,
        degradation={} if data.get("dataroot_lq") else degradation,
        losses=tuple(_losses(config, train)),
        lora=section_of(train, "lora"),
        guard=guard.model_dump() if guard is not None else {},
        checks=log.checks,
        base=_base(experiment, options),
        license_policy=config.file.license_policy,
        uses=_uses(config, sampler),
        metric_of={
            name: metric.metric
            for name, metric in config.model.metrics.items()
            if isinstance(metric, CalculateIQAOptions)
        },
    )


def _filled(typed: Any, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A section of the training data with its defaults, where it is typed; without what is null."""
    section = getattr(typed, key, None)
    if isinstance(section, Section):
        return {name: value for name, value in section.model_dump().items() if value is not None}
    return section_of(data, key)


def _batch(options: Mapping[str, Any], data: Mapping[str, Any]) -> int | None:
    each = data.get("batch_size_per_gpu")
    # The loader of one process with several devices has a batch for each.
    devices = [count for key in ("world_size", "num_gpu") if isinstance(count := options.get(key), int)]
    return int(each) * max(1, *devices) if each else None


def _losses(config: RunConfig, train: Mapping[str, Any]) -> list[LossFacts]:
    found = []
    for key, section in train.items():
        if not str(key).endswith("_opt") or not isinstance(section, Mapping) or "type" not in section:
            continue
        name, weight = str(key).removesuffix("_opt"), section.get("loss_weight", 1.0)
        own = config.model.losses.get(name)
        metrics = tuple(own.metrics) if own is not None else ()
        found.append(LossFacts(name, str(section["type"]), None if weight is None else float(weight), metrics))
    return found


def _uses(config: RunConfig, sampler: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, loss in config.model.losses.items():
        for metric in loss.metrics:
            found.setdefault(metric, []).append(f"reward metric (loss `{name}`)")
        for metric in loss.distances:
            found.setdefault(metric, []).append(f"distance to the ground truth (loss `{name}`)")
    if "metric" in sampler:
        found.setdefault(str(sampler["metric"]), []).append("chose the ground truths")
    guard = getattr(config.model.train, "guard", None)
    for metric in (guard.held_out or ()) if guard is not None else ():
        found.setdefault(metric, []).append("held out by the guard")
    return {metric: tuple(dict.fromkeys(uses)) for metric, uses in found.items()}


def _base(experiment: ExperimentFolder, options: Mapping[str, Any]) -> BaseFile | None:
    sections = {key: section_of(options, key) for key in ("path", "train")}
    own = {"base_network": options["base_network"]} if isinstance(options.get("base_network"), Mapping) else {}
    named = base_network({**sections, **own})["file"] or section_of(options, "network_g").get("path")
    if not isinstance(named, str):
        return None
    candidates = [root / named for root in (Path(), *experiment.started_in())]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    return BaseFile(Path(named).name, compute_hash(path) if path is not None else None)
