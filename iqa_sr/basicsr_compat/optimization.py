"""Optimizers, learning rate schedules, EMA.

The functions with `self` replace the methods of `BaseModel` of their names.
"""

import warnings
from typing import Any, cast

import torch
from basicsr.models.base_model import BaseModel

__all__ = ["patch_optimization"]


def patch_optimization() -> None:
    """Take any optimizer of torch, and put the warm-up, the EMA and the perceptual loss with `l2` right.

    Only Adam is known to 1.4.2; a warm-up leaves MultiStepLR short for the rest of the run; EMA copies no buffers and
    lets frozen weights drift; `PerceptualLoss` with `l2` uses a class that torch never had.
    """
    BaseModel.get_optimizer = get_optimizer
    BaseModel.update_learning_rate = update_learning_rate
    BaseModel.model_ema = model_ema
    if not hasattr(torch.nn, "L2loss"):
        torch.nn.L2loss = torch.nn.MSELoss  # type: ignore[attr-defined]


def get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
    """Any optimiser of `torch.optim` by its name; Adam and AdamW as one fused kernel unless the options say how."""
    optimizer = getattr(torch.optim, str(optim_type), None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
        raise ValueError(f"optimiser {optim_type!r} does not exist in torch.optim; Adam and AdamW are the usual ones")
    if optim_type in ("Adam", "AdamW") and not {"fused", "foreach", "capturable", "differentiable"} & set(kwargs):
        kwargs["fused"] = True
    return cast(torch.optim.Optimizer, optimizer(params, lr=lr, **kwargs))  # type: ignore[call-arg]


def update_learning_rate(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """The scheduled rate, scaled linearly from 0 during the first `warmup_iter` iterations."""
    for scheduler in self.schedulers:
        if current_iter > 1:
            # MultiStepRestartLR multiplies the rate that it finds in the optimiser: give it the unscaled one.
            _set_rates(scheduler, scheduler.get_last_lr(), 1.0)
            with warnings.catch_warnings():  # torch counts steps; one that is skipped as not finite is no wrong order
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                scheduler.step()
        if current_iter < warmup_iter:
            _set_rates(scheduler, scheduler.get_last_lr(), current_iter / warmup_iter)


def _set_rates(scheduler: Any, rates: list[float], factor: float) -> None:
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


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
