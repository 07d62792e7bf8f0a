"""The one door to BasicSR: its `opt` mapping, derived from a `RunConfig`."""

import copy
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_sr.errors import OptionError
from iqa_sr.models.metric_options import CalculateIQAOptions, direction
from iqa_sr.scores.experiment_folder import ExperimentFolder

if TYPE_CHECKING:
    from iqa_sr.training.run_config import RunConfig

__all__ = ["basicsr_opt"]

PATHS = ("strict_load", "pretrain_network", "pretrain_opt", "resume", "param_key")
DATA_ROOTS = ("dataroot_gt", "dataroot_lq")


def basicsr_opt(
    config: "RunConfig", rank: int = 0, world_size: int = 1, cuda_devices: int = 0, auto_resume: bool = False
) -> dict[str, Any]:
    """What BasicSR's models, and what is left of its loop in ours, read: the option file and what BasicSR adds to it.

    Args:
        config: The option file.
        rank: This process.
        world_size: Number of processes.
        cuda_devices: Number of CUDA devices of this process, for `num_gpu: auto`.
        auto_resume: Whether the newest state is resumed.

    Raises:
        OptionError: If `num_gpu` asks for more devices than there are.
    """
    file = config.file
    opt = copy.deepcopy(dict(config.options))
    opt.update(is_train=True, dist=world_size > 1, rank=rank, world_size=world_size, root_path=os.getcwd())
    opt["auto_resume"] = auto_resume
    one_device = opt["dist"] or file.model_type == "QualityModel"  # DataParallel cannot join losses that are scalars
    available = min(cuda_devices, 1) if one_device else cuda_devices
    opt["num_gpu"] = available if file.num_gpu == "auto" else file.num_gpu
    if opt["num_gpu"] > cuda_devices:
        raise OptionError(
            f"num_gpu: {file.num_gpu} asked for, {cuda_devices} found; on a machine without CUDA set num_gpu to 0 or "
            "auto"
        )
    if opt["num_gpu"] > 1 and one_device and not opt["dist"]:
        raise OptionError(
            f"num_gpu: expected auto, 0 or 1 for a QualityModel, got {file.num_gpu}; with several GPUs, a process "
            f"each:\ntorchrun --nproc_per_node={file.num_gpu} train_sr.py -opt ..."
        )
    opt["manual_seed"] = random.randint(1, 10000) if file.manual_seed is None else file.manual_seed
    for key, section in opt["datasets"].items():
        section["phase"] = key.split("_")[0]
        if file.scale is not None:
            section["scale"] = file.scale
        section.update({root: _expanded(section[root]) for root in DATA_ROOTS if root in section})
    path = {
        key: _expanded(value) if any(known in key for known in PATHS) else value
        for key, value in (opt["path"] or {}).items()
    }
    root = Path(path.get("experiments_root") or Path(opt["root_path"]) / "experiments") / file.name
    opt["path"] = path | ExperimentFolder(root).opt_paths()
    opt["logger"] |= file.logger.model_dump(exclude={"wandb"})
    opt["train"]["total_iter"] = config.model.train.total_iter
    if opt.get("val") is not None:
        opt["val"] = {"save_img": False, **opt["val"], "val_freq": config.model.val.val_freq}
        for name, metric in config.model.metrics.items():
            if isinstance(metric, CalculateIQAOptions):  # BasicSR's own models take `higher` for granted
                opt["val"]["metrics"][name]["better"] = direction(metric.metric)
    return opt


def _expanded(path: Any) -> Any:
    return str(Path(path).expanduser()) if isinstance(path, str) else path
