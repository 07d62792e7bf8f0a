"""BaseModel: devices, optimizers, schedules, checkpoints and best values of a model, under BasicSR's names."""

import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from iqa_sr.basicsr_compat import checkpoint_files, model_methods, optimizers
from iqa_sr.basicsr_compat.builtin.lr_schedulers import SCHEDULERS
from iqa_sr.errors import OptionError, did_you_mean

__all__ = ["BaseModel"]

logger = logging.getLogger(__name__)


class BaseModel:
    """Base class of models that the training loop drives.

    Args:
        opt: The whole options, with what a run adds to them: `is_train`, `dist`, `rank`, `world_size`, `num_gpu`.

    Attributes:
        device: Device that the networks and the batches are on.
        optimizers: Optimizers, that of the generator first.
        schedulers: A scheduler for each of them.
        log_dict: Losses and figures of the last iteration.
        best_metric_results: Best values so far, by data set and metric: `better`, `val`, `iter`.
    """

    net_g: Any
    net_g_ema: Any
    log_dict: dict[str, float]
    best_metric_results: dict[str, dict[str, dict[str, Any]]]

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        self.device = torch.device("cuda" if opt["num_gpu"] != 0 else "cpu")
        self.is_train: bool = opt["is_train"]
        self.schedulers: list[Any] = []
        self.optimizers: list[torch.optim.Optimizer] = []

    # What an installed BasicSR gets by patches is the same here.
    model_to_device = model_methods.model_to_device
    model_ema = model_methods.model_ema
    get_optimizer = optimizers.get_optimizer
    update_learning_rate = optimizers.update_learning_rate
    load_network = checkpoint_files.load_network
    save_network = checkpoint_files.save_network
    save_training_state = checkpoint_files.save_training_state
    _update_best_metric_result = model_methods.update_best_metric_result

    # --- One iteration: for subclasses --------------------------------------------------------------------------------

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch."""
        raise NotImplementedError(f"{type(self).__name__}.feed_data")

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the optimizers."""
        raise NotImplementedError(f"{type(self).__name__}.optimize_parameters")

    def get_current_visuals(self) -> dict[str, Tensor]:
        """Images of the last test by name, on the CPU."""
        raise NotImplementedError(f"{type(self).__name__}.get_current_visuals")

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the networks and the training state; an iteration of -1 is the end of the run."""
        raise NotImplementedError(f"{type(self).__name__}.save")

    # --- Networks -----------------------------------------------------------------------------------------------------

    def get_bare_model(self, net: nn.Module) -> nn.Module:
        """The network itself, without the wrapper for several devices."""
        return cast(nn.Module, net.module) if isinstance(net, DataParallel | DistributedDataParallel) else net

    def print_network(self, net: nn.Module) -> None:
        """Tell the log what a network is made of."""
        if self.opt.get("rank", 0) != 0:
            return
        bare = self.get_bare_model(net)
        kind = type(bare).__name__ if bare is net else f"{type(net).__name__} - {type(bare).__name__}"
        count = sum(parameter.numel() for parameter in bare.parameters())
        logger.info(f"Network: {kind}, with parameters: {count:,d}")
        logger.info(str(bare))

    # --- Learning rates -----------------------------------------------------------------------------------------------

    def setup_schedulers(self) -> None:
        """A scheduler for each optimizer, by `train:scheduler`.

        Raises:
            OptionError: If there is no such scheduler.
        """
        options = dict(self.opt["train"]["scheduler"])
        kind = options.pop("type")
        if kind not in SCHEDULERS:
            raise OptionError(f"train:scheduler:type: there is no scheduler {kind!r}; {did_you_mean(kind, SCHEDULERS)}")
        self.schedulers += [SCHEDULERS[kind](optimizer, **options) for optimizer in self.optimizers]

    def get_current_learning_rate(self) -> list[float]:
        """The rates of the first optimizer's groups."""
        return [group["lr"] for group in self.optimizers[0].param_groups]

    def _set_lr(self, lr_groups_l: list[list[float]]) -> None:
        """Set the rates of each optimizer's groups."""
        for optimizer, rates in zip(self.optimizers, lr_groups_l, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

    def _get_init_lr(self) -> list[list[float]]:
        """The rates that each optimizer's groups began with."""
        return [[group["initial_lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    # --- State and log ------------------------------------------------------------------------------------------------

    def resume_training(self, resume_state: Mapping[str, Any]) -> None:
        """Take up the optimizers and schedulers of a training state.

        Raises:
            ValueError: If it is of a model with more or fewer of them.
        """
        for key, own in (("optimizers", self.optimizers), ("schedulers", self.schedulers)):
            states = resume_state[key]
            if len(states) != len(own):
                raise ValueError(f"the training state has {len(states)} {key}, the model {len(own)}")
            for part, state in zip(own, states, strict=True):
                part.load_state_dict(state)

    def get_current_log(self) -> dict[str, float]:
        """Losses and figures of the last iteration."""
        return self.log_dict

    @torch.no_grad()
    def reduce_loss_dict(self, loss_dict: Mapping[str, Tensor]) -> dict[str, float]:
        """Losses as numbers; of several processes the first gets the means."""
        values = dict(loss_dict)
        if self.opt["dist"]:
            together = torch.stack(list(values.values()))
            torch.distributed.reduce(together, dst=0)
            if self.opt["rank"] == 0:
                together /= self.opt["world_size"]
            values = dict(zip(values, together, strict=True))
        return {name: value.mean().item() for name, value in values.items()}

    # --- Validation ---------------------------------------------------------------------------------------------------

    def validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool = False) -> None:
        """Validate, on one process or as one of several.

        Args:
            dataloader: Batches of one image.
            current_iter: Number of iterations done.
            tb_logger: Writer of TensorBoard, or None.
            save_img: Whether results are written as images.
        """
        validate = self.dist_validation if self.opt["dist"] else self.nondist_validation
        validate(dataloader, current_iter, tb_logger, save_img)

    def dist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """The first process validates."""
        if self.opt["rank"] == 0:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> Any:
        """Validate on this process; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__}.nondist_validation")

    def _initialize_best_metric_results(self, dataset_name: str) -> None:
        """Make room for the best values of a data set."""
        best: dict[str, Any] = self.__dict__.setdefault("best_metric_results", {})
        if dataset_name not in best:
            directions = {name: one.get("better", "higher") for name, one in self.opt["val"]["metrics"].items()}
            best[dataset_name] = {
                name: {"better": better, "val": float("-inf" if better == "higher" else "inf"), "iter": -1}
                for name, better in directions.items()
            }
