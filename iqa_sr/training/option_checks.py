"""The strict check of a whole option file for our models, before anything is built."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from iqa_sr.basicsr_compat.host import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY, registered
from iqa_sr.checkpoint.building import side_multiple
from iqa_sr.config.arguments import check_arguments
from iqa_sr.config.sections import Section, read_section
from iqa_sr.datasets.multi_gt_dataset import MultiGTDatasetOptions
from iqa_sr.degradations.pipelines import build_degradation
from iqa_sr.errors import OptionError, nearest
from iqa_sr.guard.options import check_guard
from iqa_sr.losses.iqa_loss import too_small
from iqa_sr.losses.lpips_loss import LPIPSLoss
from iqa_sr.losses.perceptual_slot import LOSSES, PerceptualSlot
from iqa_sr.metrics.lpips import LPIPS_INFOS
from iqa_sr.models.options import (
    QualityValSection,
    TrainSection,
    losses_of,
    read_quality_section,
    read_train_section,
)
from iqa_sr.models.validation import Validation, read_metric
from iqa_sr.objectives import read_objective
from iqa_sr.samplers import build_sampler
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.training.run_options import OPTIONAL, REQUIRED

__all__ = ["check_options"]

# What complete_options adds to the file's own keys.
ADDED = ("is_train", "dist", "rank", "world_size", "root_path", "auto_resume", "base_network")


class _LoggerOptions(Section):
    print_freq: int = Field(ge=1)
    save_checkpoint_freq: int = Field(ge=1)
    use_tb_logger: bool = False
    wandb: dict[str, Any] | None = None


class _PathOptions(Section):
    experiments_root: str
    models: str
    training_states: str
    visualization: str
    log: str
    resume_state: str | None = None
    pretrain_network_g: str | None = None
    pretrain_opt_g: str | None = None
    pretrain_network_d: str | None = None
    param_key_g: str | None = "params"
    param_key_d: str | None = "params"
    strict_load_g: bool = True
    strict_load_d: bool = True
    ignore_resume_networks: list[str] | None = None


def check_options(opt: Mapping[str, Any]) -> None:
    """Check names, and for IQASRModel and QualityModel every section.

    Stock models and data sets of BasicSR read their own sections; there the names of classes and metrics are checked.

    Raises:
        OptionError: With the path, what was expected, what came and the nearest valid names.
    """
    _check_name(opt["model_type"], MODEL_REGISTRY, "model_type", "model")
    for key, section in opt["datasets"].items():
        _check_name(section["type"], DATASET_REGISTRY, f"datasets:{key}:type", "data set")
        if section["type"] == "MultiGTDataset" and opt["model_type"] != "QualityModel":
            _check_multi_gt(section, f"datasets:{key}")
    for key in [key for key in opt if key.startswith("network_")]:
        _check_name(opt[key].get("type"), ARCH_REGISTRY, f"{key}:type", "network")
    if opt["model_type"] == "IQASRModel":
        _check_sections(opt)
        _check_ours(opt)
    elif opt["model_type"] == "QualityModel":
        _check_sections(opt)
        _check_quality(opt)
    else:
        _check_stock(opt)


def _check_stock(opt: Mapping[str, Any]) -> None:
    """What BasicSR's own models would pass over, and the names of metrics."""
    for key in ("lora", "guard"):
        if opt["train"].get(key):
            raise OptionError(f"train:{key}: {opt['model_type']} does not read it; set model_type to IQASRModel")
    if opt.get("val") is not None:
        for name, section in (opt["val"].get("metrics") or {}).items():
            read_metric(section, f"val:metrics:{name}")


def _check_name(name: Any, registry: Any, path: str, kind: str) -> None:
    if name not in registered(registry) and name not in registry:
        raise OptionError(f"{path}: there is no {kind} {name!r}; {nearest(str(name), registered(registry))}")


def _check_multi_gt(section: Mapping[str, Any], path: str) -> None:
    options = read_section(MultiGTDatasetOptions, section, path)
    if not isinstance(section.get("scale"), int):
        raise OptionError(f"scale: expected the upscaling factor as a whole number, got {section.get('scale')!r}")
    build_sampler(options.sampler, f"{path}:sampler")
    build_degradation(options.degradation, section["scale"], f"{path}:degradation")


def _check_sections(opt: Mapping[str, Any]) -> None:
    """What every model of ours reads in the same way."""
    for key in opt:
        if key not in (*REQUIRED, *OPTIONAL, *ADDED):
            raise OptionError(f"{key}: unknown section; {nearest(key, REQUIRED + OPTIONAL)}")
    read_section(_LoggerOptions, opt["logger"], "logger")
    read_section(_PathOptions, opt["path"], "path")


def _check_networks(opt: Mapping[str, Any]) -> None:
    for key in ("network_g", "network_d"):
        if key in opt:
            check_arguments(ARCH_REGISTRY.get(opt[key]["type"]), opt[key], key)


def _check_quality(opt: Mapping[str, Any]) -> None:
    objective, options = read_objective(read_quality_section(opt["train"]).objective)
    name = opt["train"]["objective"]["type"]
    if opt["network_g"]["type"] != objective.network_type:
        raise OptionError(
            f"network_g:type: the objective {name} trains {objective.network_type}, got {opt['network_g']['type']}"
        )
    _check_networks(opt)
    start = objective.needed_start(options)
    if start is not None and not _has_start(opt):
        raise OptionError(f"path:pretrain_network_g: expected {start}, with which {name} begins here, got nothing")
    for key, section in opt["datasets"].items():
        if section["type"] not in objective.dataset_types:
            raise OptionError(
                f"datasets:{key}:type: the objective {name} learns from {' or '.join(objective.dataset_types)}, "
                f"got {section['type']}"
            )
        dataset = DATASET_REGISTRY.get(section["type"])
        read_section(dataset.Options, section, f"datasets:{key}")
    if opt.get("val") is not None:
        read_section(QualityValSection, opt["val"], "val")


def _has_start(opt: Mapping[str, Any]) -> bool:
    """Whether the run begins with a trained network."""
    path = opt["path"]
    resumed = opt.get("auto_resume") and ExperimentFolder(Path(path["experiments_root"])).states()
    return bool(path.get("pretrain_network_g") or path.get("resume_state") or resumed)


def _check_ours(opt: Mapping[str, Any]) -> None:
    train = read_train_section(opt["train"])
    judges = _check_losses(opt["train"], opt["datasets"]["train"].get("gt_size"))
    _check_tuning(opt, train, judges)
    losses = losses_of(opt["train"])
    if not losses:
        raise OptionError("train: no loss; expected at least one section <name>_opt, for example pixel_opt")
    if "gan" in losses and ("network_d" not in opt or train.optim_d is None):
        raise OptionError("train:gan_opt: a discriminator is needed: network_d and train:optim_d")
    _check_batch(opt, train.accumulate)
    _check_networks(opt)
    _check_scale(opt)
    if opt.get("val") is not None:
        Validation(opt)


def _check_tuning(opt: Mapping[str, Any], train: TrainSection, judges: list[str]) -> None:
    """LoRA and the guard need a base; the guard judges to watch, others to hold out, and pictures."""
    for key in ("lora", "guard"):
        if getattr(train, key) is not None and not opt["path"].get("pretrain_network_g"):
            raise OptionError(
                f"path:pretrain_network_g: expected the trained network that train:{key} begins with, got nothing"
            )
        if getattr(train, key) is not None and not opt["path"].get("strict_load_g", True):
            raise OptionError(f"path:strict_load_g: expected true with train:{key}, which needs all of its base")
    if train.guard is None:
        return
    if not judges:
        raise OptionError("train:guard: there is no judge to watch: no loss optimises a quality metric")
    check_guard(train.guard, judges, _advisers(opt))
    if not any(key.split("_")[0] == "val" for key in opt["datasets"]):
        raise OptionError("train:guard: expected validation pictures to look at: the section datasets:val is missing")


def _advisers(opt: Mapping[str, Any]) -> Iterator[str]:
    """Metrics that are no judges, but no longer impartial: a distance to the ground truth, and what chooses that."""
    for section in losses_of(opt["train"]).values():
        inner = section.get("loss", section)  # BasicSR's slot has ours inside
        if inner.get("type") == LPIPSLoss.__name__:
            yield LPIPS_INFOS[inner.get("net", "vgg")].name
    sampler = opt["datasets"]["train"].get("sampler")
    if isinstance(sampler, Mapping) and "metric" in sampler:
        yield sampler["metric"]


def _check_losses(train: Mapping[str, Any], crop: Any) -> list[str]:
    """Check every loss section of `train` against the loss that it names, and what it sees of crops of so many px.

    Returns:
        The quality metrics that the losses optimise.

    Raises:
        OptionError: With the section's path, what came and the nearest valid name.
    """
    judges: list[str] = []
    for name, section in losses_of(train).items():
        if section["type"] not in registered(LOSS_REGISTRY):
            hint = nearest(section["type"], registered(LOSS_REGISTRY))
            raise OptionError(f"train:{name}_opt:type: there is no loss {section['type']!r}; {hint}")
        judges += _check_loss(section, f"train:{name}_opt", crop)
    return judges


def _check_loss(section: Mapping[str, Any], path: str, crop: Any) -> list[str]:
    """Check a loss section's keys, and the values of those of ours that describe their options; gives its judges."""
    loss = LOSS_REGISTRY.get(section["type"])
    check_arguments(loss, section, path)
    plain = {key: value for key, value in section.items() if key != "type"}
    judges: list[str] = []
    if hasattr(loss, "Options"):
        options = read_section(loss.Options, plain, path)
        judges = list(getattr(options, "judges", {}))
        problem = too_small(judges, getattr(options, "views", None), crop) if isinstance(crop, int) else None
        if problem is not None:
            raise OptionError(f"{path}: {problem} (datasets:train:gt_size)")
    if section["type"] == PerceptualSlot.__name__:
        judges = _check_slot(section["loss"], f"{path}:loss", crop)
    return judges


def _check_slot(inner: Any, path: str, crop: Any) -> list[str]:
    kind = inner.get("type") if isinstance(inner, Mapping) else inner
    if not isinstance(inner, Mapping) or kind not in LOSSES:
        raise OptionError(f"{path}: expected a section with a type, got {kind!r}; {nearest(str(kind), LOSSES)}")
    return _check_loss(inner, path, crop)


def _check_batch(opt: Mapping[str, Any], accumulate: int) -> None:
    batch = opt["datasets"]["train"]["batch_size_per_gpu"]
    if batch % accumulate:
        raise OptionError(f"train:accumulate: expected a divisor of batch_size_per_gpu {batch}, got {accumulate}")


def _check_scale(opt: Mapping[str, Any]) -> None:
    """The network's own factor, under whichever name it has, against the run's; the crop against what it takes."""
    network = opt["network_g"]
    parameters = inspect.signature(ARCH_REGISTRY.get(network["type"])).parameters
    for key in ("upscale", "scale"):
        if key in parameters:
            factor = network.get(key, parameters[key].default)
            if factor != opt.get("scale"):
                raise OptionError(f"network_g:{key}: expected {opt.get('scale')} as under scale, got {factor}")
    gt_size, multiple = opt["datasets"]["train"].get("gt_size"), side_multiple(network)
    if gt_size and isinstance(opt.get("scale"), int) and gt_size % (opt["scale"] * multiple):
        raise OptionError(
            f"datasets:train:gt_size: expected a multiple of {opt['scale'] * multiple} "
            f"(scale {opt['scale']} times {multiple}, of which {network['type']} takes multiples), got {gt_size}"
        )
