"""Methods of `BaseModel`, which all models of BasicSR inherit: devices, optimizers, checkpoints.

Each function with `self` replaces the method of its name.
"""

import logging
import math
import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
from basicsr.models.base_model import BaseModel
from torch import nn

from iqa_sr.errors import OptionError
from iqa_sr.io.network_states import few, load_state, nonfinite_weights, select_state_dict
from iqa_sr.io.state_dicts import state_dicts, weights_of
from iqa_sr.io.tensor_files import read_tensor_file, write_tensor_file
from iqa_sr.runtime import distributed

__all__ = ["PATCHES"]

logger = logging.getLogger(__name__)

_update_best_metric_result = BaseModel._update_best_metric_result


def model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """The network on its device, wrapped for several processes (DDP) or for several GPUs of one (DataParallel)."""
    net = net.to(self.device)
    if self.opt["dist"]:
        distributed.share_buffers(net)  # spectral norms begin at random, and weigh all that is computed
        return nn.parallel.DistributedDataParallel(
            net,
            device_ids=[torch.cuda.current_device()] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=self.opt.get("find_unused_parameters", False),
        )
    return nn.DataParallel(net) if self.opt["num_gpu"] > 1 else net


def get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
    """Any optimizer of `torch.optim` by its name; Adam and AdamW as one fused kernel unless the options say how."""
    optimizer = getattr(torch.optim, str(optim_type), None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
        raise ValueError(f"optimizer {optim_type!r} does not exist in torch.optim; Adam and AdamW are the usual ones")
    if optim_type in ("Adam", "AdamW") and not {"fused", "foreach", "capturable", "differentiable"} & set(kwargs):
        kwargs["fused"] = True
    if "betas" in kwargs:
        kwargs["betas"] = [float(beta) for beta in kwargs["betas"]]  # torch refuses the whole 0 of `betas: [0, 0.99]`
    # The text is BasicSR's reader's of `1e-4`.
    return cast(torch.optim.Optimizer, optimizer(params, lr=float(lr), **kwargs))  # type: ignore[call-arg]


def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """The scheduled rate, scaled linearly from 0 during the first `warmup_iter` iterations."""
    for scheduler in self.schedulers:
        if current_iter > 1:
            # MultiStepRestartLR multiplies the rate that it finds in the optimizer: give it the unscaled one.
            _set_rates(scheduler, scheduler.get_last_lr(), 1.0)
            with warnings.catch_warnings():  # torch counts steps; one that is skipped as not finite is no wrong order
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                scheduler.step()
        if current_iter < warmup_iter:
            _set_rates(scheduler, scheduler.get_last_lr(), current_iter / warmup_iter)


def _set_rates(scheduler: Any, rates: list[float], factor: float) -> None:
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def update_best_metric_result(self: Any, dataset_name: str, metric: str, val: float, current_iter: int) -> None:
    """Keep the best validation result as BasicSR does, but only a finite mean can be the best."""
    if math.isfinite(val):
        _update_best_metric_result(self, dataset_name, metric, val, current_iter)


def model_ema(self: Any, decay: float = 0.999) -> None:
    """Moving average of the trainable parameters; buffers and frozen parameters are copied."""
    source = self.get_bare_model(self.net_g)
    averages, buffers = dict(self.net_g_ema.named_parameters()), dict(self.net_g_ema.named_buffers())
    trained = {name: p for name, p in source.named_parameters() if p.requires_grad and decay > 0}
    with torch.no_grad():
        if trained:  # all of them in one call: a small network has hundreds of tiny tensors
            targets = [averages[name] for name in trained]
            torch._foreach_mul_(targets, decay)
            torch._foreach_add_(targets, list(trained.values()), alpha=1 - decay)
        for name, parameter in source.named_parameters():
            if name not in trained:
                averages[name].copy_(parameter)
        for name, buffer in source.named_buffers():
            buffers[name].copy_(buffer)


def save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    """Save a network as BasicSR does, but the file is written whole or not at all, and a failure is an error."""
    if self.opt["rank"] != 0:
        return
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content = {
        key: {
            name.removeprefix("module."): value.cpu() for name, value in self.get_bare_model(one).state_dict().items()
        }
        for key, one in zip(keys, nets, strict=True)
    }
    label = "latest" if current_iter == -1 else current_iter
    write_tensor_file(content, f"{self.opt['path']['models']}/{net_label}_{label}.pth")


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """Save the training state as BasicSR does, but written whole or not at all, and with `extra_training_state`.

    The training loop sets that function; its result makes an exact resume possible.
    """
    if current_iter == -1:
        return
    extra = getattr(self, "extra_training_state", None)
    state = {
        "epoch": epoch,
        "iter": current_iter,
        "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        **(extra() if extra else {}),
    }
    if self.opt["rank"] == 0:
        write_tensor_file(state, f"{self.opt['path']['training_states']}/{current_iter}.state")


def load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """Load a network as BasicSR does, but read tensors only, in any usual form; the error lists a few keys.

    A key that the option file names is the one that is read, but by BasicSR's average, which prefers `params_ema`.
    Where it names none, the key is found: BasicSR's own, else that whose weights fit.
    """
    network = self.get_bare_model(net)
    content = read_tensor_file(load_path)
    option, named = _named_key(self.opt, load_path)
    if named is not None:
        try:
            state_dicts(content, load_path, named)
        except ValueError as error:
            raise OptionError(f"path:{option}: {error}\nLeave it out, and the weights that fit are found.") from error
    if not isinstance(content, Mapping) or param_key not in content:
        param_key = named
    if named is None:
        param_key, state = weights_of(network, content, load_path, preferred=param_key or "params")
    else:
        state = select_state_dict(content, load_path, param_key)
    left_out = load_state(network, state, load_path, strict)
    if names := nonfinite_weights(network):
        raise ValueError(
            f"{load_path}: {len(names)} weights are not finite: {few(names)}; it was saved by a run that has diverged\n"
            "Begin with another checkpoint, or resume from an older training state: path:resume_state."
        )
    logger.info(f"Loaded {type(network).__name__} from {load_path} ({param_key or 'the file is the state dict'}).")
    if left_out:
        logger.warning(f"{len(left_out)} keys not loaded from {load_path}: {', '.join(left_out[:5])}")


def _named_key(opt: Mapping[str, Any], file: str) -> tuple[str, str | None]:
    """The option that says which weights of a file are meant, and what it says; None where it says nothing."""
    base = opt.get("base_network", {})
    if base.get("file") == file:  # what a resumed run began with: `path` names its own checkpoint by now
        return "param_key_g", base.get("named")
    for key, value in opt["path"].items():
        if key.startswith("pretrain_network") and value == file:
            option = key.replace("pretrain_network", "param_key")
            return option, opt["path"].get(option)
    return "param_key", None


PATCHES: tuple[tuple[Any, str, Any], ...] = (
    # BasicSR's DDP asks for a CUDA device, and its buffer broadcast gets out of step when rank 0 alone validates;
    # without it DDP leaves each process with buffers of its own from the start.
    (BaseModel, "model_to_device", model_to_device),
    # Only Adam is known to 1.4.2.
    (BaseModel, "get_optimizer", get_optimizer),
    # A warm-up leaves MultiStepLR short for the rest of the run.
    (BaseModel, "update_learning_rate", update_learning_rate),
    # A mean that is infinite stays the best for ever.
    (BaseModel, "_update_best_metric_result", update_best_metric_result),
    # EMA copies no buffers and lets frozen weights drift.
    (BaseModel, "model_ema", model_ema),
    # BasicSR tries three times to write, then goes on without a file; a killed write leaves half a file.
    (BaseModel, "save_network", save_network),
    (BaseModel, "save_training_state", save_training_state),
    # A file of another network or one with pickled code ends in a stack trace.
    (BaseModel, "load_network", load_network),
)
