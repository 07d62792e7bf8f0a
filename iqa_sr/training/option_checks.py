"""Checks between the sections of an option file; everything here is known before anything is built.

What needs the data (missing files, sizes, labels, scores) is checked by the data sets, see `datasets.multi_gt_checks`.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from iqa_sr.basicsr_compat import ARCH_REGISTRY, MODEL_REGISTRY, side_multiple
from iqa_sr.config.sections import OptionProblems
from iqa_sr.errors import OptionError, shown
from iqa_sr.guard.options import check_guard
from iqa_sr.losses.iqa_loss import too_small
from iqa_sr.models.options import IQASRConfig, QualityConfig, section_of
from iqa_sr.objectives import OBJECTIVES, Objective
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.scores.score_table import baseline_label

__all__ = ["check_fits", "check_iqa_sr", "model_names", "sampler_metrics", "without_effect"]


def sampler_metrics(datasets: Mapping[str, Any]) -> list[str]:
    """The metrics by which samplers choose ground truths, of typed sections below `datasets`."""
    samplers = [section.sampler for section in datasets.values() if hasattr(section, "sampler")]
    return [sampler.metric for sampler in samplers if hasattr(sampler, "metric")]


def check_iqa_sr(
    options: Mapping[str, Any], model: IQASRConfig, datasets: Mapping[str, Any], problems: OptionProblems
) -> None:
    """Check what an IQASRModel needs of its losses, networks and data together; faults go to `problems`.

    Args:
        options: Content of the whole option file.
        model: Parsed sections `train` and `val`; those with errors of their own are None and not looked at.
        datasets: Sections below `datasets`, as far as they could be read.
        problems: Collection that errors are added to.
    """
    losses = _losses(options)
    if not losses and isinstance(options.get("train"), Mapping):
        problems.texts.append("train: no loss; expected at least one section <name>_opt, for example pixel_opt")
    crop = getattr(datasets.get("train"), "gt_size", None)
    for name, loss in model.losses.items():
        if loss.metrics and isinstance(crop, int):
            found = too_small(loss.metrics, getattr(loss.options, "views", None), crop)
            problems.texts += [f"train:{name}_opt: {found} (datasets:train:gt_size)"] if found else []
    if model.train is not None:
        if "gan_opt" in losses and (not options.get("network_d") or model.train.optim_d is None):
            problems.texts.append("train:gan_opt: a discriminator is needed: network_d and train:optim_d")
        problems.texts += [
            f"train:{name}_opt:criterion: fro is a norm over the whole batch, which cannot come from the "
            f"{model.train.accumulate} parts of train:accumulate; take l1, or leave accumulate out"
            for name, loss in model.losses.items()
            if model.train.accumulate > 1 and loss.section.get("criterion") == "fro"
        ]
        train_set = datasets.get("train")
        batch = dict(train_set).get("batch_size_per_gpu") if train_set is not None else None
        if isinstance(batch, int) and batch % model.train.accumulate:
            problems.texts.append(
                f"train:accumulate: expected a divisor of batch_size_per_gpu {batch}, got {model.train.accumulate}"
            )
        _check_fine_tuning(options, model, datasets, problems)
    with problems.collected():
        _check_scale(options, crop)
    problems.texts += _of_another_scale(options.get("scale"), model)


def _losses(options: Mapping[str, Any]) -> dict[str, Any]:
    """The sections `train:<name>_opt` that say something."""
    train = section_of(options, "train")
    return {key: value for key, value in train.items() if str(key).endswith("_opt") and value}


def _check_fine_tuning(
    options: Mapping[str, Any], model: IQASRConfig, datasets: Mapping[str, Any], problems: OptionProblems
) -> None:
    """LoRA, the guard and what compares with the base need it; the guard needs metrics to watch, others, and images."""
    path, guard = section_of(options, "path"), model.train.guard
    for key, does in model.needing_base.items():
        if not path.get("pretrain_network_g"):
            problems.texts.append(
                f"path:pretrain_network_g: expected the trained network that {key} {does} with, got nothing"
            )
        if not path.get("strict_load_g", True):
            problems.texts.append(f"path:strict_load_g: expected true with {key}, which needs all of its base")
    if guard is None:
        return
    watched = [name for loss in model.losses.values() for name in loss.metrics]
    if not watched:
        if len(model.losses) == len(_losses(options)):  # one with errors of its own may be the one
            problems.texts.append("train:guard: there is no reward metric to watch: no loss optimizes a quality metric")
    elif guard.held_out is not None:  # else it has been told why
        partial = sampler_metrics({key: section for key, section in datasets.items() if key == "train"})
        partial += [name for loss in model.losses.values() for name in loss.distances]
        with problems.collected():
            check_guard(guard, watched, partial, guard.checks(model.train.total_iter))
    if not any(key.split("_")[0] == "val" for key in section_of(options, "datasets")):
        problems.texts.append("train:guard: expected validation images to measure: the section datasets:val is missing")


def _check_scale(options: Mapping[str, Any], crop: Any) -> None:
    """The network's own factor, under whichever name it has, against the run's; the crop against what it takes."""
    network, scale = section_of(options, "network_g"), options.get("scale")
    if not isinstance(network.get("type"), str) or network["type"] not in ARCH_REGISTRY:
        return
    if not isinstance(scale, int) or isinstance(scale, bool):
        raise OptionError(f"scale: expected the upscaling factor as a whole number, got {shown(scale)}")
    parameters = inspect.signature(ARCH_REGISTRY.get(network["type"])).parameters
    for key in ("upscale", "scale"):
        if key in parameters:
            factor = network.get(key, parameters[key].default)
            if factor != scale:
                raise OptionError(f"network_g:{key}: expected {scale} as under scale, got {shown(factor)}")
    multiple = side_multiple(network)
    if isinstance(crop, int) and crop % (scale * multiple):
        raise OptionError(
            f"datasets:train:gt_size: expected a multiple of {scale * multiple} "
            f"(scale {scale} times {multiple}, of which {network['type']} takes multiples), got {crop}"
        )


def _of_another_scale(scale: Any, model: IQASRConfig) -> list[str]:
    """What compares with bicubic upscaling, or downscales, where nothing is enlarged; and the other way round."""
    found, given = [], getattr(model.val, "baseline", None)
    if isinstance(scale, int) and given not in (None, "auto", baseline_label(scale)):
        found = [f"val:baseline: expected {baseline_label(scale)} at scale {scale}, or auto, got {given}"]
    guard = getattr(model.train, "guard", None)
    if scale == 1 and guard is not None:
        named = [f"held_out: expected metrics other than {LR_CONSISTENCY}"] * (LR_CONSISTENCY in (guard.held_out or []))
        named += ["min_consistency: expected nothing"] * (guard.min_consistency is not None)
        found += [
            f"train:guard:{one}, for at scale 1 the consistency with the LQ says how little is restored"
            for one in named
        ]
    return found


def check_fits(given: str, known: Sequence[str], path: str, objective: type[Objective[Any]], does: str) -> None:
    """Check whether the objective of a QualityModel works with a network or a data set of this type.

    Args:
        given: Type that the option file names.
        known: Types that fit.
        path: Place of the type in the option file, for the error.
        objective: Class of the objective.
        does: Verb for the error, what the objective does with it: `trains`, `learns from`.

    Raises:
        OptionError: If it does not.
    """
    if given not in known:
        name = next(name for name, one in OBJECTIVES.items() if one is objective)
        raise OptionError(f"{path}: the objective {name} {does} {' or '.join(known)}, got {given}")


_TRAINING_ONLY = ("gt_size", "sampler", "use_hflip", "use_rot", "max_bad_share", "batch_size_per_gpu")
_PREFETCHING = ("prefetch_mode", "num_prefetch_queue", "persistent_workers")


def without_effect(options: Mapping[str, Any], model: Any) -> list[str]:
    """Settings of an option file that have no effect, a line each: where and why.

    Args:
        options: Content of the whole option file.
        model: Parsed sections `train` and `val`.
    """
    lines = [f"{key}: not used" for key in ("dist_params",) if options.get(key)]
    if (section_of(section_of(options, "logger"), "wandb")).get("project"):
        lines.append("logger:wandb: not used; logger:use_tb_logger writes curves for TensorBoard")
    path = section_of(options, "path")
    if path.get("pretrain_opt_g") and not path.get("pretrain_network_g"):
        lines.append("path:pretrain_opt_g: not used without path:pretrain_network_g")
    if isinstance(model, IQASRConfig):
        lines += _of_a_discriminator(options, model)
        lines += [f"val:{key}: not used" for key in ("pbar", "suffix") if section_of(options, "val").get(key)]
    elif not isinstance(model, QualityConfig):
        lines += _of_a_stock_model(options)
    for name, section in section_of(options, "datasets").items():
        lines += [f"datasets:{name}{line}" for line in _of_a_dataset(name, section)]
    return lines


def _of_a_discriminator(options: Mapping[str, Any], model: IQASRConfig) -> list[str]:
    if "gan" in model.losses:
        return []
    path, train = section_of(options, "path"), section_of(options, "train")
    given = [key for key in ("network_d",) if options.get(key)]
    given += [f"path:{key}" for key in ("pretrain_network_d",) if path.get(key)]
    given += [f"train:{key}" for key in ("optim_d", "net_d_iters", "net_d_init_iters") if train.get(key)]
    return [f"{', '.join(given)}: not used without train:gan_opt"] if given else []


_READ_BY_THE_LOOP = ("total_iter", "warmup_iter")


def _of_a_stock_model(options: Mapping[str, Any]) -> list[str]:
    """Networks and keys of `train` that a model of BasicSR passes over."""
    kind, train = options["model_type"], section_of(options, "train")
    keys = {key: key for key, value in options.items() if str(key).startswith("network_") and value}
    keys |= {f"train:{key}": key for key, value in train.items() if value and key not in _READ_BY_THE_LOOP}
    unread = [path for path, key in keys.items() if model_names(kind, key) is False]
    return [f"{', '.join(unread)}: not used; {kind} does not read it"] if unread else []


def model_names(kind: str, key: str) -> bool | None:
    """Check whether the source of a model of BasicSR, or of a base class, has the key; None where it has no source."""
    source = _source(MODEL_REGISTRY.get(kind))
    return None if source is None else f"'{key}'" in source or f'"{key}"' in source


@cache
def _source(kind: type) -> str | None:
    """Source of a class and its bases. Python parses their files for it: 0.1 s, and there are many keys."""
    try:
        return "".join(inspect.getsource(one) for one in kind.__mro__ if one is not object)
    except (OSError, TypeError):
        return None


def _of_a_dataset(name: str, section: Mapping[str, Any]) -> list[str]:
    lines = [f":{key}: not used; the loader's processes prefetch and stay" for key in _PREFETCHING if section.get(key)]
    if name.startswith("train_"):
        lines.append(": not used; a run trains on datasets:train alone")
    if section.get("type") == "MultiGTDataset" and section.get("dataroot_lq") and section.get("degradation"):
        lines.append(":degradation: not used with dataroot_lq, whose LQ images are ready")
    if section.get("type") == "MultiGTDataset" and name.startswith("val"):
        lines += [f":{key}: not used in validation" for key in _TRAINING_ONLY if section.get(key) is not None]
    return lines
