"""RunConfig: the option file of a training run, read and understood once."""

import copy
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.config.class_arguments import check_arguments
from iqa_sr.config.option_files import apply_overrides, read_option_file, unusable_texts
from iqa_sr.config.sections import OptionProblems
from iqa_sr.errors import OptionError, did_you_mean, shown
from iqa_sr.metrics.license_policy import check_licenses
from iqa_sr.metrics.registry import metric_info
from iqa_sr.models.metric_options import CalculateIQAOptions, direction
from iqa_sr.models.options import IQASRConfig, ModelConfig, QualityConfig, section_of
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.training.dataset_sections import LOADER_KEYS, read_datasets
from iqa_sr.training.file_options import FileOptions, StockFileOptions, unknown_class
from iqa_sr.training.network_file_options import check_architecture, complete_options
from iqa_sr.training.option_checks import check_fits, check_iqa_sr, sampler_metrics
from iqa_sr.training.validation_checks import check_names

__all__ = ["RunConfig"]

# A run's own copy of its options, experiments/<name>/<name>.yml, is an option file, too: it has what the run added.
ADDED = ("is_train", "dist", "rank", "world_size", "root_path", "auto_resume", "base_network")
ADDED_PATHS = ("log", "models", "training_states", "visualization")
# Keys of `path` and of data sets that may begin with `~`.
PATHS = ("pretrain_network", "pretrain_opt", "resume_state", "experiments_root")
DATA_ROOTS = ("dataroot_gt", "dataroot_lq")

OWN_MODELS: dict[str, type[ModelConfig]] = {"IQASRModel": IQASRConfig, "QualityModel": QualityConfig}


@dataclass(frozen=True)
class RunConfig:
    """An option file, understood: what constructors take, and what BasicSR's `opt` is derived from.

    Attributes:
        options: The whole file after bases and overrides.
        file: Top of the file: name, kind of model, scale, seed, logger.
        datasets: The sections below `datasets`: typed for data sets of ours, mappings for BasicSR's.
        model: Sections `train` and `val` as the model reads them.
    """

    options: Mapping[str, Any]
    file: FileOptions
    datasets: Mapping[str, Any]
    model: ModelConfig

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: Sequence[str] = ()) -> "RunConfig":
        """Read an option file with its bases; the names of classes are those that are registered with BasicSR.

        Args:
            path: The file.
            overrides: `section:key=value` each.

        Raises:
            FileNotFoundError: If a file is missing.
            OptionError: With all that is wrong: of each its path, what was expected, what came, the nearest valid name.
        """
        return cls.from_options(apply_overrides(read_option_file(path), overrides))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "RunConfig":
        """The config of a file that was read already.

        Args:
            options: The whole file after bases and overrides.

        Raises:
            OptionError: As `from_yaml`.
        """
        problems = OptionProblems([f"{path}: {what}" for path, what in unusable_texts(options)])
        own = OWN_MODELS.get(str(options.get("model_type")))
        if own is IQASRConfig:
            options = complete_options(options, problems)
        given = {key: value for key, value in options.items() if key not in ADDED}
        if isinstance(given.get("path"), Mapping):
            given["path"] = {key: value for key, value in given["path"].items() if key not in ADDED_PATHS}
        file: Any = problems.read(FileOptions if own else StockFileOptions, given, "")
        model = (own or ModelConfig).read(options, problems)
        ignored = section_of(options, "path").get("ignore_resume_networks")
        networks = ["network_g", "network_d", *(key for key in map(str, options) if key.startswith("network_"))]
        problems.texts += [
            f"path:ignore_resume_networks: there is no network {shown(one)}; {did_you_mean(str(one), networks)}"
            for one in (ignored if isinstance(ignored, list) else ())
            if one not in networks
        ]
        objective = model.objective if isinstance(model, QualityConfig) else None
        for key in [key for key in options if str(key).startswith("network_")]:
            if not section_of(options, key):
                if options[key] == {} or (options[key] is not None and key not in FileOptions.model_fields):
                    problems.texts.append(f"{key}: expected a section with the key type, got {shown(options[key])}")
                continue
            with problems.collected():
                if unknown := unknown_class(options[key].get("type"), ARCH_REGISTRY, "network"):
                    raise OptionError(f"{key}:type: {unknown}")
                if objective is not None:
                    check_fits(options[key]["type"], objective.network_types, f"{key}:type", objective, "trains")
                if own:
                    check_arguments(ARCH_REGISTRY.get(options[key]["type"]), options[key], key)
        datasets = read_datasets(options, file, objective, problems)
        check_names(options, problems)
        if isinstance(model, IQASRConfig):
            scale = options.get("scale") if file is None else file.scale
            check_iqa_sr({**options, "scale": scale}, model, datasets, problems)
        config = cls(options, file, datasets, model)
        with problems.collected():
            if file is not None and file.license_policy != "any":
                check_licenses(config.metrics(), file.license_policy, "license_policy")
                if own is IQASRConfig and not problems.texts:
                    check_architecture(options["network_g"], file.license_policy)
        problems.raise_if_any()
        return config

    def metrics(self) -> list[str]:
        """Names of our metrics that the run uses, in samplers, losses, guard and validation; each once."""
        found = sampler_metrics(self.datasets)
        for loss in self.model.losses.values():
            found += [*loss.metrics, *loss.distances]
        guard = getattr(self.model.train, "guard", None) if isinstance(self.model, IQASRConfig) else None
        found += (guard.held_out or []) if guard is not None else []
        found += [metric.metric for metric in self.model.metrics.values() if isinstance(metric, CalculateIQAOptions)]
        return [name for name in dict.fromkeys(found) if name != LR_CONSISTENCY]  # which is no metric of its own

    def weight_files(self) -> list[str]:
        """Names of the weight files that the run needs, in the weights store; each once."""
        # The facts of a metric of pyiqa come with building it: its own download happens here, too.
        files = [file for name in self.metrics() for file in metric_info(name).weights]
        options = [options for loss in self.model.losses.values() for options in loss.metrics.values()]
        if any(one.get("regressor") for one in options):
            files = [file for file in files if file != "reiqa_regressor.pth"]  # the option names the user's own
        if isinstance(self.model, QualityConfig):
            files += self.model.objective.weight_files(self.model.objective_options, self.options["network_g"])
        return list(dict.fromkeys(files))

    def basicsr_opt(
        self, rank: int = 0, world_size: int = 1, cuda_devices: int = 0, auto_resume: bool = False
    ) -> dict[str, Any]:
        """The one door to BasicSR: the option file with what BasicSR adds to it, as its models and loop read it.

        Args:
            rank: Rank of this process.
            world_size: Number of processes.
            cuda_devices: Number of CUDA devices of this process, for `num_gpu: auto`.
            auto_resume: Whether the newest state is resumed.

        Raises:
            OptionError: If `num_gpu` asks for more devices than there are.
        """
        file = self.file
        opt = copy.deepcopy(dict(self.options))
        opt.update(is_train=True, dist=world_size > 1, rank=rank, world_size=world_size, root_path=os.getcwd())
        opt["auto_resume"] = auto_resume
        # DataParallel cannot join losses that are scalars.
        one_device = opt["dist"] or file.model_type == "QualityModel"
        available = min(cuda_devices, 1) if one_device else cuda_devices
        opt["num_gpu"] = available if file.num_gpu == "auto" else file.num_gpu
        if opt["num_gpu"] > cuda_devices:
            raise OptionError(
                f"num_gpu: {file.num_gpu} asked for, {cuda_devices} found; on a machine without CUDA set num_gpu to 0 "
                "or auto"
            )
        if opt["num_gpu"] > 1 and one_device and not opt["dist"]:
            raise OptionError(
                f"num_gpu: expected auto, 0 or 1 for a QualityModel, got {file.num_gpu}; with several GPUs, a process "
                f"each:\ntorchrun --nproc_per_node={file.num_gpu} train_sr.py -opt ..."
            )
        if file.scale is not None:
            opt["scale"] = file.scale
        opt["manual_seed"] = random.randint(1, 10000) if file.manual_seed is None else file.manual_seed
        for name, section in opt["datasets"].items():
            section["phase"] = name.split("_")[0]
            if file.scale is not None:
                section["scale"] = file.scale
            typed = self.datasets[name]
            numbers = dict(typed)  # as they were understood
            section.update({key: numbers[key] for key in LOADER_KEYS if key in section})
            for key in DATA_ROOTS:
                if isinstance(section.get(key), str):
                    section[key] = os.path.expanduser(section[key])
        path = opt["path"] or {}
        for key, value in path.items():
            if isinstance(value, str) and key.startswith(PATHS):
                path[key] = os.path.expanduser(value)
        root = Path(path.get("experiments_root") or Path(opt["root_path"]) / "experiments")
        if path.get("models") == str(ExperimentFolder(root).models):  # a run's own copy names the folder of the run
            root = root.parent
        opt["path"] = path | ExperimentFolder(root / file.name).opt_paths()
        opt["logger"] |= file.logger.model_dump(exclude={"wandb"})
        opt["train"]["total_iter"] = self.model.train.total_iter
        if "warmup_iter" in opt["train"] and isinstance(self.model, IQASRConfig | QualityConfig):
            opt["train"]["warmup_iter"] = self.model.train.warmup_iter
        if opt.get("val") is not None:
            opt["val"] = {"save_img": False, **opt["val"], "val_freq": self.model.val.val_freq}
            for name, metric in self.model.metrics.items():
                if isinstance(metric, CalculateIQAOptions):  # BasicSR's own models take `higher` for granted
                    opt["val"]["metrics"][name]["better"] = direction(metric.metric)
        return opt
