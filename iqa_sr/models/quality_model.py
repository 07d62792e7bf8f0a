"""QualityModel: trains a quality network, whatever its objective, as IQASRModel trains a super-resolution network."""

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from iqa_sr.basicsr_compat import build_network
from iqa_sr.config.class_arguments import errors_of_options
from iqa_sr.io.network_states import few, nonfinite_weights
from iqa_sr.models.model_base import ModelBase
from iqa_sr.models.nonfinite_guard import NonFiniteSkipper
from iqa_sr.models.optimizer_step import OptimizerStep
from iqa_sr.models.options import QualityConfig
from iqa_sr.models.train_options import AMP_TYPES
from iqa_sr.models.validation_results import ValidationResults
from iqa_sr.objectives import Objective
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.score_table import MetricFacts

__all__ = ["QualityModel"]

logger = logging.getLogger(__name__)


class QualityModel(ModelBase):
    """Trains the quality network `network_g` with the objective `train:objective`.

    Checkpoints, states and the exact resume are those of BasicSR's models; at the end the files from which the metric
    of the network is built are written to `experiments/<name>/weights`.

    Args:
        opt: Options as BasicSR's models take them.
        config: Parsed sections `train` and `val` of the option file; None where nobody has read them before.

    Raises:
        OptionError: If something is wrong with them.
    """

    first_metric_decides = True

    def __init__(self, opt: dict[str, Any], config: QualityConfig | None = None) -> None:
        super().__init__(opt)
        config = config or QualityConfig.from_opt(opt)
        self.settings = settings = config.train
        self._forwarded = False  # whether the network has taken images
        network = build_network(opt["network_g"])
        path = opt["path"]
        if path.get("pretrain_network_g"):
            strict, key = path.get("strict_load_g", True), path.get("param_key_g", "params")
            self.load_network(network, path["pretrain_network_g"], strict, key)
        elif start := config.objective.default_start(config.objective_options):
            self.load_network(network, str(start))
        objective = config.objective(network, config.objective_options)
        if settings.channels_last:
            objective = objective.to(memory_format=torch.channels_last)
        self.print_network(objective)
        self.net_g = self.model_to_device(objective).train()
        if opt["num_gpu"] == 1 and not opt["dist"] and torch.cuda.device_count() > 1:
            logger.info(
                f"One of {torch.cuda.device_count()} GPUs is used; for all of them start one process each:\n"
                f"  torchrun --nproc_per_node={torch.cuda.device_count()} train_sr.py -opt ..."
            )
        self.ema_decay = settings.ema_decay
        if self.ema_decay > 0:
            self.net_g_ema = copy.deepcopy(self.objective).eval().requires_grad_(False)
            if path.get("pretrain_network_g") and path.get("resume_state"):
                self.load_network(self.net_g_ema.network, path["pretrain_network_g"], True, "params_ema")
        self.add_optimizer(settings.optim_g, "train:optim_g", self.objective.parameter_groups(settings.optim_g.lr))
        self.setup_schedulers()
        self.finite_guard = NonFiniteSkipper(settings.max_nonfinite)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.amp == "fp16")
        guard, clip = self.finite_guard, settings.grad_clip
        self.step = OptimizerStep(self.optimizers[0], self.net_g, "net_g", self.scaler, clip, guard)

    @property
    def objective(self) -> Objective[Any]:
        """The objective that learns, without the wrapper for several processes."""
        return cast(Objective[Any], self.get_bare_model(self.net_g))

    @property
    def tested(self) -> Objective[Any]:
        """The objective that is validated and published: the averaged one where there is one."""
        return cast(Objective[Any], self.net_g_ema or self.objective)

    # --- One iteration ------------------------------------------------------------------------------------------------

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch of the objective's data set; tensors go to the device."""
        self.batch = self._on_device(data)
        self.files = [str(name) for name in data.get("path", [])]

    def _on_device(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in data.items()
        }

    def optimize_parameters(self, current_iter: int) -> None:
        """One step; one that is not finite is skipped."""
        self.objective.before_step(current_iter)
        self.optimizers[0].zero_grad()
        kind = self.settings.amp
        autocast = torch.autocast(self.device.type, dtype=AMP_TYPES[kind]) if kind else nullcontext()
        with autocast, nullcontext() if self._forwarded else self._first_forward():
            losses = self.net_g(self.batch)
        self.log_dict = self.reduce_loss_dict({f"l_{name}": value for name, value in losses.items()})
        if self.finite_guard.stops_step(losses, current_iter, self.files):
            return
        self.scaler.scale(sum(losses.values())).backward()
        if self.step(current_iter, self.files):
            self.finite_guard.passed()
            if self.ema_decay > 0:
                self.model_ema(self.ema_decay)

    def _first_forward(self) -> AbstractContextManager[None]:
        """Around the first forward, whose errors are those of the network's options."""
        self._forwarded = True
        section, kind = self.opt["network_g"], type(self.objective.network)
        return errors_of_options(section, "network_g", kind, "cannot take the training images")

    # --- Validation ---------------------------------------------------------------------------------------------------

    def validate(self, dataloader: DataLoader[Any], current_iter: int, save_img: bool) -> ValidationResults:
        """Results of the objective on a validation set; figures are better when larger."""
        objective, dataset = self.tested, dataloader.dataset.opt["name"]  # type: ignore[attr-defined]
        if names := nonfinite_weights(objective):
            logger.warning(f"{dataset} is not validated: the network's weights are not finite: {few(names)}.")
            return ValidationResults(dataset, {}, [], [])
        objective.eval()
        with torch.no_grad():
            means = objective.validate(self._samples(dataloader))
        self.net_g.train()
        spec = f"{self.objective.options.type} objective"
        facts = [MetricFacts(metric, True, spec) for metric in means]
        return ValidationResults.of_means(dataset, current_iter, means, facts)

    def _samples(self, loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
        for batch in loader:
            yield self._on_device(batch)

    # --- Saving -------------------------------------------------------------------------------------------------------

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the network, and the training state last; at the end also the published files."""
        self.save_generator(current_iter)
        if current_iter == -1:
            self._publish()
        self.save_training_state(epoch, current_iter)

    def save_generator(self, label: int | str) -> None:
        """Write `net_g_<label>.pth` with `params` and, with EMA, `params_ema`."""
        if self.ema_decay > 0:
            networks = [self.objective.network, self.net_g_ema.network]
            self.save_network(networks, "net_g", label, param_key=["params", "params_ema"])
        else:
            self.save_network(self.objective.network, "net_g", label)

    def _publish(self) -> None:
        if self.opt["rank"] != 0:
            return
        folder = ExperimentFolder(Path(self.opt["path"]["experiments_root"])).weights
        folder.mkdir(parents=True, exist_ok=True)
        objective = self.tested
        objective.eval()
        with torch.no_grad():
            files = objective.publish(folder)
        if files:
            names = ", ".join(file.name for file in files)
            logger.info(f"For the metric: {names} in {folder} (set IQA_SR_WEIGHTS to that folder).")

    def training_extras(self) -> dict[str, Any]:
        """State that an exact resume needs beyond BasicSR's training state."""
        return {**self.iteration_extras(), "scaler": self.scaler.state_dict()}

    def load_training_extras(self, extras: Mapping[str, Any]) -> None:
        """Take up the state that `training_extras()` gave, to resume exactly."""
        if self.scaler.is_enabled() and extras["scaler"]:
            self.scaler.load_state_dict(extras["scaler"])
        self.load_iteration_extras(extras)

    def iteration_extras(self) -> dict[str, Any]:
        """The skipped steps in a row, and what the objective does before a step."""
        return {"nonfinite_in_a_row": self.finite_guard.in_a_row, "objective": self.objective.state()}

    def load_iteration_extras(self, extras: Mapping[str, Any]) -> None:
        """Restore the state that `iteration_extras()` gave, to take an iteration back."""
        self.finite_guard.in_a_row = extras["nonfinite_in_a_row"]
        self.objective.load_state(extras["objective"])
