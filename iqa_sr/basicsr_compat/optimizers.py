"""Optimizers of `torch.optim` by their names, and their learning rates over the run."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from iqa_sr.config.class_arguments import check_arguments, errors_of_options
from iqa_sr.errors import OptionError, did_you_mean, shown

__all__ = ["check_optimizer", "get_optimizer", "update_learning_rate"]


def check_optimizer(section: Mapping[str, Any], path: str) -> None:
    """Take a step of an optimizer on a parameter of four numbers, so that what it does not take is told at once.

    Args:
        section: Options of the optimizer: `type`, a class of `torch.optim`, and its arguments.
        path: Path of the section in the option file, for example `train:optim_g`.

    Raises:
        OptionError: If there is no such class, it cannot be built so, or it takes no step of itself.
    """
    kind = section["type"]
    optimizer = getattr(torch.optim, kind, None)
    known = {name for name, one in vars(torch.optim).items() if _is_optimizer(one)}
    if kind not in known or optimizer is None:
        raise OptionError(f"{path}:type: there is no optimizer {kind!r} in torch.optim; {did_you_mean(kind, known)}")
    check_arguments(optimizer, section, path, given=("params",))
    parameters = inspect.signature(optimizer).parameters
    for key, value in section.items():
        default = parameters[key].default if key in parameters else None
        if isinstance(default, bool) and not isinstance(value, bool):  # what the kernels of a step insist on
            raise OptionError(f"{path}:{key}: expected true or false, got {shown(value)}")
        if isinstance(default, tuple) and (not isinstance(value, list | tuple) or len(value) != len(default)):
            like = f"{len(default)} numbers like its default {default}"
            raise OptionError(f"{path}:{key}: expected {like}, got {shown(value)}")
    # Which kernels compute the step depends on the device, which is not known here.
    plain = {key: value for key, value in section.items() if key not in {"type", *_KERNELS}}
    if all(type(beta) in (int, float) for beta in plain.get("betas", [None])):
        plain["betas"] = [float(beta) for beta in plain["betas"]]  # as `get_optimizer` does
    weights = nn.Parameter(torch.zeros(2, 2))
    weights.grad = torch.ones_like(weights)
    with errors_of_options(section, path, optimizer, "takes no step with these options"):
        optimizer([weights], **plain).step()
    if not weights.isfinite().all():
        raise OptionError(f"{path}: a step of {kind} with these options gives weights that are not finite")


_KERNELS = frozenset(("fused", "foreach", "capturable", "differentiable"))


def _is_optimizer(value: Any) -> bool:
    base = torch.optim.Optimizer
    return isinstance(value, type) and issubclass(value, base) and value is not base


# --- Methods of models ------------------------------------------------------------------------------------------------


def get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
    """Any optimizer of `torch.optim` by its name; Adam and AdamW as one fused kernel unless the options say how."""
    optimizer = getattr(torch.optim, str(optim_type), None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
        raise ValueError(f"optimizer {optim_type!r} does not exist in torch.optim; Adam and AdamW are the usual ones")
    if optim_type in ("Adam", "AdamW") and not kwargs.keys() & _KERNELS:
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
