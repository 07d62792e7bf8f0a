"""What a run's options need beyond the file: paths, ranks, defaults."""

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_sr.errors import OptionError

__all__ = ["complete_options"]


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


PATH_SWITCHES = ("strict_load", "pretrain_network", "pretrain_opt", "resume", "param_key")


def complete_options(options: Mapping[str, Any], rank: int, world_size: int, cuda_devices: int) -> dict[str, Any]:
    """BasicSR's `opt` mapping: the option file plus what BasicSR's own parser adds.

    Args:
        options: The option file's content after the overrides.
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
